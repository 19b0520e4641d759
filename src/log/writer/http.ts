import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { asCodedError, CodedError, type ErrorCode, KIND_OF_CODE, utf8 } from '../../core/index.ts';
import { errorCode } from './durable-files.ts';

const CONNECTIONS_MAX = 512;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
/** What a request under way is given to end when the server closes. */
const CLOSE_GRACE_MS = 2_000;
const PATH_CHARACTERS_MAX = 256;

export const TEXT = 'text/plain; charset=utf-8';
export const BYTES = 'application/octet-stream';
export const JSON_TYPE = 'application/json';
export const HTML = 'text/html; charset=utf-8';
export const IMMUTABLE = 'public, max-age=31536000, immutable';
export const FRESH = 'no-store';

/** @property status 200 where absent @property rules Content-Security-Policy of a page with a script; none may run where absent */
export type Answer = Readonly<{
  status?: number;
  type: string;
  cache: string;
  body: string | Uint8Array;
  rules?: string;
}>;
export type Route = Readonly<{ path: RegExp; answer: (match: readonly string[]) => Promise<Answer> }>;
export type HttpServer = Readonly<{ url: string; port: number; close(): Promise<void> }>;

const STATUS_OF_CODE: Partial<Record<ErrorCode, number>> = {
  LOG_NOT_FOUND: 404,
  INDEX_OUT_OF_RANGE: 404,
  LOG_TILE_INVALID: 404,
  LOG_SIZE_INVALID: 404,
  LOG_UNAUTHORIZED: 401,
  LOG_ENTRY_TOO_LARGE: 413,
};
const STATUS_OF_KIND = { rejected: 400, unavailable: 503, bug: 500 } as const;

export const notFound = () => new CodedError('LOG_NOT_FOUND', 'nothing is there');

/** The value, or 404. @throws CodedError LOG_NOT_FOUND */
export function found<T>(value: T | null): T {
  if (value === null) throw notFound();
  return value;
}

/** Answers by the first route whose pattern the path matches. @throws CodedError LOG_NOT_FOUND, and what the route throws */
export async function answerByRoute(routes: readonly Route[], path: string): Promise<Answer> {
  if (path.length > PATH_CHARACTERS_MAX) throw notFound();
  for (const route of routes) {
    const match = route.path.exec(path);
    if (match !== null) return route.answer([...match]);
  }
  throw notFound();
}

/**
 * A server for logs and witnesses: bounds on connections and times, coded errors as JSON, no caching of what changes.
 * @param port 0 for any free one @throws the system's error where the port cannot be had
 */
export async function startHttpServer(
  answerOf: (request: IncomingMessage) => Promise<Answer>,
  { port, host = '127.0.0.1' }: Readonly<{ port: number; host?: string | undefined }>,
): Promise<HttpServer> {
  const server = createServer((request, response) => {
    response.on('error', () => response.destroy());
    answerOf(request).then(
      (answer) => send(request, response, answer),
      (thrown: unknown) => sendError(request, response, thrown),
    );
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://${host}:${bound}`,
    port: bound,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS).unref();
      }),
  };
}

const SECURITY = {
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  // What is served is public and asks for no credentials: a verifier in any page may read it.
  'access-control-allow-origin': '*',
};

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const { status = 200, type, cache, body, rules } = answer;
  const bytes = typeof body === 'string' ? utf8(body) : body;
  const headers = {
    ...SECURITY,
    ...(rules === undefined ? {} : { 'content-security-policy': rules }),
    'content-type': type,
    'cache-control': cache,
    'content-length': bytes.length,
  };
  // A body that was not read to its end: say so and hang up instead of reading on.
  if (!request.complete) response.shouldKeepAlive = false;
  response.writeHead(status, status === 503 ? { ...headers, 'retry-after': '1' } : headers);
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

function sendError(request: IncomingMessage, response: ServerResponse, thrown: unknown): void {
  const full = errorCode(thrown) === 'ENOSPC';
  const { code, message } = full ? new CodedError('STORAGE_FULL', 'no room left') : asCodedError(thrown);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const status = STATUS_OF_CODE[code] ?? STATUS_OF_KIND[KIND_OF_CODE[code]];
  send(request, response, {
    status,
    type: JSON_TYPE,
    cache: FRESH,
    body: JSON.stringify({ error: { code, message } }),
  });
}
