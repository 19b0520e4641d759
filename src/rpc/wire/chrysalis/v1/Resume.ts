// Original file: proto/chrysalis/v1/worker.proto

import type { Evidence as _chrysalis_v1_Evidence, Evidence__Output as _chrysalis_v1_Evidence__Output } from '../../chrysalis/v1/Evidence.ts';

export interface Resume {
  'ticket'?: (Buffer | Uint8Array | string);
  'evidence'?: (_chrysalis_v1_Evidence | null);
  'signature'?: (Buffer | Uint8Array | string);
}

export interface Resume__Output {
  'ticket': (Buffer);
  'evidence': (_chrysalis_v1_Evidence__Output | null);
  'signature': (Buffer);
}
