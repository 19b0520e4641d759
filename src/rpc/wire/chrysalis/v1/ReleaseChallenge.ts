// Original file: proto/chrysalis/v1/release.proto


export interface ReleaseChallenge {
  'nonce'?: (Buffer | Uint8Array | string);
  'beacon'?: (Buffer | Uint8Array | string);
}

export interface ReleaseChallenge__Output {
  'nonce': (Buffer);
  'beacon': (Buffer);
}
