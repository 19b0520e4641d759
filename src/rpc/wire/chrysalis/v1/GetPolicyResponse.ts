// Original file: proto/chrysalis/v1/admin.proto


export interface GetPolicyResponse {
  'policy'?: (string);
  'policyDigest'?: (Buffer | Uint8Array | string);
}

export interface GetPolicyResponse__Output {
  'policy': (string);
  'policyDigest': (Buffer);
}
