// Original file: proto/chrysalis/v1/inference.proto

import type { SignedReceipt as _chrysalis_v1_SignedReceipt, SignedReceipt__Output as _chrysalis_v1_SignedReceipt__Output } from '../../chrysalis/v1/SignedReceipt.ts';

export interface InferResponse {
  'preface'?: (Buffer | Uint8Array | string);
  'frame'?: (Buffer | Uint8Array | string);
  'receipt'?: (_chrysalis_v1_SignedReceipt | null);
  'part'?: "preface"|"frame"|"receipt";
}

export interface InferResponse__Output {
  'preface'?: (Buffer);
  'frame'?: (Buffer);
  'receipt'?: (_chrysalis_v1_SignedReceipt__Output | null);
  'part'?: "preface"|"frame"|"receipt";
}
