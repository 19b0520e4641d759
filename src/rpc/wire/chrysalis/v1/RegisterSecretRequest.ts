// Original file: proto/chrysalis/v1/release.proto


export interface RegisterSecretRequest {
  'name'?: (string);
  'owner'?: (string);
  'secret'?: (Buffer | Uint8Array | string);
  'policy'?: (string);
  'approvals'?: (string);
}

export interface RegisterSecretRequest__Output {
  'name': (string);
  'owner': (string);
  'secret': (Buffer);
  'policy': (string);
  'approvals': (string);
}
