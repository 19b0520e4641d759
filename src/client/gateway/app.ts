import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { EarSigner } from '../../attestation/index.ts';
import { type Clock, CodedError } from '../../core/index.ts';
import type { AskOptions, Client } from '../api.ts';
import { PaidFailure } from '../tab.ts';
import { type AnswerShape, type Head, workerHeaders } from './answer-shape.ts';
import { chatAnswer, completionAnswer } from './chat-answer.ts';
import { parseChatBody, parseCompletionBody } from './chat-request.ts';
import { Conversation } from './conversation.ts';
import { embeddingsAnswer, parseEmbeddingsBody } from './embeddings.ts';
import { errorResponse } from './errors.ts';
import { addFacts } from './facts-paths.ts';
import type { KeyRing, Ticket } from './keys.ts';
import { openApiDocument } from './openapi.ts';
import { type Asked, parseJson } from './request.ts';
import { responsesAnswer } from './responses-answer.ts';
import { parseResponsesBody } from './responses-request.ts';

export type GatewayDeps = Readonly<{
  client: Client;
  now: Clock;
  /** For the identifiers of answers; unguessable is not needed, unique is. */
  randomId: () => string;
  version: string;
  /** What is in force, for people: the policy's name and number. */
  policy: string;
  /** True where the composition accepts a simulated vendor. */
  simulated: boolean;
  /** How requests are carried: freshness, readers, padding; the client's own defaults without it. */
  carry?: Pick<AskOptions, 'mode' | 'candidates' | 'padding'>;
  /** Signs what was verified, for those who take this gateway's word; without it nothing is signed. */
  results?: EarSigner;
  /** Who may ask; without it whoever reaches the gateway is its one user. */
  keys?: KeyRing;
}>;

export type GatewayLimits = Readonly<{
  bodyBytesMax: number;
  /** Requests that are being answered at the same time. */
  openRequestsMax: number;
  /** For one answer, from the first byte asked to the last byte given, in milliseconds. */
  answerDeadlineMs: number;
  /** For a log proof or a claim on chain, in milliseconds. */
  waitMs: number;
  /** Names in `Host` that reach this gateway; anything else is a page of somebody else's. */
  hosts: readonly string[];
}>;

export const GATEWAY_LIMITS: GatewayLimits = {
  bodyBytesMax: 4 * 1024 * 1024,
  openRequestsMax: 256,
  answerDeadlineMs: 300_000,
  waitMs: 30_000,
  hosts: ['127.0.0.1', 'localhost', '[::1]'],
};

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

/** Responses that were made with these headers: put on later they cost a stream's first text a tenth of a millisecond. */
const SECURED = new WeakSet<Response>();

/** Reads a body, and says how it will be answered. */
type Door = (json: unknown) => Readonly<{ asked: Asked; prefix: string; shape: (head: Head) => AnswerShape }>;

const DOORS: Readonly<Record<string, Door>> = {
  '/v1/chat/completions': (json) => ({ asked: parseChatBody(json), prefix: 'chatcmpl-', shape: chatAnswer }),
  '/v1/completions': (json) => ({ asked: parseCompletionBody(json), prefix: 'cmpl-', shape: completionAnswer }),
  '/v1/responses': (json) => {
    const { echo, ...asked } = parseResponsesBody(json);
    return { asked, prefix: 'resp_', shape: (head) => responsesAnswer(head, echo) };
  },
};

/**
 * A gateway that speaks OpenAI's HTTP API before a {@link Client}: chat completions, completions, responses, embeddings
 * and models, and on paths of its own what was verified, receipts with their log proofs, and payments. Without keys it
 * is for one user: whoever reaches it spends from the client's channel. It answers only to the hosts it is told, and
 * never to other sites.
 */
