// Original file: proto/chrysalis/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface EndedCount {
  'code'?: (string);
  'count'?: (number | string | Long);
}

export interface EndedCount__Output {
  'code': (string);
  'count': (string);
}
