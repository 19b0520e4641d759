import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Bytes,
  boundedBody,
  CodedError,
  type ErrorCode,
  fromUtf8,
  KIND_OF_CODE,
  toBase64,
} from '../../core/index.ts';
import { consistencyFromTiles, isSize, NOTE_BYTES_MAX, PROOF_BYTES_MAX, tilePath } from '../index.ts';
import { formatAppendRequest } from './http-body.ts';
import type { LogAppender } from './log.ts';

const TIMEOUT_MS = 10_000;
const FAILOVER_PAUSE_MS = 200;
const FAILOVER_TRIES_MAX = 50;
/** The process is going, or its disk or database is away: another one may answer. */
const AWAY: ReadonlySet<string> = new Set<ErrorCode>(['LOG_UNREACHABLE', 'LOG_CLOSED', 'LOG_WRITE_FAILED']);
const isAway = (error: unknown) => error instanceof CodedError && AWAY.has(error.code);
const tooLarge = () => new CodedError('LOG_UNREACHABLE', 'the answer of the log is too large');
const ENTRY_BYTES_ANSWER_MAX = 65_535;
const ANSWER_BYTES_MAX = 64 * 1024;

/** @property url where `chrysalis log serve` answers; several with commas between, which stand by for each other @property token for appending @property timeoutMs of one request */
export type LogClientOptions = Readonly<{ url: string; token?: string; timeoutMs?: number }>;

/**
 * A log in another process. What it answers to reads isn't verified here: give the proof and the entry to
 * `verifyLogProof` with a pinned key.
 */
export type LogClient = LogAppender &
  Readonly<{
    /** `.tlog-proof` text. */
    proof(index: number): Promise<string>;
    /** The newest signed checkpoint, a C2SP note. */
    checkpoint(): Promise<string>;
    /** The entry's bytes. */
    entry(index: number): Promise<Bytes>;
    vkey(): Promise<string>;
    /** RFC 9162 consistency proof between two published sizes, made from the log's tiles. */
    consistency(from: number, to: number): Promise<readonly Bytes[]>;
  }>;

/**
 * @throws CodedError CONFIG_INVALID for a URL that is none. Its methods throw LOG_UNREACHABLE (no answer, or none that can
 * be read), or the code the log answered.
 */
export function createLogClient({ url, token, timeoutMs = TIMEOUT_MS }: LogClientOptions): LogClient {
  const bases = url.split(',').map((one) => one.replace(/\/+$/, ''));
  for (const base of bases) {
    if (!URL.canParse(base) || !/^https?:$/.test(new URL(base).protocol)) {
      throw new CodedError('CONFIG_INVALID', 'the address of the log is not an http or https URL');
    }
  }
  let current = 0;
  const askOne = async (base: string, path: string, bytesMax: number, init: RequestInit): Promise<Bytes> => {
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await fetch(`${base}${path}`, { ...init, signal, redirect: 'error' });
      const body = await boundedBody(response, response.ok ? bytesMax : ANSWER_BYTES_MAX, tooLarge);
      if (!response.ok) throw errorFrom(response.status, body);
      return body;
    } catch (cause) {
      if (cause instanceof CodedError) throw cause;
      throw new CodedError('LOG_UNREACHABLE', 'the transparency log does not answer', { path }, { cause });
    }
  };
  /** Of processes that stand by for each other one answers, after a while another: asked in turn, for some ten seconds. */
  const ask = async (path: string, bytesMax: number, init: RequestInit = {}, mayRepeat = true): Promise<Bytes> => {
    for (let tries = 1; ; tries++) {
      const base = bases[current] as string;
      try {
        return await askOne(base, path, bytesMax, init);
      } catch (error) {
        const goesOn = bases.length > 1 && mayRepeat && isAway(error) && tries < FAILOVER_TRIES_MAX;
        if (!goesOn) throw error;
        if (bases[current] === base) current = (current + 1) % bases.length;
        await sleep(FAILOVER_PAUSE_MS);
      }
    }
  };
  const text = async (path: string, bytesMax: number) => fromUtf8(await ask(path, bytesMax), 'answer of the log');
  return {
    async append(draft, { idempotencyKey, blobs = [] } = {}) {
      const body = formatAppendRequest(draft, idempotencyKey, blobs.map(toBase64));
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${token ?? ''}` };
      // Whose answer was lost may be in the log: with a key, asking again tells where.
      const mayRepeat = idempotencyKey !== undefined;
      const answer = await ask('/append', ANSWER_BYTES_MAX, { method: 'POST', headers, body }, mayRepeat);
      return parseAppended(answer);
    },
    proof: (index) => text(`/proof/${index}`, PROOF_BYTES_MAX),
    checkpoint: () => text('/checkpoint', NOTE_BYTES_MAX),
    entry: (index) => ask(`/entry/${index}`, ENTRY_BYTES_ANSWER_MAX),
    vkey: async () => (await text('/vkey', ANSWER_BYTES_MAX)).trimEnd(),
    consistency: (from, to) => consistencyFromTiles(from, to, (tile) => ask(`/${tilePath(tile)}`, tile.width * 32)),
  };
}

function parseJson(body: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(fromUtf8(body));
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // answered below
  }
  return {};
}

/** The log's own code where it is one of ours; anything else is a log that does not answer as a log. */
function errorFrom(status: number, body: Uint8Array): CodedError {
  const { error } = parseJson(body) as { error?: { code?: unknown; message?: unknown } };
  const code = typeof error?.code === 'string' && Object.hasOwn(KIND_OF_CODE, error.code) ? error.code : null;
  const message = typeof error?.message === 'string' ? error.message.slice(0, 300) : '';
  if (code === null) return new CodedError('LOG_UNREACHABLE', `the log answered HTTP ${status}`, { status });
  return new CodedError(code as ErrorCode, message, { status });
}

function parseAppended(body: Uint8Array): Awaited<ReturnType<LogAppender['append']>> {
  const { index, size, repeated } = parseJson(body);
  if (!isSize(index) || !isSize(size) || index >= size || typeof repeated !== 'boolean') {
    throw new CodedError('LOG_UNREACHABLE', 'the log answered an append with something else');
  }
  return { index, size, repeated };
}
