import { loadPolicy, PINNED_ANCHORS, policyDigest, type TrustAnchor, trustUnder } from '../attestation/index.ts';
import {
  type AnswerReceipt,
  type AskOptions,
  type ChatEvent,
  type ChatRequest,
  createClient,
  type Embedded,
  type EmbedRequest,
  type ModelInfo,
  type PaymentOptions,
  type PaymentState,
  type PrefixCacheOptions,
  type ReceiptInLog,
  type ReceiptStore,
  type RouterTransport,
  type VerifiedWorker,
} from '../client/index.ts';
import { type Clock, CodedError, type Randomness } from '../core/index.ts';
import { parseLogPolicy } from '../log/index.ts';
import { asChrysalisError } from './errors.ts';
import { type Read, type ReadRequest, read } from './read.ts';

/** What a session needs, whatever carries it to its router. */
export type SessionOptions = Readonly<{
  /** The policy document as text: what a worker must be before anything is sent to it. */
  policy: string;
  /** C2SP tlog-policy as text: the log's key, its witnesses and their quorum. */
  logPolicy: string;
  /** Roots beside the pinned vendors': only those of simulated vendors, and only under a development policy. */
  trustAnchors?: readonly TrustAnchor[];
  payments?: PaymentOptions;
  /** Where receipts are kept; without it they are forgotten with the session. */
  receipts?: ReceiptStore;
  /**
   * Lets router and workers use again what was computed of prompts that begin alike: `secret`, 32 bytes of one user, says
   * whose; a session's own without it, and `none` where not even that may join two requests, as behind a relay.
   */
  prefixCache?: PrefixCacheOptions | 'none';
  /** Looks a masterchain block up, for policies that ask for it. */
  blockAt?: Parameters<typeof createClient>[0]['blockAt'];
  /** Told of verification as it happens, and of each receipt and payment; also of what a session does by itself. */
  onEvent?: (event: ChatEvent) => void;
  now?: Clock;
  randomness?: Randomness;
}>;

/** A whole answer. */
export type Answer = Readonly<{
  text: string;
  worker: VerifiedWorker;
  receipt: AnswerReceipt;
  /** Of workers whose answer this one went on from: paid as well. */
  earlier: readonly AnswerReceipt[];
  finish: Extract<ChatEvent, { kind: 'done' }>['finish'];
  usage: Extract<ChatEvent, { kind: 'done' }>['usage'];
}>;

/** An open door to one router. Every method throws {@link ChrysalisError}. */
export type Session = Readonly<{
  /** Events as they happen: verification, text, the receipt, the payment. Leaving the loop ends the answer. */
  chat(request: ChatRequest, options?: AskOptions): AsyncIterable<ChatEvent>;
  /** The whole answer, verified. */
  ask(request: ChatRequest | string, options?: AskOptions): Promise<Answer>;
  /** Lines of text in images, from a model that reads documents; images travel sealed, as prompts do. */
  read(request: ReadRequest, options?: AskOptions): Promise<Read>;
  embed(request: EmbedRequest, options?: AskOptions): Promise<Embedded>;
  models(): Promise<readonly ModelInfo[]>;
  /** Workers that are verified now. */
  verified(): readonly VerifiedWorker[];
  receipts(): readonly AnswerReceipt[];
  /** Waits until the log holds a receipt, and checks the proof. */
  receiptInLog(receipt: AnswerReceipt, options?: Readonly<{ signal?: AbortSignal }>): Promise<ReceiptInLog>;
  payment(): Promise<PaymentState | null>;
  close(): Promise<void>;
}>;

const systemRandomness: Randomness = (length) => crypto.getRandomValues(new Uint8Array(new ArrayBuffer(length)));

/** Makes the way to a router, or to several of which the first to try is drawn. */
export type OpenTransport = (now: Clock, randomness: Randomness) => RouterTransport;

/** A session over whatever leads to a router. @throws ChrysalisError as `connect` says */
export async function openSession(open: OpenTransport, options: SessionOptions): Promise<Session> {
  const now = options.now ?? Date.now;
  const client = guardedSync(() => {
    const policy = loadPolicy(options.policy);
    const { randomness = systemRandomness, prefixCache = { secret: randomness(32) } } = options;
    return createClient({
      transport: open(now, randomness),
      policy,
      policyDigest: policyDigest(policy),
      trust: trustUnder(policy, [...PINNED_ANCHORS, ...(options.trustAnchors ?? [])]),
      endorsementsFor: null,
      logPolicy: parseLogPolicy(options.logPolicy),
      blockAt: options.blockAt ?? null,
      now,
      randomness,
      payments: options.payments ?? null,
      ...(options.receipts === undefined ? {} : { receipts: options.receipts }),
      ...(prefixCache === 'none' ? {} : { prefixCache }),
    });
  });
  async function* chat(request: ChatRequest, ask?: AskOptions): AsyncGenerator<ChatEvent> {
    try {
      for await (const event of client.chat(request, ask)) {
        options.onEvent?.(event);
        yield event;
      }
    } catch (thrown) {
      throw asChrysalisError(thrown);
    }
  }
  const session: Session = {
    chat,
    async ask(request, ask) {
      const asked = typeof request === 'string' ? { messages: [{ role: 'user' as const, content: request }] } : request;
      let text = '';
      let worker: VerifiedWorker | null = null;
      for await (const event of chat(asked, ask)) {
        if (event.kind === 'worker') worker = event.worker;
        if (event.kind === 'text') text += event.text;
        if (event.kind !== 'done' || worker === null) continue;
        const { receipt, earlier, finish, usage } = event;
        return { text, worker, receipt, earlier, finish, usage };
      }
      throw asChrysalisError(new CodedError('ANSWER_INCOMPLETE', 'the answer ended without its receipt'));
    },
    read: (request, options) => guarded(read(session.ask, request, options)),
    embed: (request, ask) => guarded(client.embed(request, ask)),
    models: () => guarded(client.models()),
    verified: client.verified,
    receipts: client.receipts,
    receiptInLog: (receipt, ask) => guarded(client.receiptInLog(receipt, ask)),
    payment: () => guarded(client.payment()),
    close: () => guarded(client.close()),
  };
  try {
    await session.models();
  } catch (thrown) {
    await client.close();
    throw thrown;
  }
  return session;
}

function guardedSync<Value>(make: () => Value): Value {
  try {
    return make();
  } catch (thrown) {
    throw asChrysalisError(thrown);
  }
}

async function guarded<Value>(value: Promise<Value>): Promise<Value> {
  try {
    return await value;
  } catch (thrown) {
    throw asChrysalisError(thrown);
  }
}
