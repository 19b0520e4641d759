import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sha256 } from '#crypto';
import { asCodedError, CodedError, type ErrorCode, equalBytes, KIND_OF_CODE, utf8 } from '../../core/index.ts';
import { type Digest, parseSize, parseTilePath } from '../index.ts';
import { errorCode } from './durable-files.ts';
import { parseAppendRequest, REQUEST_BYTES_MAX, readBody } from './http-body.ts';
import type { Log } from './log.ts';
import { renderPage } from './page.ts';

const CONNECTIONS_MAX = 512;
const APPENDS_MAX = 64;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
/** What a request under way is given to end when the server closes. */
const CLOSE_GRACE_MS = 2_000;
const PATH_CHARACTERS_MAX = 256;

const TEXT = 'text/plain; charset=utf-8';
const BYTES = 'application/octet-stream';
const JSON_TYPE = 'application/json';
const IMMUTABLE = 'public, max-age=31536000, immutable';
const FRESH = 'no-store';

type Answer = Readonly<{ type: string; cache: string; body: string | Uint8Array }>;
type Route = Readonly<{ path: RegExp; answer: (match: readonly string[]) => Promise<Answer> }>;

export type LogServer = Readonly<{ url: string; port: number; close(): Promise<void> }>;
/** @property token what the append door asks for; without it the door is shut @property port 0 for any free one */
export type LogServerOptions = Readonly<{ log: Log; port: number; host?: string; token?: string }>;

const STATUS_OF_CODE: Partial<Record<ErrorCode, number>> = {
  LOG_NOT_FOUND: 404,
  INDEX_OUT_OF_RANGE: 404,
  LOG_TILE_INVALID: 404,
  LOG_SIZE_INVALID: 404,
  LOG_UNAUTHORIZED: 401,
  LOG_ENTRY_TOO_LARGE: 413,
};
const STATUS_OF_KIND = { rejected: 400, unavailable: 503, bug: 500 } as const;

const notFound = () => new CodedError('LOG_NOT_FOUND', 'nothing is there');

/**
 * Serves a log on HTTP: the C2SP tlog-tiles read path (`/checkpoint`, `/tile/…`), `/proof/<index>`, `/entry/<index>`,
 * `/vkey`, `/blob/sha256/<hex>`, a page at `/`, and `POST /append` behind a bearer token.
 * @throws the system's error where the port cannot be had
 */
export async function startLogServer({ log, port, host = '127.0.0.1', token }: LogServerOptions): Promise<LogServer> {
  const routes = readRoutes(log);
  let appending = 0;
  const append = async (request: IncomingMessage): Promise<Answer> => {
    requireToken(request, token);
    if (appending >= APPENDS_MAX) throw new CodedError('LOG_QUEUE_FULL', 'too many appends are under way');
    appending++;
    try {
      const { draft, options } = parseAppendRequest(await readBody(request, REQUEST_BYTES_MAX));
      return { type: JSON_TYPE, cache: FRESH, body: JSON.stringify(await log.append(draft, options)) };
    } finally {
      appending--;
    }
  };
  const answerOf = (request: IncomingMessage): Promise<Answer> => {
    if (request.method === 'POST' && request.url === '/append') return append(request);
    if (request.method === 'GET' || request.method === 'HEAD') return read(routes, request.url ?? '');
    return Promise.reject(notFound());
  };
  const server = createServer((request, response) => {
    response.on('error', () => response.destroy());
    answerOf(request).then(
      (answer) => send(request, response, 200, answer),
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

function readRoutes(log: Log): readonly Route[] {
  const found = <T>(value: T | null): T => {
    if (value === null) throw notFound();
    return value;
  };
  return [
    {
      path: /^\/$/,
      answer: async () => ({ type: 'text/html; charset=utf-8', cache: FRESH, body: await renderPage(log) }),
    },
    { path: /^\/checkpoint$/, answer: async () => ({ type: TEXT, cache: FRESH, body: log.checkpoint() }) },
    { path: /^\/vkey$/, answer: async () => ({ type: TEXT, cache: FRESH, body: `${log.vkey}\n` }) },
    {
      path: /^\/(tile\/.+)$/,
      answer: async ([, path = '']) => ({
        type: BYTES,
        cache: IMMUTABLE,
        body: found(await log.tile(parseTilePath(path))),
      }),
    },
    {
      path: /^\/proof\/([0-9]{1,16})$/,
      answer: async ([, index = '']) => ({
        type: TEXT,
        cache: FRESH,
        body: await log.proof(parseSize(index, 'index')),
      }),
    },
    {
      path: /^\/entry\/([0-9]{1,16})$/,
      answer: async ([, text = '']) => {
        const index = parseSize(text, 'index');
        return { type: BYTES, cache: IMMUTABLE, body: found((await log.entries(index, index + 1))[0] ?? null).entry };
      },
    },
    {
      path: /^\/blob\/sha256\/([0-9a-f]{64})$/,
      answer: async ([, hex = '']) => {
        const digest: Digest = `sha256:${hex}`;
        return { type: BYTES, cache: IMMUTABLE, body: found(await log.blobs.get(digest)) };
      },
    },
  ];
}

async function read(routes: readonly Route[], path: string): Promise<Answer> {
  if (path.length > PATH_CHARACTERS_MAX) throw notFound();
  for (const route of routes) {
    const match = route.path.exec(path);
    if (match !== null) return route.answer([...match]);
  }
  throw notFound();
}

function requireToken(request: IncomingMessage, token: string | undefined): void {
  const given = /^Bearer ([\x21-\x7e]{1,256})$/.exec(request.headers.authorization ?? '')?.[1];
  // Hashed first: the comparison then tells nothing about the token by its time.
  if (token === undefined || given === undefined || !equalBytes(sha256(utf8(given)), sha256(utf8(token)))) {
    throw new CodedError('LOG_UNAUTHORIZED', 'appending needs the token of this log');
  }
}

const SECURITY = {
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  // What is served is public and asks for no credentials: a verifier in any page may read it.
  'access-control-allow-origin': '*',
};

function send(request: IncomingMessage, response: ServerResponse, status: number, { type, cache, body }: Answer): void {
  const bytes = typeof body === 'string' ? utf8(body) : body;
  const headers = { ...SECURITY, 'content-type': type, 'cache-control': cache, 'content-length': bytes.length };
  response.writeHead(status, status === 503 ? { ...headers, 'retry-after': '1' } : headers);
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

function sendError(request: IncomingMessage, response: ServerResponse, thrown: unknown): void {
  const full = errorCode(thrown) === 'ENOSPC';
  const { code, message } = full ? new CodedError('STORAGE_FULL', 'the log has no room left') : asCodedError(thrown);
  const status = STATUS_OF_CODE[code] ?? STATUS_OF_KIND[KIND_OF_CODE[code]];
  if (response.headersSent) {
    response.destroy();
    return;
  }
  // A body that was not read to its end: say so and hang up instead of reading on.
  if (!request.complete) response.shouldKeepAlive = false;
  send(request, response, status, {
    type: JSON_TYPE,
    cache: FRESH,
    body: JSON.stringify({ error: { code, message } }),
  });
}