export function createGateway(deps: GatewayDeps, limits: GatewayLimits = GATEWAY_LIMITS): Hono {
  const app = new Hono();
  const gate = admissionGate(deps.keys ?? null, limits.openRequestsMax);
  app.onError((thrown) => errorResponse(thrown));
  app.notFound((c) => errorResponse(new CodedError('PATH_UNKNOWN', `no such path: ${c.req.method} ${c.req.path}`)));
  app.use(async (c, next) => {
    guardOrigin(c, limits.hosts);
    if (c.req.path.startsWith('/v1/')) deps.keys?.identify(c.req.header('authorization'));
    await next();
    if (SECURED.has(c.res)) return;
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.res.headers.set(name, value);
  });
  const limited = limitedBody(limits.bodyBytesMax);
  for (const [path, door] of Object.entries(DOORS)) {
    app.post(path, limited, async (c) => {
      const opened = door(parseJson(await jsonBody(c)));
      return gate(c, (ticket) => answer(deps, limits, opened, ticket, c.req.raw));
    });
  }
  app.post('/v1/embeddings', limited, async (c) => {
    const { request, base64 } = parseEmbeddingsBody(parseJson(await jsonBody(c)));
    return gate(c, async (ticket) => {
      const model = await modelFor(deps.client, request.model);
      const { signal } = c.req.raw;
      const options = { ...deps.carry, ...traceOf(c.req.raw), signal, deadlineMs: limits.answerDeadlineMs };
      const embedded = await deps.client.embed({ ...request, model }, options).catch((thrown: unknown) => {
        if (thrown instanceof PaidFailure) for (const { amount } of thrown.receipts) ticket?.spend(amount);
        throw thrown;
      });
      ticket?.spend(embedded.receipt.amount);
      const headers = { ...workerHeaders(embedded.worker), 'x-chrysalis-receipt': embedded.receipt.id };
      const response = Response.json(embeddingsAnswer(model, embedded, base64), { headers });
      return { response, finished: Promise.resolve() };
    });
  });
  addFacts(app, deps, limits);
  app.get('/openapi.json', (c) => c.json(openApiDocument(deps.version, deps.keys !== undefined)));
  return app;
}

/**
 * Refuses bodies beyond a bound. A length that was declared is the server's to hold its client to, and is not looked at
 * again: counting as it comes costs a stream for each request.
 */
function limitedBody(bytesMax: number): MiddlewareHandler {
  const tooLarge = () =>
    errorResponse(
      new CodedError('REQUEST_TOO_LARGE', `the body is larger than ${bytesMax} bytes`, { limit: bytesMax }),
    );
  const counted = bodyLimit({ maxSize: bytesMax, onError: tooLarge });
  return async (c, next) => {
    const { headers } = c.req.raw;
    const declared = headers.has('transfer-encoding') ? null : headers.get('content-length');
    if (declared === null || !/^\d{1,15}$/.test(declared)) return counted(c, next);
    return Number(declared) > bytesMax ? tooLarge() : next();
  };
}

/** A page in the user's browser must not spend their money: neither under a name of its own nor from another origin. */
function guardOrigin(c: Context, hosts: readonly string[]): void {
  const host = c.req.header('host') ?? '';
  const name = host.replace(/:\d+$/, '').toLowerCase();
  if (!hosts.includes(name)) throw new CodedError('REQUEST_INVALID', 'Host: this gateway is not called that');
  const origin = c.req.header('origin');
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    throw new CodedError('REQUEST_INVALID', 'Origin: requests from other sites are refused');
  }
}

async function jsonBody(c: Context): Promise<string> {
  const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') {
    throw new CodedError('REQUEST_INVALID', 'Content-Type: must be application/json', { param: 'content-type' });
  }
  return c.req.text();
}

type Answering = { response: Response; finished: Promise<void> };

/** Counts requests from their start to the end of their body, those of each key too. */
function admissionGate(keys: KeyRing | null, most: number) {
  let open = 0;
  return async (c: Context, run: (ticket: Ticket | null) => Promise<Answering>): Promise<Response> => {
    if (open >= most) throw new CodedError('TOO_MANY_REQUESTS', `${most} requests are being answered already`);
    const ticket = keys?.admit(c.req.header('authorization')) ?? null;
    open++;
    const leave = () => {
      open--;
      ticket?.release();
    };
    try {
      const { response, finished } = await run(ticket);
      void finished.finally(leave);
      return response;
    } catch (thrown) {
      leave();
      throw thrown;
    }
  };
}

