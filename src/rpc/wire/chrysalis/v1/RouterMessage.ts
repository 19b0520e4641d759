// Original file: proto/chrysalis/v1/worker.proto

import type { Challenge as _chrysalis_v1_Challenge, Challenge__Output as _chrysalis_v1_Challenge__Output } from '../../chrysalis/v1/Challenge.ts';
import type { Lease as _chrysalis_v1_Lease, Lease__Output as _chrysalis_v1_Lease__Output } from '../../chrysalis/v1/Lease.ts';
import type { Refusal as _chrysalis_v1_Refusal, Refusal__Output as _chrysalis_v1_Refusal__Output } from '../../chrysalis/v1/Refusal.ts';
import type { HelloAsk as _chrysalis_v1_HelloAsk, HelloAsk__Output as _chrysalis_v1_HelloAsk__Output } from '../../chrysalis/v1/HelloAsk.ts';
import type { Drain as _chrysalis_v1_Drain, Drain__Output as _chrysalis_v1_Drain__Output } from '../../chrysalis/v1/Drain.ts';
import type { WorkerVoucher as _chrysalis_v1_WorkerVoucher, WorkerVoucher__Output as _chrysalis_v1_WorkerVoucher__Output } from '../../chrysalis/v1/WorkerVoucher.ts';

export interface RouterMessage {
  'challenge'?: (_chrysalis_v1_Challenge | null);
  'lease'?: (_chrysalis_v1_Lease | null);
  'refusal'?: (_chrysalis_v1_Refusal | null);
  'hello'?: (_chrysalis_v1_HelloAsk | null);
  'drain'?: (_chrysalis_v1_Drain | null);
  'voucher'?: (_chrysalis_v1_WorkerVoucher | null);
  'message'?: "challenge"|"lease"|"refusal"|"hello"|"drain"|"voucher";
}

export interface RouterMessage__Output {
  'challenge'?: (_chrysalis_v1_Challenge__Output | null);
  'lease'?: (_chrysalis_v1_Lease__Output | null);
  'refusal'?: (_chrysalis_v1_Refusal__Output | null);
  'hello'?: (_chrysalis_v1_HelloAsk__Output | null);
  'drain'?: (_chrysalis_v1_Drain__Output | null);
  'voucher'?: (_chrysalis_v1_WorkerVoucher__Output | null);
  'message'?: "challenge"|"lease"|"refusal"|"hello"|"drain"|"voucher";
}
