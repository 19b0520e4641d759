// Original file: proto/chrysalis/v1/admin.proto


export interface ProposePolicyRequest {
  'policy'?: (string);
  'approvals'?: (Buffer | Uint8Array | string);
}

export interface ProposePolicyRequest__Output {
  'policy': (string);
  'approvals': (Buffer);
}
