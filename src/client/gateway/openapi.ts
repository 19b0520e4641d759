import { z } from 'zod';
import { chatBody, completionBody } from './chat-request.ts';
import { embeddingsBody } from './embeddings.ts';
import { responsesBody } from './responses-request.ts';

type Operation = Readonly<{ summary: string; body?: z.ZodType; streams?: boolean; path?: string }>;

const POSTS: Readonly<Record<string, Operation>> = {
  '/v1/chat/completions': { summary: 'Chat, whole or streamed', body: chatBody, streams: true },
  '/v1/completions': {
    summary: 'Text that goes on from a prompt, whole or streamed',
    body: completionBody,
    streams: true,
  },
  '/v1/responses': { summary: "OpenAI's Responses API; nothing is stored", body: responsesBody, streams: true },
  '/v1/embeddings': { summary: 'Embeddings, where the model gives any', body: embeddingsBody },
  '/v1/settle': { summary: 'Asks the router to claim on chain, and waits for the chain’s own state' },
};
const GETS: Readonly<Record<string, Operation>> = {
  '/v1/models': { summary: 'Models that admitted workers serve now' },
  '/v1/models/{id}': { summary: 'One of them, by name or digest', path: 'id' },
  '/v1/attestation': { summary: 'What is verified now: every check of every worker, by name' },
  '/v1/attestation/results': { summary: 'The same as EAT Attestation Results, each a signed JWT' },
  '/.well-known/jwks.json': { summary: 'The key that signs these results' },
  '/v1/receipts': { summary: 'Receipts that are kept, newest last' },
  '/v1/receipts/{id}': { summary: 'One of them, with the proof that the log holds it', path: 'id' },
  '/v1/payment': { summary: 'The payment channel' },
  '/v1/usage': { summary: 'What this API key has spent, and its budget' },
  '/healthz': { summary: 'Whether the gateway runs' },
};

const ERROR = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'param', 'code'],
      properties: {
        message: { type: 'string' },
        type: { type: 'string' },
        param: { type: ['string', 'null'] },
        code: { type: 'string', description: 'stable; says what was found' },
        chrysalis: {
          type: 'object',
          description: 'Of an answer that failed: `receipts` that were paid all the same, for what had come of it',
          required: ['receipts'],
          properties: { receipts: { type: 'array', items: { type: 'object' } } },
        },
      },
    },
  },
};

const HEADERS = {
  'x-chrysalis-worker': {
    description: 'Worker that answers, verified before anything was sent',
    schema: { type: 'string' },
  },
  'x-chrysalis-evidence': { description: 'Digest of its evidence (ED of AIS/1)', schema: { type: 'string' } },
  'x-chrysalis-receipt': { description: 'Receipt of a whole answer', schema: { type: 'string' } },
  'x-chrysalis-simulated': { description: 'Present where the vendor is a simulator', schema: { type: 'string' } },
};

function operation({ summary, body, streams, path }: Operation): object {
  const json = { 'application/json': { schema: { type: 'object' } } };
  const events = streams === true ? { 'text/event-stream': { schema: { type: 'string' } } } : {};
  const parameter =
    path === undefined ? {} : { parameters: [{ name: path, in: 'path', required: true, schema: { type: 'string' } }] };
  const schema =
    body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: z.toJSONSchema(body, { unrepresentable: 'any', io: 'input' }) } },
          },
        };
  const error = (description: string) => ({
    description,
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
  });
  return {
    summary,
    ...parameter,
    ...schema,
    responses: {
      200: {
        description: 'As OpenAI’s API answers, with a field `chrysalis` beside',
        headers: HEADERS,
        content: { ...json, ...events },
      },
      '4XX': error('The request is wrong, unknown, too large, too much or too often'),
      502: error('Something was refused on the way: evidence, a receipt, a frame'),
      503: error('Could not find out, or not now'),
    },
  };
}

/** The gateway's paths as OpenAPI 3.1, made of the schemas that requests are checked with. */
export function openApiDocument(version: string, keys: boolean): object {
  const all = (verb: string, of: Readonly<Record<string, Operation>>) =>
    Object.entries(of).map(([path, one]) => [path, { [verb]: operation(one) }] as const);
  return {
    openapi: '3.1.0',
    info: { title: 'Chrysalis gateway', version, license: { name: 'Apache-2.0' } },
    paths: Object.fromEntries([...all('post', POSTS), ...all('get', GETS)]),
    components: {
      schemas: { Error: ERROR },
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
    },
    ...(keys ? { security: [{ key: [] }] } : {}),
  };
}
