// Original file: proto/chrysalis/v1/worker.proto

import type { ServeOpen as _chrysalis_v1_ServeOpen, ServeOpen__Output as _chrysalis_v1_ServeOpen__Output } from '../../chrysalis/v1/ServeOpen.ts';
import type { Dispatch as _chrysalis_v1_Dispatch, Dispatch__Output as _chrysalis_v1_Dispatch__Output } from '../../chrysalis/v1/Dispatch.ts';

export interface ServeFromRouter {
  'open'?: (_chrysalis_v1_ServeOpen | null);
  'frame'?: (Buffer | Uint8Array | string);
  'dispatch'?: (_chrysalis_v1_Dispatch | null);
  'stop'?: (boolean);
  'part'?: "open"|"frame"|"dispatch"|"stop";
}

export interface ServeFromRouter__Output {
  'open'?: (_chrysalis_v1_ServeOpen__Output | null);
  'frame'?: (Buffer);
  'dispatch'?: (_chrysalis_v1_Dispatch__Output | null);
  'stop'?: (boolean);
  'part'?: "open"|"frame"|"dispatch"|"stop";
}
