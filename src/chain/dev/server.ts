import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { asCodedError, type Clock, CodedError, KIND_OF_CODE, type Randomness } from '../../core/index.ts';
import { DEVELOPMENT_NETWORK } from '../networks.ts';
import { accountPage, overviewPage } from './explorer.ts';
import { METHODS, OWN_METHODS } from './json-rpc.ts';
import { Ledger } from './ledger.ts';

const REQUEST_BYTES_MAX = 256 * 1024;
const REQUEST_MS_MAX = 30_000;
const CONNECTIONS_MAX = 512;
const STATUS = { rejected: 422, unavailable: 503, bug: 500 } as const;
/** A client's `endpoint` may be any of these. */
const RPC_PATHS = new Set(['/', '/jsonRPC', '/api/v2/jsonRPC']);
const POST_ONLY = new Set(['sendBoc', 'sendBocReturnHash', 'faucet', 'skip', 'faults']);
const JSON_TYPE = 'application/json';
const PAGE_TYPE = 'text/html; charset=utf-8';
const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

export type DevelopmentChainOptions = Readonly<{
  /** Made where it is missing; one chain at a time. */
  dataDirectory: string;
  /** 0 for any free one. */
  port?: number;
  host?: string;
  clock: Clock;
  randomness: Randomness;
}>;

export type DevelopmentChain = Readonly<{
  /** The endpoint for a TonClient. */
  url: string;
  port: number;
  network: number;
  /** Ends when all accepted work is on disk. */
  close(): Promise<void>;
}>;

/** JSON, or a page for people. */
type Answer = Readonly<{ status: number; body: Record<string, unknown> }>;
type Page = Readonly<{ status: number; page: string }>;

/**
 * A TON of its own on this machine: TON's transaction executor behind toncenter's version 2 HTTP interface, durable,
 * with a faucet. What it acknowledges is on disk.
 * @throws CodedError STATE_LOCKED, CHAIN_STATE_FOREIGN, CHAIN_STATE_CORRUPT, STORAGE_FULL, PORT_IN_USE
 */
export async function startDevelopmentChain(options: DevelopmentChainOptions): Promise<DevelopmentChain> {
  const { dataDirectory, clock, randomness, host = '127.0.0.1' } = options;
  const ledger = await Ledger.open({ dataDirectory, network: DEVELOPMENT_NETWORK, clock, randomness });
  const server = createServer((request, response) => {
    answer(ledger, request)
      .catch(refusal)
      .then((result) => write(response, result))
      .catch(() => response.destroy());
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.requestTimeout = REQUEST_MS_MAX;
  try {
    await listen(server, options.port ?? 0, host);
  } catch (error) {
    await ledger.close();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${port}/jsonRPC`,
    port,
    network: DEVELOPMENT_NETWORK,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      await ledger.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const inUse = cause.code === 'EADDRINUSE';
      const message = inUse ? `port ${port} is in use` : `cannot listen on port ${port}`;
      reject(new CodedError(inUse ? 'PORT_IN_USE' : 'CONFIG_INVALID', message, { port }, { cause }));
    });
    server.listen(port, host, () => resolve());
  });
}

/** toncenter's shape of an error, with our code beside it. */
function refusal(error: unknown): Answer {
  const coded = asCodedError(error);
  const status = STATUS[KIND_OF_CODE[coded.code]];
  return { status, body: { ok: false, error: coded.message, code: status, chrysalisCode: coded.code } };
}

function write(response: ServerResponse, result: Answer | Page): void {
  if (response.destroyed || response.headersSent) return;
  const { status } = result;
  const text = 'page' in result ? result.page : JSON.stringify(result.body);
  response.writeHead(status, {
    'content-type': 'page' in result ? PAGE_TYPE : JSON_TYPE,
    'content-security-policy': PAGE_POLICY,
    'x-content-type-options': 'nosniff',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    // A body that was not read to its end must not become the next request.
    ...(status === 200 ? {} : { connection: 'close' }),
  });
  response.end(text);
}

async function answer(ledger: Ledger, request: IncomingMessage): Promise<Answer | Page> {
  const url = URL.parse(request.url ?? '/', 'http://chain');
  if (url === null) throw new CodedError('CHAIN_REFUSED', 'not a path');
  const posted = request.method === 'POST';
  if (!posted && request.method !== 'GET') throw new CodedError('CHAIN_REFUSED', 'only GET and POST');
  if (!posted) {
    const shown = await explorerPage(ledger, url.pathname);
    if (shown !== null) return shown;
  }
  const body = posted ? await readJson(request) : Object.fromEntries(url.searchParams);
  if (posted && RPC_PATHS.has(url.pathname)) return callByName(ledger, body);
  const name = url.pathname.replace(/^\/(api\/v2\/)?/, '');
  const own = Object.hasOwn(OWN_METHODS, name) ? OWN_METHODS[name] : undefined;
  const called = own ?? (Object.hasOwn(METHODS, name) ? METHODS[name] : undefined);
  if (called === undefined || (POST_ONLY.has(name) && !posted)) {
    return { status: 404, body: { ok: false, error: `${request.method} ${name}: not here`, code: 404 } };
  }
  const failure = own === undefined ? ledger.faults.failure() : null;
  if (failure !== null) return failed(failure);
  const result = await called(ledger, body);
  return { status: 200, body: own === undefined ? { ok: true, result } : { ok: true, ...(result as object) } };
}

/** A fault that was asked for. */
function failed(status: number): Answer {
  return { status, body: { ok: false, error: 'this failure was asked for', code: status } };
}

async function explorerPage(ledger: Ledger, path: string): Promise<Page | null> {
  if (path === '/') return { status: 200, page: await overviewPage(ledger) };
  const raw = /^\/account\/([^/]+)$/.exec(path)?.[1];
  if (raw === undefined) return null;
  const page = await accountPage(ledger, raw);
  return page === null ? null : { status: 200, page };
}

async function callByName(ledger: Ledger, body: unknown): Promise<Answer> {
  const failure = ledger.faults.failure();
  if (failure !== null) return failed(failure);
  const { method, params, id } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const echoed = typeof id === 'string' || typeof id === 'number' ? id : null;
  const called = typeof method === 'string' && Object.hasOwn(METHODS, method) ? METHODS[method] : undefined;
  try {
    if (called === undefined) throw new CodedError('CHAIN_REFUSED', 'no such method');
    const result = await called(ledger, params ?? {});
    return { status: 200, body: { ok: true, result, jsonrpc: '2.0', id: echoed } };
  } catch (error) {
    const refused = refusal(error);
    return { ...refused, body: { ...refused.body, jsonrpc: '2.0', id: echoed } };
  }
}

/** @throws CodedError CHAIN_REFUSED for a body over the bound or one that is not JSON */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  // The socket stays whole when reading stops early, so that the refusal can still be written to it.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > REQUEST_BYTES_MAX) throw new CodedError('CHAIN_REFUSED', `more than ${REQUEST_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch {
    throw new CodedError('CHAIN_REFUSED', 'the request is not JSON', { length });
  }
}
