// Original file: proto/chrysalis/v1/inference.proto

import type { Open as _chrysalis_v1_Open, Open__Output as _chrysalis_v1_Open__Output } from '../../chrysalis/v1/Open.ts';

export interface InferRequest {
  'open'?: (_chrysalis_v1_Open | null);
  'frame'?: (Buffer | Uint8Array | string);
  'stop'?: (boolean);
  'part'?: "open"|"frame"|"stop";
}

export interface InferRequest__Output {
  'open'?: (_chrysalis_v1_Open__Output | null);
  'frame'?: (Buffer);
  'stop'?: (boolean);
  'part'?: "open"|"frame"|"stop";
}
