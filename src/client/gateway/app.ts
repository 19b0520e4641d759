import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { type Clock, CodedError } from '../../core/index.ts';
import type { Client } from '../api.ts';
import {
  closingChunks,
  DONE_CHUNK,
  errorChunk,
  type Head,
  openingChunk,
  type Shape,
  textChunk,
  wholeAnswer,
  workerHeaders,
} from './answers.ts';
import { Conversation } from './conversation.ts';
import { errorResponse } from './errors.ts';
import { paymentFacts, proofFacts, receiptFacts, workerFacts } from './facts.ts';
import { PAGE_STYLE, type PageFacts, statusPage } from './page.ts';
import { type Asked, parseChatBody, parseCompletionBody, parseJson } from './request.ts';

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

/**
 * A gateway that speaks OpenAI's HTTP API before a {@link Client}: chat completions, completions, models, and on
 * paths of its own what was verified, receipts with their log proofs, and payments. It is for one user: whoever
 * reaches it spends from the client's channel, so it answers only to the hosts it is told, and never to other sites.
 */
export function createGateway(deps: GatewayDeps, limits: GatewayLimits = GATEWAY_LIMITS): Hono {
  const app = new Hono();
  const gate = admissionGate(limits.openRequestsMax);
  app.onError((thrown) => errorResponse(thrown));
  app.notFound((c) =>
    c.json(
      {
        error: {
          message: `no such path: ${c.req.method} ${c.req.path}`,
          type: 'not_found_error',
          param: null,
          code: 'REQUEST_INVALID',
        },
      },
      404,
    ),
  );
  app.use(async (c, next) => {
    guardOrigin(c, limits.hosts);
    await next();
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.res.headers.set(name, value);
  });
  const limited = bodyLimit({
    maxSize: limits.bodyBytesMax,
    onError: () =>
      errorResponse(
        new CodedError('REQUEST_TOO_LARGE', `the body is larger than ${limits.bodyBytesMax} bytes`, {
          limit: limits.bodyBytesMax,
        }),
      ),
  });
  const infer = (shape: Shape) => async (c: Context) => {
    const json = parseJson(await jsonBody(c));
    const asked = shape === 'chat' ? parseChatBody(json) : parseCompletionBody(json);
    return gate(() => answer(deps, limits, shape, asked, c.req.raw.signal));
  };
  app.post('/v1/chat/completions', limited, infer('chat'));
  app.post('/v1/completions', limited, infer('completion'));
  addModels(app, deps);
  addFacts(app, deps, limits);
  app.get('/healthz', (c) => c.json({ status: 'ok', version: deps.version }));
  app.get('/style.css', (c) => c.body(PAGE_STYLE, 200, { 'content-type': 'text/css; charset=utf-8' }));
  app.get('/', async (c) => c.html(statusPage(await pageFacts(deps))));
  return app;
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

/** Counts requests from their start to the end of their body. */
function admissionGate(most: number) {
  let open = 0;
  return async (run: () => Promise<{ response: Response; finished: Promise<void> }>): Promise<Response> => {
    if (open >= most) throw new CodedError('TOO_MANY_REQUESTS', `${most} requests are being answered already`);
    open++;
    try {
      const { response, finished } = await run();
      void finished.finally(() => open--);
      return response;
    } catch (thrown) {
      open--;
      throw thrown;
    }
  };
}

type Answering = { response: Response; finished: Promise<void> };

async function answer(
  deps: GatewayDeps,
  limits: GatewayLimits,
  shape: Shape,
  asked: Asked,
  signal: AbortSignal,
): Promise<Answering> {
  const model = await modelFor(deps.client, asked.request.model);
  const talk = new Conversation(deps.client, { ...asked.request, model }, limits.answerDeadlineMs);
  const leave = () => talk.cancel();
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  const head: Head = {
    shape,
    id: `${shape === 'chat' ? 'chatcmpl' : 'cmpl'}-${deps.randomId()}`,
    created: Math.floor(deps.now() / 1000),
    model,
    includeUsage: asked.includeUsage,
  };
  await talk.begin();
  if (asked.stream) return streamed(head, talk);
  let text = '';
  for (let piece = await talk.next(); piece !== null; piece = await talk.next()) text += piece;
  const done = talk.done;
  if (done === null) throw new CodedError('INVARIANT_BROKEN', 'an answer without its end');
  await talk.settle();
  const headers = { ...workerHeaders(talk.worker), 'x-chrysalis-receipt': done.receipt.id };
  return {
    response: Response.json(wholeAnswer(head, text, talk.worker, done), { headers }),
    finished: Promise.resolve(),
  };
}

/** Server-sent events, one text at a time as the reader takes them. */
function streamed(head: Head, talk: Conversation): Answering {
  const finished = Promise.withResolvers<void>();
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>(
    {
      start: (out) => out.enqueue(encoder.encode(openingChunk(head))),
      async pull(out) {
        try {
          const text = await talk.next();
          if (text !== null) {
            out.enqueue(encoder.encode(textChunk(head, text)));
            return;
          }
          if (talk.done === null) throw new CodedError('INVARIANT_BROKEN', 'an answer without its end');
          out.enqueue(encoder.encode(closingChunks(head, talk.worker, talk.done)));
          await talk.settle();
          out.enqueue(encoder.encode(DONE_CHUNK));
        } catch (thrown) {
          talk.cancel();
          out.enqueue(encoder.encode(errorChunk(thrown)));
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
  return { response: new Response(body, { headers }), finished: finished.promise };
}

/** The name under which the router offers it. @throws CodedError MODEL_UNKNOWN, PEER_UNREACHABLE where none is offered */
async function modelFor(client: Client, asked: string | undefined): Promise<string> {
  const models = await client.models();
  const found = asked === undefined ? models[0] : models.find((one) => one.name === asked || one.digest === asked);
  if (found !== undefined) return asked ?? found.name;
  if (models.length === 0) throw new CodedError('PEER_UNREACHABLE', 'no worker offers any model now');
  throw new CodedError('MODEL_UNKNOWN', 'model: not offered; GET /v1/models lists what is', { param: 'model' });
}

function addModels(app: Hono, deps: GatewayDeps): void {
  const shape = (one: Awaited<ReturnType<Client['models']>>[number]) => ({
    id: one.name,
    object: 'model',
    created: 0,
    owned_by: 'chrysalis',
    digest: one.digest,
    workers: one.workers,
    context_length: one.contextTokensMax,
  });
  app.get('/v1/models', async (c) => c.json({ object: 'list', data: (await deps.client.models()).map(shape) }));
  app.get('/v1/models/:id', async (c) => {
    const id = c.req.param('id');
    const found = (await deps.client.models()).find((one) => one.name === id || one.digest === id);
    if (found === undefined) throw new CodedError('MODEL_UNKNOWN', 'model: not offered', { param: 'model' });
    return c.json(shape(found));
  });
}

function addFacts(app: Hono, deps: GatewayDeps, limits: GatewayLimits): void {
  const { client } = deps;
  app.get('/v1/attestation', (c) =>
    c.json({
      object: 'list',
      simulated: deps.simulated,
      policy: deps.policy,
      data: client.verified().map(workerFacts),
    }),
  );
  app.get('/v1/receipts', (c) => c.json({ object: 'list', data: client.receipts().map(receiptFacts) }));
  app.get('/v1/receipts/:id', async (c) => {
    const receipt = client.receipts().find((one) => one.id === c.req.param('id'));
    if (receipt === undefined) throw new CodedError('RECEIPT_UNKNOWN', 'receipt: none of that id in this process');
    const signal = AbortSignal.any([c.req.raw.signal, AbortSignal.timeout(limits.waitMs)]);
    const proof = await client.receiptInLog(receipt, { signal });
    return c.json({ ...receiptFacts(receipt), log_proof: proofFacts(proof) });
  });
  app.get('/v1/payment', async (c) => {
    const payment = await client.payment();
    return c.json(payment === null ? null : paymentFacts(payment));
  });
  app.post('/v1/settle', async (c) => {
    const signal = AbortSignal.any([c.req.raw.signal, AbortSignal.timeout(limits.waitMs)]);
    return c.json(paymentFacts(await client.settle({ signal })));
  });
}

async function pageFacts(deps: GatewayDeps): Promise<PageFacts> {
  const quietly = <T>(ask: Promise<T>): Promise<T | null> => ask.catch(() => null);
  return {
    version: deps.version,
    policy: deps.policy,
    simulated: deps.simulated,
    at: deps.now(),
    models: await quietly(deps.client.models()),
    workers: deps.client.verified(),
    receipts: deps.client.receipts().slice(-20).reverse(),
    payment: await quietly(deps.client.payment()),
  };
}
