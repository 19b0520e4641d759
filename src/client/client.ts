import { type Bytes, CodedError, type ErrorCode, fromHex, KIND_OF_CODE, toHex, type UnixMs } from '../core/index.ts';
import {
  amountOf,
  encodeChatPayload,
  type Mode,
  openResponse,
  type PriceSheet,
  parseChatDelta,
  parsePriceSheet,
  parseReceipt,
  parseSealedError,
  type Receipt,
  type ResponseReader,
  receiptDigest,
  roundCounts,
  type SealedOpen,
  type SentRequest,
  type SignedReceipt,
  sealRequest,
  type TokenCounts,
  verifyReceiptAsClient,
} from '../session/index.ts';
import type {
  AnswerReceipt,
  ChatEvent,
  ChatRequest,
  Client,
  ModelInfo,
  PaymentState,
  ReceiptInLog,
  VerifiedWorker,
} from './api.ts';
import { checkReceiptEntry, SeenHeads } from './log-proofs.ts';
import { failedNames, namedChecks } from './named-checks.ts';
import type { PaymentOptions, Payments } from './payments.ts';
import { createPayments } from './payments.ts';
import { createSessions, type OpenedSession, type SessionDeps } from './sessions.ts';
import type { CallOptions } from './transport.ts';

export type ClientDeps = Omit<SessionDeps, 'heads'> & Readonly<{ payments: PaymentOptions | null }>;

const DEADLINE_DEFAULT_MS = 60_000;
const RECEIPTS_MAX = 1_000;
const SESSIONS_MAX = 16;
const VERIFIED_MAX = 256;
const MAX_TOKENS_DEFAULT = 256;
/** A session is replaced this long before its deadline, so that a request does not meet it. */
const SESSION_MARGIN_MS = 5_000;
const LOG_WAIT_MS = 15_000;
const LOG_POLL_MS = 200;
/** What one session key may spend; the channel's own deposit and credit bound it further. */
const SESSION_LIMIT = 1_000_000_000n;

/** Codes after which another session may do better, as long as nothing of an answer was seen. */
const TRY_ANEW: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SESSION_UNKNOWN',
  'SESSION_EXPIRED',
  'NO_WORKER',
  'WORKER_GONE',
  'OPEN_FAILED',
  'DELEGATION_REFUSED',
]);

/** An open session and who uses it: its keys go when it has been replaced and the last answer under it has ended. */
type Live = OpenedSession & {
  readonly paymentRef: Bytes;
  /** A worker has answered under it, so workers and router hold what later requests leave out. */
  known: boolean;
  users: number;
  dropped: boolean;
};

