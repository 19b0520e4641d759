// Original file: proto/chrysalis/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface RecordExportRequest {
  'manifestSha256'?: (Buffer | Uint8Array | string);
  'from'?: (number | string | Long);
  'size'?: (number | string | Long);
}

export interface RecordExportRequest__Output {
  'manifestSha256': (Buffer);
  'from': (string);
  'size': (string);
}
