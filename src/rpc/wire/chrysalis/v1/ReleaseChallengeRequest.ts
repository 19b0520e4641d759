// Original file: proto/chrysalis/v1/release.proto


export interface ReleaseChallengeRequest {
  'secret'?: (string);
}

export interface ReleaseChallengeRequest__Output {
  'secret': (string);
}