/** A client of one router: verifies, seals, opens, checks the receipt, pays. Holds no network, clock or disk of its own. */
export function createClient(deps: ClientDeps): Client {
  const { transport, now, randomness } = deps;
  const heads = new SeenHeads();
  const sessions = createSessions({ ...deps, heads });
  const payments: Payments | null = deps.payments === null ? null : createPayments(transport, deps.payments, now);
  const live = new Map<string, Promise<Live>>();
  const verified = new Map<string, VerifiedWorker>();
  const receipts: AnswerReceipt[] = [];
  let terms: Promise<Readonly<{ price: PriceSheet }>> | null = null;

  const priceOf = (call: CallOptions): Promise<Readonly<{ price: PriceSheet }>> => {
    terms ??= transport.getTerms(call).then((answer) => ({ price: parsePriceSheet(answer.priceSheet) }));
    terms.catch(() => {
      terms = null;
    });
    return terms;
  };

  const models = async (call: CallOptions): Promise<ModelInfo[]> =>
    (await transport.listModels(call)).map(({ modelDigest, ...model }) => ({ ...model, digest: toHex(modelDigest) }));

  const findModel = async (wanted: string | undefined, call: CallOptions): Promise<Bytes> => {
    const offered = await models(call);
    const found = offered.find(({ digest, name }) => wanted === undefined || digest === wanted || name === wanted);
    if (found === undefined) {
      throw new CodedError(
        offered.length === 0 ? 'NO_WORKER' : 'MODEL_UNKNOWN',
        'no admitted worker serves this model',
        {
          offered: offered.map(({ name }) => name).join(' '),
        },
      );
    }
    return fromHex(found.digest, 'model digest');
  };

  /** Newest last; what has ended or is too many goes. */
  const remember = (workers: readonly VerifiedWorker[]): void => {
    for (const worker of workers) {
      verified.delete(worker.workerId);
      verified.set(worker.workerId, worker);
    }
    for (const [id, { expiresAt }] of verified) {
      if (expiresAt <= now() || verified.size > VERIFIED_MAX) verified.delete(id);
    }
  };

  const openLive = async (model: Bytes, mode: Mode, call: CallOptions): Promise<Live> => {
    if (payments !== null) {
      await payments.resend(call).catch(() => undefined);
    }
    const opened = await sessions.open(model, mode, call);
    const key = opened.session.own.hello.sessionKey;
    const paymentRef = payments === null ? new Uint8Array(16) : await payments.delegate(key, SESSION_LIMIT, call);
    remember(opened.passed);
    return { ...opened, paymentRef, known: false, users: 0, dropped: false };
  };

  const sessionFor = (model: Bytes, mode: Mode, call: CallOptions): Promise<Live> => {
    const key = `${toHex(model)}:${mode}`;
    const known = live.get(key);
    if (known !== undefined) {
      return known.then((held) => {
        if (now() < held.session.deadline - SESSION_MARGIN_MS) return held;
        if (live.get(key) === known) drop(key);
        return sessionFor(model, mode, call);
      });
    }
    if (live.size >= SESSIONS_MAX) drop(live.keys().next().value as string);
    const opening = openLive(model, mode, call);
    live.set(key, opening);
    opening.catch(() => {
      if (live.get(key) === opening) live.delete(key);
    });
    return opening;
  };

  const closeUnused = (held: Live): void => {
    if (held.dropped && held.users === 0) held.session.close();
  };

  /** @param only drops the session of this key only where it is still this one: another request may have replaced it */
  const drop = (key: string, only?: Live): void => {
    const held = live.get(key);
    void held
      ?.then((session) => {
        if (only !== undefined && session !== only) return;
        if (live.get(key) === held) live.delete(key);
        session.dropped = true;
        closeUnused(session);
      })
      .catch(() => undefined);
  };

  const keep = (receipt: AnswerReceipt): void => {
    receipts.push(receipt);
    if (receipts.length > RECEIPTS_MAX) receipts.shift();
  };

  async function* once(
    request: ChatRequest,
    ask: Readonly<{ model: Bytes; mode: Mode; deadline: UnixMs }>,
    call: CallOptions,
  ): AsyncGenerator<ChatEvent> {
    const { price } = await priceOf(call);
    const held = await sessionFor(ask.model, ask.mode, call);
    held.users += 1;
    try {
      yield { kind: 'worker', worker: held.worker };
      yield* underSession(held, request, price, ask.deadline, call);
    } catch (error) {
      if (error instanceof CodedError && TRY_ANEW.has(error.code)) drop(`${toHex(ask.model)}:${ask.mode}`, held);
      throw error;
    } finally {
      held.users -= 1;
      closeUnused(held);
    }
  }

  async function* underSession(
    held: Live,
    request: ChatRequest,
    price: PriceSheet,
    deadline: UnixMs,
    call: CallOptions,
  ): AsyncGenerator<ChatEvent> {
    const outputTokensMax = Math.min(
      request.maxTokens ?? MAX_TOKENS_DEFAULT,
      held.session.candidates[0]?.offer.certificate.outputTokensMax ?? MAX_TOKENS_DEFAULT,
    );
    const message = encodeChatPayload(payloadOf(request, outputTokensMax));
    const { open, frames, sent } = await sealRequest(
      held.session,
      {
        message,
        paymentRef: held.paymentRef,
        price,
        // A token is at least a byte of input, so this is never too small for an honest count.
        priceCap: amountOf(
          roundCounts({ tokensIn: message.length, tokensCached: 0, tokensOut: outputTokensMax }, price),
          price,
          2n ** 63n,
        ),
        outputTokensMax,
        dispatchesMax: 2,
        deadline,
      },
      now(),
      randomness,
    );
    try {
      const atMost = { tokensIn: message.length, tokensCached: message.length, tokensOut: outputTokensMax };
      yield* answerTo(held, open, frames, { sent, price, atMost }, call);
    } finally {
      sent.erase();
    }
  }

  async function* answerTo(
    held: Live,
    open: SealedOpen,
    frames: readonly Bytes[],
    { sent, price, atMost }: Readonly<{ sent: SentRequest; price: PriceSheet; atMost: TokenCounts }>,
    call: CallOptions,
  ): AsyncGenerator<ChatEvent> {
    let reader: ResponseReader | null = null;
    let last: Readonly<{ signed: SignedReceipt; receipt: Receipt; checks: AnswerReceipt['checks'] }> | null = null;
    let failure: CodedError | null = null;
    for await (const part of transport.infer(held.known ? detached(open) : open, frames, call)) {
      if (part.kind === 'preface') {
        if (reader !== null) throw new CodedError('RESPONSE_REFUSED', 'two prefaces', { check: 'preface' });
        reader = openResponse(sent, part.preface);
        held.known = true;
        continue;
      }
      if (reader === null) throw new CodedError('RESPONSE_REFUSED', 'no preface', { check: 'preface' });
      if (part.kind === 'frame') {
        const event = reader.push(part.frame);
        if (event.kind === 'data') yield { kind: 'text', text: parseChatDelta(event.message).text ?? '' };
        if (event.kind === 'error') failure = sealedFailure(event.message);
        continue;
      }
      const verdict = await verifyReceiptAsClient(part.receipt, reader, atMost);
      const checks = namedChecks(verdict.checks);
      const failed = failedNames(checks);
      if (failed.length > 0) {
        throw new CodedError('RECEIPT_REFUSED', `the receipt is refused: ${failed.join(', ')}`, {
          check: failed[0] as string,
        });
      }
      last = { signed: part.receipt, receipt: parseReceipt(part.receipt.receipt), checks };
    }
    if (reader === null) throw new CodedError('STREAM_TRUNCATED', 'no answer came', { frames: 0 });
    reader.end();
    if (failure !== null) throw failure;
    if (last === null || last.receipt.kind !== 'final' || reader.usage === null) {
      throw new CodedError('RECEIPT_REFUSED', 'the answer came without its receipt', { check: 'receiptPresent' });
    }
    const receipt = answerReceipt(last.signed, last.receipt, price, last.checks);
    keep(receipt);
    const { finish, counts } = reader.usage;
    yield { kind: 'done', finish, usage: counts, receipt };
    if (payments !== null) {
      const payment = await paid(payments, receipt, call);
      if (payment !== null) yield { kind: 'paid', payment };
    }
  }

  return {
    models: () => models({ deadline: now() + DEADLINE_DEFAULT_MS }),
    async *chat(request, options = {}) {
      const deadline = now() + (options.deadlineMs ?? DEADLINE_DEFAULT_MS);
      const call: CallOptions = { deadline, ...(options.signal === undefined ? {} : { signal: options.signal }) };
      const mode = options.mode ?? (Math.max(1, deps.policy.session.leastMode) as Mode);
      yield { kind: 'verifying', step: 'asking for workers and their evidence' };
      const model = await findModel(request.model, call);
      for (let attempt = 0; ; attempt++) {
        let begun = false;
        try {
          for await (const event of once(request, { model, mode, deadline }, call)) {
            if (event.kind === 'text' || event.kind === 'done') begun = true;
            yield event;
          }
          return;
        } catch (error) {
          const anew = error instanceof CodedError && TRY_ANEW.has(error.code);
          if (!anew || begun || attempt > 0 || now() >= deadline || options.signal?.aborted) throw error;
          yield { kind: 'verifying', step: `trying another session: ${error.code}` };
        }
      }
    },
    verified: () => [...verified.values()].filter((worker) => worker.expiresAt > now()),
    receipts: () => [...receipts],
    async receiptInLog(receipt, options = {}): Promise<ReceiptInLog> {
      const until = now() + LOG_WAIT_MS;
      for (;;) {
        try {
          const call = { deadline: until, ...(options.signal === undefined ? {} : { signal: options.signal }) };
          const { batch, place } = await transport.getReceiptProof(receipt.digest, call);
          const { checks, index, size, origin } = await checkReceiptEntry(
            batch,
            place,
            deps.logPolicy,
            heads,
            receipt.digest,
          );
          return { checks, index, size, origin };
        } catch (error) {
          const notYet = error instanceof CodedError && error.code === 'NOT_FOUND';
          if (!notYet || now() + LOG_POLL_MS > until || options.signal?.aborted) throw error;
          await new Promise((resolve) => setTimeout(resolve, LOG_POLL_MS));
        }
      }
    },
    payment: async () => payments?.state({ deadline: now() + DEADLINE_DEFAULT_MS }) ?? null,
    async settle(options = {}) {
      if (payments === null) throw new CodedError('CHANNEL_REFUSED', 'this client pays through no channel');
      const call = {
        deadline: now() + DEADLINE_DEFAULT_MS,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      };
      await payments.settle(call);
      return payments.state(call);
    },
    async close() {
      for (const key of [...live.keys()]) drop(key);
      transport.close();
    },
  };
}

