import {
  type Bytes,
  type Clock,
  CodedError,
  type ErrorCode,
  type MonotonicClock,
  type Randomness,
} from '../../core/index.ts';
import { retryAfterMs } from './retry-after.ts';

/** What the fetcher needs of `fetch` (WHATWG); Node's own fits. */
export type HttpFetch = (
  url: string,
  init: Readonly<{
    method: 'GET' | 'POST';
    redirect: 'manual';
    headers: Record<string, string>;
    signal: AbortSignal;
    body?: Bytes;
  }>,
) => Promise<Response>;

export type FetcherDeps = Readonly<{
  fetch: HttpFetch;
  /** The wall clock; read for a Retry-After that is a date. */
  now: Clock;
  monotonic: MonotonicClock;
  /** Resolves after so many milliseconds; rejects at once when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** For jitter. */
  randomness: Randomness;
}>;

export type FetchLimits = Readonly<{
  attemptsMax: number;
  attemptMs: number;
  /** For one document, with all attempts and waits. */
  totalMs: number;
  /** Before the second attempt; doubled before each later one. */
  backoffMs: number;
  /** How long a service that answers 429 without Retry-After is left alone. */
  holdMs: number;
  /** The longest that a Retry-After can silence us. */
  holdMsMax: number;
  /** Requests at a time to one origin, and how many may wait for their turn. */
  inFlightMax: number;
  waitingMax: number;
}>;

export const FETCH_LIMITS: FetchLimits = {
  attemptsMax: 3,
  attemptMs: 10_000,
  totalMs: 30_000,
  backoffMs: 250,
  holdMs: 10_000,
  holdMsMax: 600_000,
  inFlightMax: 4,
  waitingMax: 128,
};

export const HEADER_CHARACTERS_MAX = 16 * 1024;

/** A 200 answer, whole: nothing in it is verified. */
export type HttpAnswer = Readonly<{ body: Bytes; header: (name: string) => string | null }>;

export type Fetcher = Readonly<{
  /**
   * Gets one document. Redirects are refused; size, time, attempts and waits are bounded.
   * @throws CodedError ENDORSEMENT_MISSING where the service says that it has none; else ENDORSEMENT_UNREACHABLE, with
   *   `facts.retryAfterSeconds` where the service wants to be left alone
   */
  get(url: string, bytesMax: number): Promise<HttpAnswer>;
  /** The same with a question in the body, which may be asked more than once. */
  post(url: string, question: Question, bytesMax: number): Promise<HttpAnswer>;
}>;
export type Question = Readonly<{ type: string; bytes: Bytes }>;

/** Not found; gone (an old evaluation number); PCCS's "platform unknown" and "no certificate for this TCB". */
const HAS_NONE: ReadonlySet<number> = new Set([404, 410, 461, 462]);
/** Worth another attempt, besides 5xx. */
const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429]);

type Failure = Readonly<{ final: boolean; code: ErrorCode; why: string; status: number; holdMs: number }>;
type Origin = { inFlight: number; waiting: (() => void)[]; heldUntil: number };

const ORIGINS_MAX = 16;

export function createFetcher(deps: FetcherDeps, limits: FetchLimits = FETCH_LIMITS): Fetcher {
  const origins = new Map<string, Origin>();
  const originOf = (url: URL): Origin => {
    const known = origins.get(url.origin);
    if (known !== undefined) return known;
    if (origins.size === ORIGINS_MAX) throw new CodedError('INVARIANT_BROKEN', 'collateral from too many origins');
    const origin: Origin = { inFlight: 0, waiting: [], heldUntil: 0 };
    origins.set(url.origin, origin);
    return origin;
  };
  const ask = async (text: string, question: Question | null, bytesMax: number): Promise<HttpAnswer> => {
    const url = new URL(text);
    const origin = originOf(url);
    const deadline = deps.monotonic() + limits.totalMs;
    await turn(origin, limits, url.host);
    try {
      return await attempts(deps, limits, origin, { url, question, bytesMax, deadline });
    } finally {
      const next = origin.waiting.shift();
      if (next === undefined) origin.inFlight--;
      else next(); // which takes over this one's place
    }
  };
  return {
    get: (url, bytesMax) => ask(url, null, bytesMax),
    post: (url, question, bytesMax) => ask(url, question, bytesMax),
  };
}

async function turn(origin: Origin, limits: FetchLimits, host: string): Promise<void> {
  if (origin.inFlight < limits.inFlightMax) {
    origin.inFlight++;
    return;
  }
  if (origin.waiting.length >= limits.waitingMax) {
    throw new CodedError('ENDORSEMENT_UNREACHABLE', `${host}: too many requests wait already`, { host });
  }
  await new Promise<void>((go) => origin.waiting.push(go));
}

type Ask = Readonly<{ url: URL; question: Question | null; bytesMax: number; deadline: number }>;

