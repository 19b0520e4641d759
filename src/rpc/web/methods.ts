import { amount, bytes, list, record, text, whole } from './schema.ts';

const NAME_MAX = 256;
const PROOF_MAX = 64 * 1024;
const COLLATERAL_MAX = 2 * 1024 * 1024;

const entry = record({ leaf: bytes, proof: text(PROOF_MAX) });
const terms = record({
  network: whole,
  clientKey: bytes,
  closeDelaySeconds: whole,
  salt: amount,
  client: text(NAME_MAX),
  payee: text(NAME_MAX),
});
const account = record({
  channel: text(NAME_MAX),
  state: text(NAME_MAX),
  deposited: amount,
  claimed: amount,
  vouchered: amount,
  receipted: amount,
  receipts: whole,
  voucheredReceipts: whole,
});
const model = record({ modelDigest: bytes, name: text(NAME_MAX), workers: whole, contextTokensMax: whole });
const offer = record({ offer: bytes, evidenceDigest: bytes, workerId: bytes, workerName: text(NAME_MAX) });
const delegation = record({ channel: terms, sessionKey: bytes, limit: amount, notAfter: whole, signature: bytes });
const voucher = record({
  channel: text(NAME_MAX),
  cumulative: amount,
  receipts: bytes,
  newReceiptDigests: list(bytes, 10_000),
  signature: bytes,
});

const MODEL_PRICES_MAX = 4_096;

/** Methods with one question and one answer: what each is asked and answers, as `POST PATH/name` carries it in JSON. */
export const METHODS = {
  listModels: { ask: record({}), answer: list(model, 4_096) },
  getOffers: { ask: record({ hello: bytes, offersMax: whole }), answer: list(offer, 64) },
  getEvidence: {
    ask: record({ evidenceDigest: bytes }),
    answer: record({ bundle: bytes, collateral: text(COLLATERAL_MAX) }),
  },
  getAdmission: { ask: record({ workerId: bytes }), answer: entry },
  getReceiptProof: { ask: record({ receiptDigest: bytes }), answer: record({ batch: entry, place: bytes }) },
  getTerms: {
    ask: record({}),
    answer: record({
      priceSheet: bytes,
      priceSignature: bytes,
      modelPrices: list(record({ model: bytes, priceSheet: bytes, signature: bytes }), MODEL_PRICES_MAX),
      network: whole,
      payee: text(NAME_MAX),
      dispatchKey: bytes,
    }),
  },
  delegate: { ask: delegation, answer: bytes },
  submitVoucher: { ask: voucher, answer: amount },
  getChannel: { ask: record({ channel: text(NAME_MAX) }), answer: account },
  requestClaim: { ask: record({ channel: text(NAME_MAX) }), answer: account },
} as const;

export type MethodName = keyof typeof METHODS;
export type AskOf<Name extends MethodName> = ReturnType<(typeof METHODS)[Name]['ask']['read']>;
export type AnswerOf<Name extends MethodName> = ReturnType<(typeof METHODS)[Name]['answer']['read']>;

/** The first piece of a request; frames follow, one to a piece. */
export const OPEN = record({
  header: bytes,
  authorization: bytes,
  commit: bytes,
  candidates: list(record({ wrap: bytes, enc: bytes }), 3),
  hello: bytes,
});

/** How an error crosses: a stable code, one sentence, and when to come again. */
export const FAILURE = record({ code: text(64), message: text(2_000), retryAfterMs: whole });

/** Milliseconds that whoever asks will wait. */
export const DEADLINE_HEADER = 'x-chrysalis-deadline-ms';
/** 32 hexadecimal digits that end this answer early, at `POST PATH/stop`: its end and receipt still come. */
export const STOP_HEADER = 'x-chrysalis-stop';
export const STOP_TOKEN = /^[0-9a-f]{32}$/;
