// Original file: proto/chrysalis/v1/worker.proto

import type { Join as _chrysalis_v1_Join, Join__Output as _chrysalis_v1_Join__Output } from '../../chrysalis/v1/Join.ts';
import type { Evidence as _chrysalis_v1_Evidence, Evidence__Output as _chrysalis_v1_Evidence__Output } from '../../chrysalis/v1/Evidence.ts';
import type { OfferAnswer as _chrysalis_v1_OfferAnswer, OfferAnswer__Output as _chrysalis_v1_OfferAnswer__Output } from '../../chrysalis/v1/OfferAnswer.ts';
import type { WorkerStatus as _chrysalis_v1_WorkerStatus, WorkerStatus__Output as _chrysalis_v1_WorkerStatus__Output } from '../../chrysalis/v1/WorkerStatus.ts';
import type { RenewalRequest as _chrysalis_v1_RenewalRequest, RenewalRequest__Output as _chrysalis_v1_RenewalRequest__Output } from '../../chrysalis/v1/RenewalRequest.ts';
import type { Resume as _chrysalis_v1_Resume, Resume__Output as _chrysalis_v1_Resume__Output } from '../../chrysalis/v1/Resume.ts';

export interface WorkerMessage {
  'join'?: (_chrysalis_v1_Join | null);
  'evidence'?: (_chrysalis_v1_Evidence | null);
  'offer'?: (_chrysalis_v1_OfferAnswer | null);
  'status'?: (_chrysalis_v1_WorkerStatus | null);
  'renewal'?: (_chrysalis_v1_RenewalRequest | null);
  'resume'?: (_chrysalis_v1_Resume | null);
  'message'?: "join"|"evidence"|"offer"|"status"|"renewal"|"resume";
}

export interface WorkerMessage__Output {
  'join'?: (_chrysalis_v1_Join__Output | null);
  'evidence'?: (_chrysalis_v1_Evidence__Output | null);
  'offer'?: (_chrysalis_v1_OfferAnswer__Output | null);
  'status'?: (_chrysalis_v1_WorkerStatus__Output | null);
  'renewal'?: (_chrysalis_v1_RenewalRequest__Output | null);
  'resume'?: (_chrysalis_v1_Resume__Output | null);
  'message'?: "join"|"evidence"|"offer"|"status"|"renewal"|"resume";
}
