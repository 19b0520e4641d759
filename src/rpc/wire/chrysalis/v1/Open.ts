// Original file: proto/chrysalis/v1/inference.proto

import type { Candidate as _chrysalis_v1_Candidate, Candidate__Output as _chrysalis_v1_Candidate__Output } from '../../chrysalis/v1/Candidate.ts';

export interface Open {
  'header'?: (Buffer | Uint8Array | string);
  'authorization'?: (Buffer | Uint8Array | string);
  'commit'?: (Buffer | Uint8Array | string);
  'candidates'?: (_chrysalis_v1_Candidate)[];
  'hello'?: (Buffer | Uint8Array | string);
}

export interface Open__Output {
  'header': (Buffer);
  'authorization': (Buffer);
  'commit': (Buffer);
  'candidates': (_chrysalis_v1_Candidate__Output)[];
  'hello': (Buffer);
}
