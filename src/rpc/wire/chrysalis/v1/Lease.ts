// Original file: proto/chrysalis/v1/worker.proto

import type { Long } from '@grpc/proto-loader';

export interface Lease {
  'lease'?: (Buffer | Uint8Array | string);
  'expiresAt'?: (number | string | Long);
  'logIndex'?: (number | string | Long);
  'dispatchKey'?: (Buffer | Uint8Array | string);
  'priceSheet'?: (Buffer | Uint8Array | string);
  'ticket'?: (Buffer | Uint8Array | string);
}

export interface Lease__Output {
  'lease': (Buffer);
  'expiresAt': (string);
  'logIndex': (string);
  'dispatchKey': (Buffer);
  'priceSheet': (Buffer);
  'ticket': (Buffer);
}
