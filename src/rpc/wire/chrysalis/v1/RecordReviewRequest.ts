// Original file: proto/chrysalis/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface RecordReviewRequest {
  'manifestSha256'?: (Buffer | Uint8Array | string);
  'size'?: (number | string | Long);
  'verdict'?: (string);
}

export interface RecordReviewRequest__Output {
  'manifestSha256': (Buffer);
  'size': (string);
  'verdict': (string);
}
