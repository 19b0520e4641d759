import { CodedError } from '../core/index.ts';
import {
  type AcceptedRequest,
  type ChatDelta,
  type ChatPayload,
  type EmbedPayload,
  encodeChatDelta,
  encodeSealedError,
  encodeVectors,
  type Finish,
  parseRequestPayload,
  RESPONSE_MESSAGE_MAX,
  type RequestPayload,
  TICK_BYTES,
  type TokenCounts,
} from '../session/index.ts';
import type { Engine, GenerateEvent } from './engines/index.ts';
import type { ServePart } from './links.ts';

/** A receipt on the way, so that a long answer that is cut is paid for what was delivered. */
const CHECKPOINT_TOKENS = 256;
/** JSON may write one UTF-16 unit as six bytes; the rest of the message is its frame. */
const DELTA_CHARACTERS_MAX = Math.floor((RESPONSE_MESSAGE_MAX - 1024) / 6);
/** One frame each so often in tick mode (AIS/1 section 6). */
export const TICK_MS = 50;

type Respond = AcceptedRequest['respond'];

/**
 * Runs one accepted request and seals its answer as it comes. Whatever goes wrong once a request has been opened is
 * sealed too: nothing of it shows outside.
 * @param signal ends the answer with finish `cancelled`, and a receipt over what was made
 */
export async function* answer(
  accepted: AcceptedRequest,
  engine: Engine,
  signal: AbortSignal,
): AsyncGenerator<ServePart> {
  const { respond, header } = accepted;
  yield { kind: 'preface', preface: respond.preface };
  try {
    if (accepted.outcome !== 'opened') throw new CodedError('REQUEST_MALFORMED', 'the sealed request cannot be read');
    const payload = payloadOf(accepted.message);
    if (payload.kind === 'embed') yield* embedded(respond, engine, payload.embed, signal);
    else {
      const maxTokens = Math.min(payload.chat.maxTokens, header.outputTokensMax);
      yield* generated(respond, engine, { ...payload.chat, maxTokens }, signal);
    }
  } catch (error) {
    if (!respond.ended) yield* failed(respond, error);
  }
}

function payloadOf(message: Uint8Array): RequestPayload {
  try {
    return parseRequestPayload(message);
  } finally {
    message.fill(0);
  }
}

async function* generated(
  respond: Respond,
  engine: Engine,
  request: ChatPayload,
  signal: AbortSignal,
): AsyncGenerator<ServePart> {
  const counts = { tokensIn: 0, tokensCached: 0, tokensOut: 0 };
  let checkpointed = 0;
  /** What a checkpoint has counted is payable, and no later receipt may count less. */
  let payable = 0;
  const sealed = respond.padding === 'tick' ? ticking : plain;
  for await (const step of sealed(respond, engine.generate(request, signal))) {
    if ('frame' in step) {
      yield { kind: 'frame', frame: step.frame };
      continue;
    }
    const { event } = step;
    if (event.kind === 'done') {
      const { tokensIn, tokensCached, tokensOut } = event;
      yield* ended(respond, event.finish, { tokensIn, tokensCached, tokensOut: Math.max(tokensOut, payable) });
      return;
    }
    counts.tokensOut += event.kind === 'delta' ? event.tokens : 1;
    // In tick mode a receipt would tell when tokens came: there is the last one alone.
    if (respond.padding !== 'tick' && counts.tokensOut - checkpointed >= CHECKPOINT_TOKENS) {
      checkpointed = counts.tokensOut;
      // Tokens that are not in what was sent, such as a model's unspoken thoughts, wait for the final receipt.
      payable = Math.min(counts.tokensOut, respond.dataBytes);
      yield { kind: 'receipt', receipt: await respond.checkpoint({ ...counts, tokensOut: payable }) };
    }
  }
  throw new CodedError('INVARIANT_BROKEN', 'the engine ended without saying so');
}

type Step = Readonly<{ frame: Uint8Array<ArrayBuffer> }> | Readonly<{ event: GenerateEvent }>;

async function* plain(respond: Respond, events: AsyncIterable<GenerateEvent>): AsyncGenerator<Step> {
  for await (const event of events) {
    for (const delta of deltasOf(event)) yield { frame: respond.data(encodeChatDelta(delta)) };
    yield { event };
  }
}

