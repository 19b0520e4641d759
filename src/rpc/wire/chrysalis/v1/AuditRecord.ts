// Original file: proto/chrysalis/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface AuditRecord {
  'index'?: (number | string | Long);
  'account'?: (string);
  'salt'?: (Buffer | Uint8Array | string);
}

export interface AuditRecord__Output {
  'index': (string);
  'account': (string);
  'salt': (Buffer);
}
