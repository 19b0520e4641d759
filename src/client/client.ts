import { type Bytes, CodedError, fromHex, KIND_OF_CODE } from '../core/index.ts';
import type { Mode } from '../session/index.ts';
import type { AnswerReceipt, AskOptions, ChatEvent, ChatRequest, Client, PaymentState, ReceiptInLog } from './api.ts';
import { chatExchange, chatMessage, type ExchangeTerms, embedExchange, outputTokens } from './exchange.ts';
import { createLiveSessions, createVerifiedWorkers, type LiveSession, type SessionAsk } from './live-sessions.ts';
import { checkReceiptEntry, type SeenHead, SeenHeads } from './log-proofs.ts';
import { createOfferedModels } from './offered-models.ts';
import type { PaymentOptions, Payments } from './payments.ts';
import { createPayments } from './payments.ts';
import { createPrefixCache, type PrefixCacheOptions } from './prefix-cache.ts';
import { createPrices } from './prices.ts';
import { NO_RECEIPT_STORE, openReceipts, type ReceiptStore } from './receipts.ts';
import { createSessions, type SessionDeps } from './sessions.ts';
import { Tab } from './tab.ts';
import type { CallOptions } from './transport.ts';
import { GO_ON, TRY_ANEW } from './try-anew.ts';

export type ClientDeps = Omit<SessionDeps, 'heads'> &
  Readonly<{
    payments: PaymentOptions | null;
    /** Without it, receipts are forgotten with the client. */
    receipts?: ReceiptStore;
    /** Hears of each head of the log that the client is shown. */
    headSeen?: (head: SeenHead) => void;
    /** Without it no worker is told that two prompts begin alike, and neither is the router. */
    prefixCache?: PrefixCacheOptions;
  }>;

const DEADLINE_DEFAULT_MS = 60_000;
/** How long an answer that was asked to end may take to do so, receipt included. */
const STOP_GRACE_MS = 3_000;
const PAYMENT_MS = 15_000;
const LOG_WAIT_MS = 15_000;
const LOG_POLL_MS = 200;
/** Tries of one request: the first, another session, and one more. */
const TRIES_MAX = 3;
/** What one session key may spend; the channel's own deposit and credit bound it further. */
const SESSION_LIMIT = 1_000_000_000n;

/** What one request has come to, over all its tries. */
type Progress = {
  received: string;
  pieces: number;
  /** Something came that another worker cannot go on from. */
  bound: boolean;
  /** The caller has the whole answer, and its receipt. */
  done: boolean;
  readonly tab: Tab;
  readonly avoid: Set<string>;
};

