import { type Bytes, CodedError, concat, type Randomness, type UnixMs } from '../core/index.ts';
import {
  amountOf,
  type ChatPayload,
  encodeChatPayload,
  encodeEmbedPayload,
  type Padding,
  type PriceSheet,
  parseVectors,
  roundCounts,
  type SealedOpen,
  sealRequest,
  type Usage,
} from '../session/index.ts';
import { type AnswerPart, createDeltas, verifiedAnswer } from './answer.ts';
import type { AnswerReceipt, ChatEvent, ChatRequest, Embedded, EmbedRequest, VerifiedWorker } from './api.ts';
import type { LiveSession } from './live-sessions.ts';
import type { CallOptions, RouterTransport } from './transport.ts';

const MAX_TOKENS_DEFAULT = 256;
/** All vectors of one answer, as JSON. */
const VECTORS_BYTES_MAX = 64 * 1024 * 1024;

export type ExchangeDeps = Readonly<{
  transport: RouterTransport;
  now: () => UnixMs;
  randomness: Randomness;
}>;

/** One request under one session. */
export type ExchangeTerms = Readonly<{
  held: LiveSession;
  price: PriceSheet;
  deadline: UnixMs;
  padding: Padding;
  /** 16 bytes, the same for each try of one piece of work. */
  idempotency: Bytes;
  /** Of the prompt's beginnings, for the router. */
  tags?: Bytes;
}>;

/** What an exchange tells whoever runs it, beside the events that the caller sees. */
export type ExchangeEvent =
  | Extract<ChatEvent, { kind: 'worker' | 'text' | 'toolCalls' }>
  | Extract<AnswerPart, { kind: 'payable' }>
  | Readonly<{ kind: 'ended'; usage: Usage; receipt: AnswerReceipt }>;

export type EmbedEvent = Extract<AnswerPart, { kind: 'payable' }> | Readonly<{ kind: 'embedded'; embedded: Embedded }>;

/** Tokens that this session's workers give at most, or that were asked for. */
export function outputTokens(held: LiveSession, asked: number | undefined): number {
  const limits = held.session.candidates.map(({ offer }) => offer.certificate.outputTokensMax);
  return Math.min(asked ?? MAX_TOKENS_DEFAULT, ...limits);
}

/** @param received text of the answer that came from elsewhere, to go on from */
export function chatMessage(request: ChatRequest, maxTokens: number, received: string, cacheSalt?: string): Bytes {
  const { model: _, maxTokens: __, temperature, topP, topK, stop, prompt, messages, ...rest } = request;
  const payload: ChatPayload = {
    ...rest,
    messages,
    ...(prompt === undefined ? {} : { prompt: prompt + received }),
    ...(prompt === undefined && received !== '' ? { prefix: received } : {}),
    maxTokens,
    temperature: temperature ?? 0,
    topP: topP ?? 1,
    topK: topK ?? 0,
    stop: stop ?? [],
    ...(cacheSalt === undefined ? {} : { cacheSalt }),
  };
  return encodeChatPayload(payload);
}

/** Seals a message, sends it, and gives the parts of its verified answer. */
async function* exchange(
  deps: ExchangeDeps,
  { held, price, deadline, padding, idempotency, tags }: ExchangeTerms,
  message: Bytes,
  outputTokensMax: number,
  call: CallOptions,
): AsyncGenerator<AnswerPart> {
  // A token is at least a byte of input, so neither bound is too small for an honest count.
  const most = { tokensIn: message.length, tokensCached: 0, tokensOut: outputTokensMax };
  const ask = {
    message,
    paymentRef: held.paymentRef,
    price,
    priceCap: amountOf(roundCounts(most, price), price, 2n ** 63n),
    outputTokensMax,
    dispatchesMax: Math.max(2, held.session.candidates.length),
    deadline,
    padding,
    idempotency,
    ...(tags === undefined ? {} : { tags }),
  };
  const { open, frames, sent } = await sealRequest(held.session, ask, deps.now(), deps.randomness);
  // Once the request has left.
  const soon = setTimeout(() => sent.secrets.prepare(), 0);
  try {
    const atMost = { ...most, tokensCached: message.length };
    const parts = deps.transport.infer(held.known ? detached(open) : open, frames, call);
    const readers = held.workers.map(({ workerId }) => workerId);
    for await (const part of verifiedAnswer(parts, { sent, price, atMost, readers })) {
      if (part.kind === 'begun') held.known = true;
      yield part;
    }
  } finally {
    clearTimeout(soon);
    sent.erase();
  }
}

/** Later requests of a session leave out what the router keeps. */
function detached(open: SealedOpen): SealedOpen {
  const nothing = new Uint8Array(0);
  return { ...open, hello: nothing, candidates: open.candidates.map(({ wrap }) => ({ wrap, enc: nothing })) };
}

export async function* chatExchange(
  deps: ExchangeDeps,
  terms: ExchangeTerms,
  message: Bytes,
  outputTokensMax: number,
  call: CallOptions,
): AsyncGenerator<ExchangeEvent> {
  const deltas = createDeltas(terms.padding);
  for await (const part of exchange(deps, terms, message, outputTokensMax, call)) {
    if (part.kind === 'begun') yield { kind: 'worker', worker: workerAt(terms.held, part.candidate) };
    else if (part.kind === 'payable') yield part;
    else if (part.kind === 'done') yield { kind: 'ended', usage: part.usage, receipt: part.receipt };
    else {
      for (const { text, logprobs, toolCalls } of deltas(part.message)) {
        if (text !== undefined) yield { kind: 'text', text, ...(logprobs === undefined ? {} : { logprobs }) };
        if (toolCalls !== undefined) yield { kind: 'toolCalls', toolCalls };
      }
    }
  }
}

function workerAt(held: LiveSession, candidate: number): VerifiedWorker {
  return held.workers[candidate] as VerifiedWorker;
}

/** Ends with the vectors, or throws: also after the final receipt, which is payable all the same. */
export async function* embedExchange(
  deps: ExchangeDeps,
  terms: ExchangeTerms,
  request: EmbedRequest,
  call: CallOptions,
): AsyncGenerator<EmbedEvent> {
  const { texts, dimensions } = request;
  const message = encodeEmbedPayload({ texts, ...(dimensions === undefined ? {} : { dimensions }) });
  const pieces: Bytes[] = [];
  let bytes = 0;
  let worker = workerAt(terms.held, 0);
  for await (const part of exchange(deps, terms, message, 1, call)) {
    if (part.kind === 'begun') worker = workerAt(terms.held, part.candidate);
    else if (part.kind === 'payable') yield part;
    else if (part.kind === 'data') {
      bytes += part.message.length;
      if (bytes > VECTORS_BYTES_MAX)
        throw new CodedError('RESPONSE_REFUSED', 'too long an answer', { check: 'length' });
      pieces.push(part.message);
    } else {
      const vectors = parseVectors(concat(...pieces), texts.length);
      yield { kind: 'embedded', embedded: { vectors, usage: part.usage.counts, worker, receipt: part.receipt } };
    }
  }
}
