// Original file: proto/chrysalis/v1/admin.proto


export interface ApprovePolicyRequest {
  'approvals'?: (Buffer | Uint8Array | string);
}

export interface ApprovePolicyRequest__Output {
  'approvals': (Buffer);
}
