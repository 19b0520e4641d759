// Original file: proto/chrysalis/v1/transparency.proto

import type { LoggedEntry as _chrysalis_v1_LoggedEntry, LoggedEntry__Output as _chrysalis_v1_LoggedEntry__Output } from '../../chrysalis/v1/LoggedEntry.ts';

export interface ReceiptProof {
  'batch'?: (_chrysalis_v1_LoggedEntry | null);
  'place'?: (Buffer | Uint8Array | string);
}

export interface ReceiptProof__Output {
  'batch': (_chrysalis_v1_LoggedEntry__Output | null);
  'place': (Buffer);
}
