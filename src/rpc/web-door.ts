import {
  asCodedError,
  type Bytes,
  boundedBody,
  type Clock,
  CodedError,
  encodeObject,
  fromUtf8,
  KIND_OF_CODE,
  type UnixMs,
  utf8,
} from '../core/index.ts';
import type { RouterService } from '../router/index.ts';
import type { ResponsePart, SealedOpen } from '../session/index.ts';
import { inferParts } from './infer-parts.ts';
import {
  type AnswerOf,
  type AskOf,
  DEADLINE_HEADER,
  FAILURE,
  METHODS,
  type MethodName,
  OPEN,
  STOP_HEADER,
  STOP_TOKEN,
} from './web/methods.ts';
import { encodePiece, PIECE, readPieces } from './web/pieces.ts';

/** What of a router web pages reach. */
export type WebRouter = Pick<RouterService, MethodName | 'infer'>;

export type WebDoorOptions = Readonly<{
  /** Origins whose pages may come, exactly as browsers write them; pages of others are refused. */
  origins: ReadonlySet<string>;
  /** Names in `Host` that reach this door: whoever makes another name lead here is refused. */
  hosts: ReadonlySet<string>;
  now: Clock;
}>;

const PATH = '/chrysalis/v1/';
const QUESTION_BYTES_MAX = 1024 * 1024;
const DEADLINE_MS_MAX = 120_000;
/** Answers under way, and so tokens that may be stopped. */
const OPEN_MAX = 1_024;
const PREFLIGHT_SECONDS = 600;

type Answers = Readonly<{
  [Name in MethodName]: (ask: AskOf<Name>, deadline: UnixMs) => AnswerOf<Name> | Promise<AnswerOf<Name>>;
}>;

const answersOf = (router: WebRouter): Answers => ({
  listModels: () => router.listModels(),
  getOffers: ({ hello, offersMax }, deadline) => router.getOffers(hello, offersMax, deadline),
  getEvidence: ({ evidenceDigest }) => router.getEvidence(evidenceDigest),
  getAdmission: ({ workerId }) => router.getAdmission(workerId),
  getReceiptProof: ({ receiptDigest }) => router.getReceiptProof(receiptDigest),
  getTerms: () => router.getTerms(),
  delegate: (ask) => router.delegate(ask),
  submitVoucher: (ask) => router.submitVoucher(ask),
  getChannel: ({ channel }) => router.getChannel(channel),
  requestClaim: ({ channel }) => router.requestClaim(channel),
});

/**
 * A router's door for web pages, over fetch: JSON for questions, pieces of sealed bytes for inference. What is carried
 * is sealed in the page, as everywhere; the door answers pages of the origins it is told alone.
 */
export function createWebDoor(router: WebRouter, options: WebDoorOptions): (request: Request) => Promise<Response> {
  const answers = answersOf(router);
  const running = new Map<string, AbortController>();
  const routed = async (request: Request, path: string): Promise<Response> => {
    if (request.method !== 'POST') throw new CodedError('PATH_UNKNOWN', 'no such path');
    if (path === 'infer') return inferred(router, request, deadlineOf(request, options.now()), running);
    if (path === 'stop') {
      running.get(fromUtf8(await bounded(request, 64)))?.abort();
      return new Response(null, { status: 204 });
    }
    if (!Object.hasOwn(METHODS, path)) throw new CodedError('PATH_UNKNOWN', 'no such path');
    return Response.json(await answered(answers, path as MethodName, request, deadlineOf(request, options.now())));
  };
  return async (request) => {
    const { pathname } = new URL(request.url);
    const origin = request.headers.get('origin');
    const mayCome = origin === null || options.origins.has(origin);
    let response: Response;
    try {
      const host = (request.headers.get('host') ?? '').replace(/:\d+$/, '').toLowerCase();
      if (!options.hosts.has(host)) throw new CodedError('REQUEST_REFUSED', 'Host: this router is not called that');
      if (!mayCome) throw new CodedError('REQUEST_REFUSED', 'Origin: pages of this site may not come here');
      if (!pathname.startsWith(PATH)) throw new CodedError('PATH_UNKNOWN', 'no such path');
      response =
        request.method === 'OPTIONS'
          ? new Response(null, { status: 204 })
          : await routed(request, pathname.slice(PATH.length));
    } catch (thrown) {
      response = failed(thrown);
    }
    if (origin !== null && mayCome) allow(response, origin, request);
    response.headers.set('vary', 'Origin');
    response.headers.set('cache-control', 'no-store');
    response.headers.set('x-content-type-options', 'nosniff');
    return response;
  };
}

function allow({ headers }: Response, origin: string, request: Request): void {
  headers.set('access-control-allow-origin', origin);
  if (request.method !== 'OPTIONS') return;
  headers.set('access-control-allow-methods', 'POST');
  headers.set('access-control-allow-headers', `content-type, ${DEADLINE_HEADER}, ${STOP_HEADER}`);
  headers.set('access-control-max-age', String(PREFLIGHT_SECONDS));
  // A page of the public web that asks something of this machine or network.
  if (request.headers.has('access-control-request-private-network')) {
    headers.set('access-control-allow-private-network', 'true');
  }
}