/** A client of one router, or of replicas that share its accounts: verifies, seals, opens, checks the receipt, pays. Holds no network, clock or disk of its own. */
export function createClient(deps: ClientDeps): Client {
  const { transport, now, randomness } = deps;
  const heads = new SeenHeads(deps.headSeen);
  const sessions = createSessions({ ...deps, heads });
  const payments: Payments | null = deps.payments === null ? null : createPayments(transport, deps.payments, now);
  const verified = createVerifiedWorkers(now);
  const offered = createOfferedModels(transport, now);
  const receipts = openReceipts(deps.receipts ?? NO_RECEIPT_STORE);
  const cache = deps.prefixCache === undefined ? null : createPrefixCache(deps.prefixCache, now, randomness);
  /** Answers that nobody reads any more, and that are still to be paid. */
  const ending = new Set<Promise<unknown>>();
  const prices = createPrices(transport, now);

  const live = createLiveSessions(async (ask, avoid, call): Promise<LiveSession> => {
    if (payments !== null) await payments.resend(call).catch(() => undefined);
    const opened = await sessions.open(ask, avoid, call);
    const key = opened.session.own.hello.sessionKey;
    const paymentRef = payments === null ? new Uint8Array(16) : await payments.delegate(key, SESSION_LIMIT, call);
    verified.remember(opened.passed);
    return { ...opened, paymentRef, known: false, users: 0, dropped: false };
  }, now);

  const findModel = async (wanted: string | undefined, call: CallOptions): Promise<Bytes> => {
    const found = await offered.find(wanted, call);
    if (found !== null) return fromHex(found.digest, 'model digest');
    const models = await offered.fresh(call);
    const code = models.length === 0 ? 'NO_WORKER' : 'MODEL_UNKNOWN';
    throw new CodedError(code, 'no admitted worker serves this model', {
      offered: models.map(({ name }) => name).join(' '),
    });
  };

  /** What this request asks of a session. */
  const sessionAsk = async (
    model: string | undefined,
    options: AskOptions,
    call: CallOptions,
  ): Promise<SessionAsk> => ({
    model: await findModel(model, call),
    mode: options.mode ?? (Math.max(1, deps.policy.session.leastMode) as Mode),
    candidates: options.candidates ?? 1,
  });

  /** Runs under a session that is given back, and replaced after what another may do better. */
  async function* underSession<Event>(
    ask: SessionAsk,
    avoid: ReadonlySet<string>,
    call: CallOptions,
    run: (held: LiveSession) => AsyncGenerator<Event>,
  ): AsyncGenerator<Event> {
    const held = await live.use(ask, avoid, call);
    try {
      yield* run(held);
    } catch (error) {
      const anew = error instanceof CodedError && (TRY_ANEW.has(error.code) || GO_ON.has(error.code));
      if (anew) live.drop(ask, held);
      // Another price sheet may be in force by now.
      if (error instanceof CodedError && error.code === 'CHANNEL_REFUSED') prices.forget();
      throw error;
    } finally {
      live.release(held);
    }
  }

  /** Pays a receipt. @returns how the channel stands, null where that could not be found out now */
  const pay = async (receipt: AnswerReceipt): Promise<PaymentState | null> =>
    payments === null ? null : paid(payments, receipt, { deadline: now() + PAYMENT_MS });

  /** Goes on when its caller has gone, until {@link Client.close} at the latest. */
  const behind = (work: Promise<unknown>): void => {
    // A failure has nobody to be told to: whoever asked has been answered.
    const rest: Promise<unknown> = work.catch(() => undefined).finally(() => ending.delete(rest));
    ending.add(rest);
  };

  /** A request has failed for good: what came of its answers is paid, and that keeps nobody waiting. */
  const failed = async (thrown: unknown, tab: Tab): Promise<unknown> => {
    const cut = tab.close();
    if (cut !== null) {
      await receipts.add(cut).catch(() => undefined); // what failed first is what the caller hears of
      behind(pay(cut));
    }
    return tab.failure(thrown);
  };

  async function* once(
    request: ChatRequest,
    ask: SessionAsk,
    terms: Omit<ExchangeTerms, 'held' | 'price'>,
    progress: Progress,
    scope: string,
    call: CallOptions,
  ): AsyncGenerator<ChatEvent> {
    const price = await prices.of(ask.model, call);
    yield* underSession<ChatEvent>(ask, progress.avoid, call, async function* (held) {
      yield { kind: 'readers', workers: held.workers };
      const most = Math.max(1, outputTokens(held, request.maxTokens) - progress.pieces);
      const message = chatMessage(request, most, progress.received, cache?.salt(ask.model, scope));
      const tags = cache?.tags(ask.model, request, scope);
      const under = { ...terms, held, price, ...(tags === undefined ? {} : { tags }) };
      for await (const event of chatExchange(deps, under, message, most, call)) {
        if (event.kind === 'worker') progress.avoid.add(event.worker.workerId);
        if (event.kind === 'payable') progress.tab.add(event.receipt);
        else if (event.kind === 'ended') {
          const { usage, receipt } = event;
          const earlier = progress.tab.receipts;
          await receipts.add(receipt); // one that cannot be kept stays on the tab, to be paid with the failure
          progress.tab.close();
          if (usage.finish === 'cancelled' && call.stop?.aborted !== true && now() < terms.deadline) {
            await pay(receipt);
            throw new CodedError('WORKER_GONE', 'the worker ended its answer early');
          }
          const tokensOut = usage.counts.tokensOut + (earlier.length > 0 ? progress.pieces : 0);
          progress.done = true;
          yield { kind: 'done', finish: usage.finish, usage: { ...usage.counts, tokensOut }, receipt, earlier };
          const payment = await pay(receipt);
          if (payment !== null) yield { kind: 'paid', payment };
        } else {
          yield event;
          if (event.kind === 'toolCalls' || (event.kind === 'text' && event.logprobs !== undefined)) {
            progress.bound = true;
          }
          if (event.kind === 'text') progress.received += event.text;
        }
      }
    });
  }

  async function* tries(
    request: ChatRequest,
    options: AskOptions,
    call: CallOptions,
    unary: CallOptions,
    progress: Progress,
  ): AsyncGenerator<ChatEvent> {
    yield { kind: 'verifying', step: 'asking for workers and their evidence' };
    let ask = await sessionAsk(request.model, options, unary);
    const { deadline } = call;
    const terms = { deadline, padding: options.padding ?? 'bucket', idempotency: randomness(16) } as const;
    for (let attempt = 1; ; attempt++) {
      let pieces = 0;
      try {
        for await (const event of once(request, ask, terms, progress, options.cacheScope ?? '', call)) {
          if (event.kind === 'text' && event.text !== '') pieces += 1;
          yield event;
        }
        return;
      } catch (error) {
        const isOver = attempt >= TRIES_MAX || now() >= deadline || options.signal?.aborted === true;
        if (isOver || !mayGoOn(error, progress)) throw error;
        const cut = progress.tab.close();
        if (cut !== null) {
          await receipts.add(cut).finally(() => pay(cut));
        }
        if ((error as CodedError).code === 'NO_WORKER') {
          // What the router said it has may have been long ago.
          offered.forget();
          ask = await sessionAsk(request.model, options, unary);
        }
        progress.pieces += pieces;
        yield { kind: 'verifying', step: `trying another session: ${(error as CodedError).code}` };
      }
    }
  }

  /** All tries of one request: whichever way they fail, what came of them is paid. */
  async function* answers(...of: [ChatRequest, AskOptions, CallOptions, CallOptions]): AsyncGenerator<ChatEvent> {
    const progress: Progress = { received: '', pieces: 0, bound: false, done: false, tab: new Tab(), avoid: new Set() };
    try {
      yield* tries(...of, progress);
    } catch (error) {
      throw progress.done ? error : await failed(error, progress.tab);
    }
  }

  /** The caller's stop, and the cut that follows it where the other side does not end in time. */
  const stopping = (options: AskOptions) => {
    const stop = new AbortController();
    const cut = new AbortController();
    stop.signal.addEventListener('abort', () => setTimeout(() => cut.abort(), STOP_GRACE_MS).unref?.(), { once: true });
    const leave = () => stop.abort();
    if (options.signal?.aborted) leave();
    options.signal?.addEventListener('abort', leave, { once: true });
    const deadline = now() + (options.deadlineMs ?? DEADLINE_DEFAULT_MS);
    return {
      stop,
      call: { deadline, signal: cut.signal, stop: stop.signal, ...traceOf(options) },
      unary: { deadline, signal: stop.signal } as const,
      over: () => options.signal?.removeEventListener('abort', leave),
    };
  };

  async function* chat(request: ChatRequest, options: AskOptions = {}): AsyncGenerator<ChatEvent> {
    const { stop, call, unary, over } = stopping(options);
    const events = answers(request, options, call, unary);
    let ended = false;
    try {
      for (;;) {
        const step = await events.next().catch((error: unknown) => {
          ended = true;
          throw error;
        });
        if (step.done === true) {
          ended = true;
          return;
        }
        yield step.value;
      }
    } finally {
      over();
      if (!ended) {
        // The reader left: the answer is ended, and what was made of it is paid.
        stop.abort();
        behind(drained(events));
      }
    }
  }

  return {
    models: () => offered.fresh({ deadline: now() + DEADLINE_DEFAULT_MS }),
    findModel: (wanted) => offered.find(wanted, { deadline: now() + DEADLINE_DEFAULT_MS }),
    chat,
    async embed(request, options = {}) {
      const { call, unary, over } = stopping(options);
      const tab = new Tab();
      try {
        const ask = await sessionAsk(request.model, options, unary);
        const price = await prices.of(ask.model, unary);
        const padding = options.padding ?? 'bucket';
        const base = { price, deadline: call.deadline, padding, idempotency: randomness(16) };
        const events = underSession(ask, new Set(), unary, (held) =>
          embedExchange(deps, { ...base, held }, request, call),
        );
        for await (const event of events) {
          if (event.kind === 'payable') {
            tab.add(event.receipt);
            continue;
          }
          const { receipt } = event.embedded;
          await receipts.add(receipt);
          tab.close();
          await pay(receipt);
          return event.embedded;
        }
        throw new CodedError('INVARIANT_BROKEN', 'an answer without its end');
      } catch (error) {
        throw await failed(error, tab);
      } finally {
        over();
      }
    },
    verified: verified.list,
    receipts: receipts.list,
    async receiptInLog(receipt, options = {}): Promise<ReceiptInLog> {
      const until = now() + LOG_WAIT_MS;
      for (;;) {
        try {
          const call = { deadline: until, ...(options.signal === undefined ? {} : { signal: options.signal }) };
          const { batch, place } = await transport.getReceiptProof(receipt.digest, call);
          const proven = await checkReceiptEntry(batch, place, deps.logPolicy, heads, receipt.digest);
          const { checks, index, size, origin } = proven;
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
      const { signal } = options;
      const call = { deadline: now() + DEADLINE_DEFAULT_MS, ...(signal === undefined ? {} : { signal }) };
      await payments.settle(call);
      return payments.state(call);
    },
    async close() {
      while (ending.size > 0) await Promise.allSettled(ending);
      live.dropAll();
      transport.close();
    },
  };
}

const traceOf = ({ routerTrace: traceparent }: AskOptions) => (traceparent === undefined ? {} : { traceparent });

/** Whether another worker, or another session, may do what failed. */
function mayGoOn(error: unknown, { received, bound }: Progress): boolean {
  if (!(error instanceof CodedError) || bound) return false;
  return (received === '' ? TRY_ANEW : GO_ON).has(error.code);
}

async function drained(events: AsyncGenerator<ChatEvent>): Promise<void> {
  while ((await events.next()).done !== true);
}

/**
 * Pays, and says how the channel stands; null where router or chain could not be asked. The answer is there and its
 * voucher is stored: it goes out before the next session, so an outage now is no failure of the request.
 */
async function paid(payments: Payments, receipt: AnswerReceipt, call: CallOptions): Promise<PaymentState | null> {
  try {
    await payments.pay(receipt.digest, receipt.amount, call);
    return await payments.recentState();
  } catch (error) {
    if (error instanceof CodedError && KIND_OF_CODE[error.code] === 'unavailable') return null;
    throw error;
  }
}