/**
 * Pays, and says how the channel stands; null where router or chain could not be asked. The answer is there and its
 * voucher is stored: it goes out before the next session, so an outage now is no failure of the request.
 */
async function paid(payments: Payments, receipt: AnswerReceipt, call: CallOptions): Promise<PaymentState | null> {
  try {
    await payments.pay(receipt.digest, receipt.amount, call);
    return await payments.state(call);
  } catch (error) {
    if (error instanceof CodedError && KIND_OF_CODE[error.code] === 'unavailable') return null;
    throw error;
  }
}

/** Later requests of a session leave out what the router keeps. */
function detached(open: SealedOpen): SealedOpen {
  const nothing = new Uint8Array(0);
  return { ...open, hello: nothing, candidates: open.candidates.map(({ wrap }) => ({ wrap, enc: nothing })) };
}

function payloadOf(request: ChatRequest, maxTokens: number): Parameters<typeof encodeChatPayload>[0] {
  return {
    messages: request.messages,
    ...(request.prompt === undefined ? {} : { prompt: request.prompt }),
    maxTokens,
    temperature: request.temperature ?? 0,
    topP: request.topP ?? 1,
    topK: request.topK ?? 0,
    ...(request.seed === undefined ? {} : { seed: request.seed }),
    stop: request.stop ?? [],
  };
}

function sealedFailure(message: Bytes): CodedError {
  const { code, message: words } = parseSealedError(message);
  const known = Object.hasOwn(KIND_OF_CODE, code) ? (code as ErrorCode) : 'ANSWER_FAILED';
  return new CodedError(known, words);
}

function answerReceipt(
  signed: SignedReceipt,
  receipt: Receipt,
  price: PriceSheet,
  checks: AnswerReceipt['checks'],
): AnswerReceipt {
  const digest = receiptDigest(signed.receipt);
  return {
    id: `r_${toHex(digest).slice(0, 16)}`,
    digest,
    object: signed.receipt,
    signature: signed.signature,
    workerId: toHex(receipt.workerId),
    amount: receipt.amount,
    currency: price.currency,
    ...receipt.counts,
    frames: receipt.frames,
    checks,
  };
}
