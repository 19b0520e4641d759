// Original file: proto/chrysalis/v1/admin.proto


export interface PolicyProposal {
  'policy'?: (string);
  'policyDigest'?: (Buffer | Uint8Array | string);
  'id'?: (string);
  'number'?: (number);
  'approvals'?: (Buffer | Uint8Array | string);
  'missing'?: (string)[];
}

export interface PolicyProposal__Output {
  'policy': (string);
  'policyDigest': (Buffer);
  'id': (string);
  'number': (number);
  'approvals': (Buffer);
  'missing': (string)[];
}