async function answered(answers: Answers, name: MethodName, request: Request, deadline: UnixMs): Promise<unknown> {
  if (request.headers.get('content-type')?.split(';')[0] !== 'application/json') {
    throw new CodedError('REQUEST_MALFORMED', 'Content-Type: must be application/json', { field: 'content-type' });
  }
  const { ask, answer } = METHODS[name];
  const question = ask.read(jsonOf(await bounded(request, QUESTION_BYTES_MAX)), name);
  const value = await (answers[name] as (of: unknown, until: UnixMs) => unknown)(question, deadline);
  return (answer.write as (of: unknown) => unknown)(value);
}

async function inferred(
  router: WebRouter,
  request: Request,
  deadline: UnixMs,
  running: Map<string, AbortController>,
): Promise<Response> {
  const token = request.headers.get(STOP_HEADER) ?? '';
  if (!STOP_TOKEN.test(token) || running.has(token)) {
    throw new CodedError('REQUEST_MALFORMED', `${STOP_HEADER} must be 32 hexadecimal digits of its own`);
  }
  if (running.size >= OPEN_MAX) throw new CodedError('TOO_MANY_REQUESTS', 'too many answers are under way');
  if (request.body === null) throw new CodedError('REQUEST_MALFORMED', 'a request has a body');
  const stop = new AbortController();
  const gone = new AbortController();
  running.set(token, stop);
  const leave = () => running.delete(token);
  request.signal.addEventListener('abort', () => gone.abort(), { once: true });
  try {
    const pieces = readPieces(request.body);
    const first = await pieces.next();
    if (first.done || first.value.kind !== PIECE.open) {
      throw new CodedError('REQUEST_MALFORMED', 'the first piece of a request must be `open`');
    }
    const open: SealedOpen = OPEN.read(jsonOf(first.value.content), 'open');
    const signals = { cancelled: gone.signal, stop: stop.signal };
    const parts = inferParts(router, open, framesOf(pieces), deadline, signals);
    return new Response(
      streamOf(parts, () => gone.abort(), leave),
      {
        headers: { 'content-type': 'application/octet-stream' },
      },
    );
  } catch (thrown) {
    leave();
    throw thrown;
  }
}

async function* framesOf(pieces: AsyncIterable<Readonly<{ kind: number; content: Bytes }>>): AsyncGenerator<Bytes> {
  for await (const { kind, content } of pieces) {
    if (kind !== PIECE.frame) throw new CodedError('REQUEST_MALFORMED', 'only frames may follow `open`');
    yield content;
  }
}

/** One piece as it is taken: whoever does not read holds up the worker, and nobody else. */
function streamOf(parts: AsyncIterable<ResponsePart>, cut: () => void, leave: () => void): ReadableStream<Uint8Array> {
  const iterator = parts[Symbol.asyncIterator]();
  const over = async () => {
    leave();
    await iterator.return?.();
  };
  return new ReadableStream(
    {
      async pull(out) {
        try {
          const { value, done } = await iterator.next();
          if (!done) {
            out.enqueue(pieceOf(value));
            return;
          }
          out.enqueue(encodePiece(PIECE.end, new Uint8Array(0)));
        } catch (thrown) {
          out.enqueue(encodePiece(PIECE.failure, utf8(JSON.stringify(failure(thrown)))));
        }
        out.close();
        await over();
      },
      async cancel() {
        cut();
        await over();
      },
    },
    { highWaterMark: 1 },
  );
}

function pieceOf(part: ResponsePart): Bytes {
  if (part.kind === 'preface') return encodePiece(PIECE.preface, part.preface);
  if (part.kind === 'frame') return encodePiece(PIECE.frame, part.frame);
  return encodePiece(PIECE.receipt, encodeObject([part.receipt.receipt, part.receipt.signature]));
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(body));
  } catch (cause) {
    throw new CodedError('REQUEST_MALFORMED', 'the body is not JSON', {}, { cause });
  }
}

async function bounded(request: Request, bytesMax: number): Promise<Uint8Array> {
  return boundedBody(
    request,
    bytesMax,
    () => new CodedError('REQUEST_TOO_LARGE', `the body is larger than ${bytesMax} bytes`),
  );
}

function deadlineOf(request: Request, now: UnixMs): UnixMs {
  const left = Number(request.headers.get(DEADLINE_HEADER) ?? DEADLINE_MS_MAX);
  return now + (left > 0 ? Math.min(left, DEADLINE_MS_MAX) : DEADLINE_MS_MAX);
}

/** The code and its sentence cross; causes, facts and stacks do not. */
function failure(thrown: unknown): unknown {
  const { code, message, facts } = asCodedError(thrown);
  const { retryAfterMs } = facts;
  return FAILURE.write({ code, message, retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : 0 });
}

function failed(thrown: unknown): Response {
  const { code } = asCodedError(thrown);
  const status = { rejected: 400, unavailable: 503, bug: 500 }[KIND_OF_CODE[code]];
  const absent = code === 'PATH_UNKNOWN' || code === 'NOT_FOUND';
  return Response.json(failure(thrown), { status: absent ? 404 : status });
}