/** One frame of one size each tick, whatever the engine has said by then; nothing but time leaves this machine. */
async function* ticking(respond: Respond, events: AsyncIterable<GenerateEvent>): AsyncGenerator<Step> {
  const iterator = events[Symbol.asyncIterator]();
  let last: Step | null = null;
  let failure: Readonly<{ error: unknown }> | null = null;
  let counted: GenerateEvent[] = [];
  const reading = (async () => {
    for (;;) {
      const { value, done } = await iterator.next();
      if (done === true) return;
      if (value.kind === 'done') last = { event: value };
      else counted.push(value);
      // Each message of a tick stream is one line of JSON: ticks cut it anywhere.
      for (const delta of deltasOf(value)) respond.enqueue(line(delta));
    }
  })().catch((error: unknown) => {
    failure = { error };
  });
  try {
    while (last === null && failure === null) {
      await Promise.race([reading, new Promise((resolve) => setTimeout(resolve, TICK_MS))]);
      if (last !== null || failure !== null) break;
      yield { frame: respond.tick() };
      for (const event of counted) yield { event };
      counted = [];
    }
    if (failure !== null) throw (failure as { error: unknown }).error;
    while (respond.pendingBytes > 0) {
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      yield { frame: respond.tick() };
    }
    for (const event of counted) yield { event };
    if (last !== null) yield last;
  } finally {
    await iterator.return?.();
  }
}

function line(delta: ChatDelta): Uint8Array<ArrayBuffer> {
  const json = encodeChatDelta(delta);
  const out = new Uint8Array(json.length + 1);
  out.set(json);
  out[json.length] = 0x0a;
  return out;
}

async function* embedded(
  respond: Respond,
  engine: Engine,
  request: EmbedPayload,
  signal: AbortSignal,
): AsyncGenerator<ServePart> {
  const { vectors, tokensIn } = await engine.embed(request, signal);
  const tick = respond.padding === 'tick';
  for (const piece of encodeVectors(vectors, tick ? TICK_BYTES - 4 : RESPONSE_MESSAGE_MAX)) {
    if (tick) respond.enqueue(piece);
    yield { kind: 'frame', frame: tick ? respond.tick() : respond.data(piece) };
  }
  yield* ended(respond, 'stop', { tokensIn, tokensCached: 0, tokensOut: 0 });
}

async function* ended(respond: Respond, finish: Finish, counts: TokenCounts): AsyncGenerator<ServePart> {
  const { frame, receipt } = await respond.final({ finish, counts });
  yield { kind: 'frame', frame };
  yield { kind: 'receipt', receipt };
}

async function* failed(respond: Respond, error: unknown): AsyncGenerator<ServePart> {
  const coded = error instanceof CodedError ? error : new CodedError('ANSWER_FAILED', 'the engine failed');
  const { param } = coded.facts;
  const named = typeof param === 'string' ? { param } : {};
  const { frame, receipt } = await respond.error(
    encodeSealedError({ code: coded.code, message: coded.message, ...named }),
  );
  yield { kind: 'frame', frame };
  yield { kind: 'receipt', receipt };
}

/** What an event says, in messages that fit a frame each. */
function* deltasOf(event: GenerateEvent): Generator<ChatDelta> {
  if (event.kind === 'done') return;
  const { text = '', logprobs, toolCalls = [] } = event.kind === 'delta' ? event.delta : deltaOf(event);
  const [first = '', ...rest] = pieces(text);
  if (first !== '' || logprobs !== undefined) yield { text: first, ...(logprobs === undefined ? {} : { logprobs }) };
  for (const piece of rest) yield { text: piece };
  for (const call of toolCalls) {
    const [head = '', ...more] = pieces(call.function?.arguments ?? '');
    yield { toolCalls: [{ ...call, function: { ...call.function, arguments: head } }] };
    const { index } = call;
    for (const piece of more) {
      yield { toolCalls: [{ ...(index === undefined ? {} : { index }), function: { arguments: piece } }] };
    }
  }
}

function deltaOf(event: Extract<GenerateEvent, { kind: 'token' }>): ChatDelta {
  return event.logprob === undefined ? { text: event.text } : { text: event.text, logprobs: [event.logprob] };
}

/** Never splits a surrogate pair: each piece is text of its own. */
function* pieces(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    let end = Math.min(text.length, at + DELTA_CHARACTERS_MAX);
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end -= 1;
    yield text.slice(at, end);
    at = end;
  }
}
