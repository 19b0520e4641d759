// Original file: proto/chrysalis/v1/worker.proto

import type { SignedReceipt as _chrysalis_v1_SignedReceipt, SignedReceipt__Output as _chrysalis_v1_SignedReceipt__Output } from '../../chrysalis/v1/SignedReceipt.ts';

export interface ServeFromWorker {
  'preface'?: (Buffer | Uint8Array | string);
  'frame'?: (Buffer | Uint8Array | string);
  'receipt'?: (_chrysalis_v1_SignedReceipt | null);
  'lease'?: (Buffer | Uint8Array | string);
  'refused'?: (string);
  'done'?: (boolean);
  'part'?: "preface"|"frame"|"receipt"|"lease"|"refused"|"done";
}

export interface ServeFromWorker__Output {
  'preface'?: (Buffer);
  'frame'?: (Buffer);
  'receipt'?: (_chrysalis_v1_SignedReceipt__Output | null);
  'lease'?: (Buffer);
  'refused'?: (string);
  'done'?: (boolean);
  'part'?: "preface"|"frame"|"receipt"|"lease"|"refused"|"done";
}
