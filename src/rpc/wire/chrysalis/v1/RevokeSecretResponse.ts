// Original file: proto/chrysalis/v1/release.proto


export interface RevokeSecretResponse {
  'revoked'?: (string)[];
}

export interface RevokeSecretResponse__Output {
  'revoked': (string)[];
}
