import type { CallOptions, RouterTransport } from '../../client/index.ts';
import {
  boundedBody,
  type Clock,
  CodedError,
  decodeObject,
  type ErrorCode,
  fromUtf8,
  KIND_OF_CODE,
  type Randomness,
  toHex,
  utf8,
} from '../../core/index.ts';
import type { ResponsePart } from '../../session/index.ts';
import {
  type AnswerOf,
  type AskOf,
  DEADLINE_HEADER,
  FAILURE,
  METHODS,
  type MethodName,
  OPEN,
  STOP_HEADER,
} from './methods.ts';
import { encodePiece, PIECE, type Piece, RECEIPT_PIECE, readPieces } from './pieces.ts';

const ANSWER_BYTES_MAX = 8 * 1024 * 1024;

export type FetchDeps = Readonly<{ fetch: typeof fetch; now: Clock; randomness: Randomness }>;

/**
 * A client's way to a router over fetch, for browsers: what gRPC carries elsewhere. Nothing on it is believed, as with
 * every transport.
 * @param url of a router's door for web pages, such as `http://127.0.0.1:8444`
 * @throws CodedError CONFIG_INVALID for what is no http URL
 */
export function connectToRouterOverFetch(url: string, deps: FetchDeps): RouterTransport {
  const failed = failing(deps.now);
  const base = baseOf(url);
  const post = async (path: string, body: BodyInit, options: CallOptions, headers: Record<string, string>) => {
    const left = options.deadline - deps.now();
    const signal = AbortSignal.any([
      AbortSignal.timeout(Math.max(1, left)),
      ...(options.signal ? [options.signal] : []),
    ]);
    const sent = {
      method: 'POST',
      body,
      signal,
      headers: { ...headers, [DEADLINE_HEADER]: String(Math.max(1, left)) },
    };
    return {
      signal,
      answer: await deps.fetch(`${base}/${path}`, sent).catch((cause: unknown) => failed(cause, options)),
    };
  };
  const ask = async <Name extends MethodName>(
    name: Name,
    question: AskOf<Name>,
    options: CallOptions,
  ): Promise<AnswerOf<Name>> => {
    const method = METHODS[name];
    const body = JSON.stringify((method.ask.write as (of: AskOf<Name>) => unknown)(question));
    const { answer } = await post(name, body, options, { 'content-type': 'application/json' });
    const json = await jsonOf(answer).catch((cause: unknown) => failed(cause, options));
    if (!answer.ok) throw failureOf(json);
    return understood(() => method.answer.read(json, name)) as AnswerOf<Name>;
  };
  return {
    listModels: (options) => ask('listModels', {}, options),
    getOffers: (hello, offersMax, options) => ask('getOffers', { hello, offersMax }, options),
    getEvidence: (evidenceDigest, options) => ask('getEvidence', { evidenceDigest }, options),
    getAdmission: (workerId, options) => ask('getAdmission', { workerId }, options),
    getReceiptProof: (receiptDigest, options) => ask('getReceiptProof', { receiptDigest }, options),
    getTerms: (options) => ask('getTerms', {}, options),
    delegate: (of, options) => ask('delegate', of, options),
    submitVoucher: (of, options) => ask('submitVoucher', of, options),
    getChannel: (channel, options) => ask('getChannel', { channel }, options),
    requestClaim: (channel, options) => ask('requestClaim', { channel }, options),
    infer: (open, frames, options) => infer(deps, post, [open, frames, options]),
    close: () => undefined,
  };
}

type Post = (
  path: string,
  body: BodyInit,
  options: CallOptions,
  headers: Record<string, string>,
) => Promise<{ signal: AbortSignal; answer: Response }>;

async function* infer(
  deps: FetchDeps,
  post: Post,
  [open, frames, options]: Parameters<RouterTransport['infer']>,
): AsyncGenerator<ResponsePart> {
  const failed = failing(deps.now);
  const token = toHex(deps.randomness(16));
  const body = new Blob([
    encodePiece(PIECE.open, utf8(JSON.stringify(OPEN.write(open)))),
    ...frames.map((frame) => encodePiece(PIECE.frame, frame)),
  ]);
  const stop = () => {
    // What comes of it shows in the answer.
    void post('stop', token, { deadline: options.deadline }, { 'content-type': 'text/plain' }).catch(() => undefined);
  };
  const { answer } = await post('infer', body, options, {
    'content-type': 'application/octet-stream',
    [STOP_HEADER]: token,
  });
  if (!answer.ok || answer.body === null)
    throw failureOf(await jsonOf(answer).catch((cause: unknown) => failed(cause, options)));
  options.stop?.addEventListener('abort', stop, { once: true });
  if (options.stop?.aborted) stop();
  try {
    for await (const piece of readPieces(answer.body)) {
      if (piece.kind === PIECE.end) return;
      if (piece.kind === PIECE.failure) throw failureOf(jsonIn(piece));
      yield partOf(piece);
    }
    throw new CodedError('ROUTER_UNREACHABLE', 'the connection to the router was cut');
  } catch (cause) {
    throw failed(cause, options);
  } finally {
    options.stop?.removeEventListener('abort', stop);
  }
}

function partOf({ kind, content }: Piece): ResponsePart {
  if (kind === PIECE.preface) return { kind: 'preface', preface: content };
  if (kind === PIECE.frame) return { kind: 'frame', frame: content };
  if (kind === PIECE.receipt) {
    const [receipt, signature] = understood(() => decodeObject(content, 'receipt', RECEIPT_PIECE));
    return { kind: 'receipt', receipt: { receipt: receipt!, signature: signature! } };
  }
  throw new CodedError('ROUTER_UNREACHABLE', 'the router broke the protocol');
}

function baseOf(url: string): string {
  const read = URL.canParse(url) ? new URL(url) : null;
  if (read === null || !/^https?:$/.test(read.protocol) || read.username !== '' || read.search !== '') {
    throw new CodedError('CONFIG_INVALID', 'the router’s door for web pages is an http or https URL');
  }
  return `${read.origin}${read.pathname.replace(/\/+$/, '')}/chrysalis/v1`;
}

async function jsonOf(answer: Response): Promise<unknown> {
  const tooLarge = () => new CodedError('ROUTER_UNREACHABLE', 'the router’s answer is too long');
  const body = await boundedBody(answer, ANSWER_BYTES_MAX, tooLarge);
  return understood(() => JSON.parse(fromUtf8(body)) as unknown);
}

const jsonIn = ({ content }: Piece) => understood(() => JSON.parse(fromUtf8(content)) as unknown);

function understood<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (cause) {
    throw new CodedError('ROUTER_UNREACHABLE', 'the router broke the protocol', {}, { cause });
  }
}

function failureOf(json: unknown): CodedError {
  const { code, message, retryAfterMs } = understood(() => FAILURE.read(json, 'error'));
  if (!Object.hasOwn(KIND_OF_CODE, code)) return new CodedError('ROUTER_UNREACHABLE', 'the router refuses');
  return new CodedError(code as ErrorCode, message, retryAfterMs > 0 ? { retryAfterMs } : {});
}

/** What went wrong with a connection, by what was asked of it. */
function failing(now: Clock) {
  return (cause: unknown, { deadline, signal }: CallOptions): never => {
    if (cause instanceof CodedError) throw cause;
    if (signal?.aborted) throw new CodedError('REQUEST_CANCELLED', 'the request was cancelled');
    if (now() >= deadline) throw new CodedError('DEADLINE_EXCEEDED', 'no answer before the deadline');
    throw new CodedError('ROUTER_UNREACHABLE', 'the connection to the router failed', {}, { cause });
  };
}
