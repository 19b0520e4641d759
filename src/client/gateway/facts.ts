import { toBase64, toHex } from '../../core/index.ts';
import type {
  AnswerReceipt,
  CheckGroups,
  NamedCheck,
  PaymentState,
  ReceiptInLog,
  Usage,
  VerifiedWorker,
} from '../api.ts';

/** The facts of verification as JSON: times as RFC 3339, amounts as decimal strings, bytes as hex or base64. */
export type WorkerFacts = Readonly<{
  worker: string;
  name: string;
  tee: string;
  simulated: boolean;
  evidence: string;
  model_digest: string;
  tcb_status: string;
  mode: 'cached' | 'live' | 'quote';
  checks: CheckGroups;
  admission: Readonly<{ index: number; size: number; origin: string }>;
  verified_at: string;
  expires_at: string;
  candidates: number;
}>;

export type ReceiptFacts = Readonly<{
  id: string;
  digest: string;
  /** `checkpoint` where its answer failed or was cut after it. */
  kind: AnswerReceipt['kind'];
  worker: string;
  amount: string;
  currency: string;
  tokens: Readonly<{ in: number; cached: number; out: number }>;
  frames: number;
  checks: readonly NamedCheck[];
  object: string;
  signature: string;
}>;

export type ProofFacts = Readonly<{ index: number; size: number; origin: string; checks: readonly NamedCheck[] }>;

export type PaymentFacts = Readonly<{
  channel: string;
  state: string;
  deposited: string;
  claimed: string;
  vouchered: string;
  receipts: number;
}>;

/** The field `chrysalis` of an answer and of a stream's last chunk. */
export type AnswerFacts = Readonly<{
  worker: string;
  name: string;
  evidence: string;
  simulated: boolean;
  checks: Readonly<Record<string, string>>;
  receipt: ReceiptFacts;
  /** Of workers whose answer this one went on from: paid as well. */
  earlier?: readonly ReceiptFacts[];
}>;

const MODES = ['cached', 'live', 'quote'] as const;

export function workerFacts(worker: VerifiedWorker): WorkerFacts {
  return {
    worker: worker.workerId,
    name: worker.name,
    tee: worker.tee,
    simulated: worker.simulated,
    evidence: worker.evidenceDigest,
    model_digest: worker.modelDigest,
    tcb_status: worker.tcbStatus,
    mode: MODES[worker.mode],
    checks: worker.checks,
    admission: worker.admission,
    verified_at: new Date(worker.verifiedAt).toISOString(),
    expires_at: new Date(worker.expiresAt).toISOString(),
    candidates: worker.candidates,
  };
}

export function receiptFacts(receipt: AnswerReceipt): ReceiptFacts {
  return {
    id: receipt.id,
    digest: toHex(receipt.digest),
    kind: receipt.kind,
    worker: receipt.workerId,
    amount: receipt.amount.toString(),
    currency: receipt.currency,
    tokens: { in: receipt.tokensIn, cached: receipt.tokensCached, out: receipt.tokensOut },
    frames: receipt.frames,
    checks: receipt.checks,
    object: toBase64(receipt.object),
    signature: toBase64(receipt.signature),
  };
}

export function proofFacts(proof: ReceiptInLog): ProofFacts {
  return { index: proof.index, size: proof.size, origin: proof.origin, checks: proof.checks };
}

export function paymentFacts(payment: PaymentState): PaymentFacts {
  return {
    channel: payment.channel,
    state: payment.state,
    deposited: payment.deposited.toString(),
    claimed: payment.claimed.toString(),
    vouchered: payment.vouchered.toString(),
    receipts: payment.receipts,
  };
}

/** `{"cpu":"11 of 11"}`: how many checks of each group passed. */
export function checkCounts(groups: CheckGroups): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(groups).map(([group, checks]) => {
      const passed = checks.filter((check) => check.outcome === 'passed').length;
      return [group, `${passed} of ${checks.length}`];
    }),
  );
}

export function answerFacts(
  worker: VerifiedWorker,
  { receipt, earlier }: Readonly<{ receipt: AnswerReceipt; earlier: readonly AnswerReceipt[] }>,
): AnswerFacts {
  return {
    worker: worker.workerId,
    name: worker.name,
    evidence: worker.evidenceDigest,
    simulated: worker.simulated,
    checks: checkCounts(worker.checks),
    receipt: receiptFacts(receipt),
    ...(earlier.length === 0 ? {} : { earlier: earlier.map(receiptFacts) }),
  };
}

/** OpenAI counts cached input among the prompt; a receipt counts it apart. */
export function usageFacts(usage: Usage) {
  const prompt = usage.tokensIn + usage.tokensCached;
  return {
    prompt_tokens: prompt,
    completion_tokens: usage.tokensOut,
    total_tokens: prompt + usage.tokensOut,
    prompt_tokens_details: { cached_tokens: usage.tokensCached },
  };
}
