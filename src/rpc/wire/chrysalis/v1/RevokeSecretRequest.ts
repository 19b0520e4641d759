// Original file: proto/chrysalis/v1/release.proto


export interface RevokeSecretRequest {
  'name'?: (string);
  'policyDigest'?: (Buffer | Uint8Array | string);
  'what'?: "name"|"policyDigest";
}

export interface RevokeSecretRequest__Output {
  'name'?: (string);
  'policyDigest'?: (Buffer);
  'what'?: "name"|"policyDigest";
}
