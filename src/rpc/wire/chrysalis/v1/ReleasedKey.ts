// Original file: proto/chrysalis/v1/release.proto

import type { Long } from '@grpc/proto-loader';

export interface ReleasedKey {
  'enc'?: (Buffer | Uint8Array | string);
  'sealed'?: (Buffer | Uint8Array | string);
  'policyDigest'?: (Buffer | Uint8Array | string);
  'logIndex'?: (number | string | Long);
}

export interface ReleasedKey__Output {
  'enc': (Buffer);
  'sealed': (Buffer);
  'policyDigest': (Buffer);
  'logIndex': (string);
}
