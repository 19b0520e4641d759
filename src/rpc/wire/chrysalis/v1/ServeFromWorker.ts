// Original file: proto/chrysalis/v1/worker.proto

import type { SignedReceipt as _chrysalis_v1_SignedReceipt, SignedReceipt__Output as _chrysalis_v1_SignedReceipt__Output } from '../../chrysalis/v1/SignedReceipt.ts';

export interface ServeFromWorker {
  'lease'?: (Buffer | Uint8Array | string);
  'preface'?: (Buffer | Uint8Array | string);
  'frame'?: (Buffer | Uint8Array | string);
  'receipt'?: (_chrysalis_v1_SignedReceipt | null);
  'refused'?: (string);
  'part'?: "lease"|"preface"|"frame"|"receipt"|"refused";
}

export interface ServeFromWorker__Output {
  'lease'?: (Buffer);
  'preface'?: (Buffer);
  'frame'?: (Buffer);
  'receipt'?: (_chrysalis_v1_SignedReceipt__Output | null);
  'refused'?: (string);
  'part'?: "lease"|"preface"|"frame"|"receipt"|"refused";
}