async function attempts(deps: FetcherDeps, limits: FetchLimits, origin: Origin, ask: Ask): Promise<HttpAnswer> {
  const { host } = ask.url;
  const left = () => ask.deadline - deps.monotonic();
  const unable = (why: string, facts: Record<string, string | number> = {}, code?: ErrorCode) =>
    new CodedError(code ?? 'ENDORSEMENT_UNREACHABLE', `${host}: ${why}`, { host, ...facts });
  let last = 'no time left to ask';
  let status = 0;
  for (let attempt = 1; attempt <= limits.attemptsMax; attempt++) {
    const held = origin.heldUntil - deps.monotonic();
    if (held >= left()) throw unable('asked to be left alone', { retryAfterSeconds: Math.ceil(held / 1000) });
    if (held > 0) await deps.sleep(held, new AbortController().signal);
    if (left() <= 0) break;
    const outcome = await oneAttempt(deps, Math.min(limits.attemptMs, left()), limits, ask);
    if ('body' in outcome) return outcome;
    ({ why: last, status } = outcome);
    if (outcome.holdMs > 0) origin.heldUntil = Math.max(origin.heldUntil, deps.monotonic() + outcome.holdMs);
    if (outcome.final) throw unable(last, { status }, outcome.code);
    if (attempt < limits.attemptsMax && outcome.holdMs === 0) {
      const pause = jittered(limits.backoffMs * 2 ** (attempt - 1), deps.randomness);
      if (pause >= left()) break;
      await deps.sleep(pause, new AbortController().signal);
    }
  }
  throw unable(last, { status, attempts: limits.attemptsMax });
}

/** Between half and the whole of a pause, so that clients that failed together do not come back together. */
function jittered(ms: number, randomness: Randomness): number {
  const [high = 0, low = 0] = randomness(2);
  return Math.ceil(ms * (0.5 + (256 * high + low) / 131_072));
}

async function oneAttempt(
  deps: FetcherDeps,
  timeMs: number,
  limits: FetchLimits,
  ask: Ask,
): Promise<HttpAnswer | Failure> {
  const abort = new AbortController();
  const timer = new AbortController();
  let timedOut = false;
  deps.sleep(timeMs, timer.signal).then(
    () => {
      timedOut = true;
      abort.abort();
    },
    () => undefined, // the answer came first
  );
  try {
    const { question } = ask;
    const headers = { accept: '*/*', 'accept-encoding': 'identity' };
    const common = { redirect: 'manual', signal: abort.signal } as const;
    const response = await deps.fetch(
      ask.url.href,
      question === null
        ? { ...common, method: 'GET', headers }
        : { ...common, method: 'POST', headers: { ...headers, 'content-type': question.type }, body: question.bytes },
    );
    const failure = failureOf(response, deps, limits);
    if (failure !== null) {
      abort.abort(); // whatever body it has is not read
      return failure;
    }
    const body = await boundedBody(response, ask.bytesMax);
    if (body === null) {
      abort.abort();
      return { ...retryable(`answered more than ${ask.bytesMax} bytes`), final: true };
    }
    return { body, header: (name) => headerOf(response, name) };
  } catch (error) {
    if (error instanceof CodedError) throw error;
    return retryable(
      timedOut ? `no whole answer within ${Math.round(timeMs)} ms` : `the connection failed${reasonOf(error)}`,
    );
  } finally {
    timer.abort();
  }
}

/** The system's own code (`ECONNREFUSED`, `DEPTH_ZERO_SELF_SIGNED_CERT`): it says what to look at, and nothing else. */
function reasonOf(error: unknown): string {
  const code = (error as { cause?: { code?: unknown } } | null)?.cause?.code;
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{2,47}$/.test(code) ? ` (${code})` : '';
}

const retryable = (why: string): Failure => ({
  final: false,
  code: 'ENDORSEMENT_UNREACHABLE',
  why,
  status: 0,
  holdMs: 0,
});

function failureOf(response: Response, deps: FetcherDeps, limits: FetchLimits): Failure | null {
  const { status } = response;
  if (status === 200) return null;
  const wanted = retryAfterMs(headerOf(response, 'retry-after'), deps.now());
  const holds = wanted ?? (status === 429 ? limits.holdMs : 0);
  const holdMs = status === 429 || status >= 500 ? Math.min(holds, limits.holdMsMax) : 0;
  const why = HAS_NONE.has(status)
    ? `has no such document (status ${status})`
    : status === 0 || (status >= 300 && status < 400)
      ? `redirects, which is refused (status ${status})`
      : `answered with status ${status}`;
  const code = HAS_NONE.has(status) ? 'ENDORSEMENT_MISSING' : 'ENDORSEMENT_UNREACHABLE';
  return { final: !(TRANSIENT.has(status) || status >= 500), code, why, status, holdMs };
}

function headerOf(response: Response, name: string): string | null {
  const value = response.headers.get(name);
  return value !== null && value.length > HEADER_CHARACTERS_MAX ? null : value;
}

/** The whole body, or null where it is longer; what a length header says is only believed where it says too much. */
async function boundedBody(response: Response, bytesMax: number): Promise<Bytes | null> {
  if (Number(response.headers.get('content-length') ?? 0) > bytesMax) return null;
  if (response.body === null) return new Uint8Array(0);
  const pieces: Uint8Array[] = [];
  let length = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > bytesMax) return null;
    pieces.push(value);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    body.set(piece, at);
    at += piece.length;
  }
  return body;
}