async function answer(
  deps: GatewayDeps,
  limits: GatewayLimits,
  { asked, prefix, shape }: ReturnType<Door>,
  ticket: Ticket | null,
  caller: Request,
): Promise<Answering> {
  const { signal } = caller;
  const model = await modelFor(deps.client, asked.request.model);
  const spend = (amount: bigint) => ticket?.spend(amount);
  const scope = ticket === null ? {} : { cacheScope: ticket.id };
  const options = { ...deps.carry, ...scope, ...traceOf(caller), deadlineMs: limits.answerDeadlineMs };
  const talk = new Conversation(deps.client, { ...asked.request, model }, options, spend);
  const leave = () => talk.cancel();
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  const created = Math.floor(deps.now() / 1000);
  const of = shape({ id: `${prefix}${deps.randomId()}`, created, model, includeUsage: asked.includeUsage });
  await talk.begin();
  if (asked.stream) return streamed(of, talk);
  for (let piece = await talk.next(); piece !== null; piece = await talk.next()) of.piece(piece);
  const done = talk.done;
  if (done === null) throw new CodedError('INVARIANT_BROKEN', 'an answer without its end');
  await talk.settle();
  const headers = { ...workerHeaders(talk.worker), 'x-chrysalis-receipt': done.receipt.id };
  return { response: Response.json(of.whole(talk.worker, done), { headers }), finished: Promise.resolve() };
}

/** Where the caller's own span goes on, for a gateway that traces; the router is not told. */
function traceOf({ headers }: Request): Pick<AskOptions, 'parentTrace'> {
  const parentTrace = headers.get('traceparent');
  return parentTrace === null ? {} : { parentTrace };
}

/** Server-sent events, one text at a time as the reader takes them. */
function streamed(of: AnswerShape, talk: Conversation): Answering {
  const finished = Promise.withResolvers<void>();
  const encoder = new TextEncoder();
  const say = (out: ReadableStreamDefaultController<Uint8Array>, text: string) => {
    if (text !== '') out.enqueue(encoder.encode(text));
  };
  /** Goes out with the first text, which is there already. */
  let opening = of.opening();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(out) {
        try {
          for (let said = ''; said === ''; ) {
            const piece = await talk.next();
            if (piece === null) break;
            said = opening + of.piece(piece);
            opening = '';
            say(out, said);
            if (said !== '') return;
          }
          if (talk.done === null) throw new CodedError('INVARIANT_BROKEN', 'an answer without its end');
          say(out, opening + of.closing(talk.worker, talk.done));
          await talk.settle();
          say(out, of.last);
        } catch (thrown) {
          talk.cancel();
          say(out, of.error(thrown));
        }
        out.close();
        finished.resolve();
      },
      cancel() {
        talk.cancel();
        finished.resolve();
      },
    },
    { highWaterMark: 1 },
  );
  const headers = { 'content-type': 'text/event-stream; charset=utf-8', ...workerHeaders(talk.worker) };
  const response = new Response(body, { headers: { ...headers, ...SECURITY_HEADERS } });
  SECURED.add(response);
  return { response, finished: finished.promise };
}

/** The name under which the router offers it. @throws CodedError MODEL_UNKNOWN, PEER_UNREACHABLE where none is offered */
async function modelFor(client: Client, asked: string | undefined): Promise<string> {
  const found = await client.findModel(asked);
  if (found !== null) return asked ?? found.name;
  if ((await client.models()).length === 0) {
    throw new CodedError('PEER_UNREACHABLE', 'no worker offers any model now');
  }
  throw new CodedError('MODEL_UNKNOWN', 'model: not offered; GET /v1/models lists what is', { param: 'model' });
}
