import type { IncomingMessage } from 'node:http';
import { sha256 } from '#crypto';
import { CodedError, equalBytes, utf8 } from '../../core/index.ts';
import { type Digest, parseSize, parseTilePath } from '../index.ts';
import {
  type Answer,
  answerByRoute,
  BYTES,
  FRESH,
  found,
  HTML,
  type HttpServer,
  IMMUTABLE,
  JSON_TYPE,
  notFound,
  type Route,
  startHttpServer,
  TEXT,
} from './http.ts';
import { parseAppendRequest, REQUEST_BYTES_MAX, readBody } from './http-body.ts';
import type { Log } from './log.ts';
import { renderPage } from './page.ts';
import type { Witnessing } from './witnessing.ts';

const APPENDS_MAX = 64;

export type LogServer = HttpServer;
/**
 * @property token what the append door asks for; without it the door is shut @property port 0 for any free one
 * @property witnessing what is published is then what the witnesses' quorum cosigned, not what this log signed alone
 */
export type LogServerOptions = Readonly<{
  log: Log;
  port: number;
  host?: string;
  token?: string;
  witnessing?: Witnessing;
  /** The tlog-policy that this log claims for itself, for readers to compare with the one they were given. */
  policyText?: string;
  /** The auditor's console; where it is null the plain page is shown. */
  console?: () => Promise<Readonly<{ html: string; rules: string }> | null>;
}>;

/**
 * Serves a log on HTTP: the C2SP tlog-tiles read path (`/checkpoint`, `/tile/…`), `/proof/<index>`, `/entry/<index>`,
 * `/vkey`, `/blob/sha256/<hex>`, a page at `/`, and `POST /append` behind a bearer token.
 * @throws the system's error where the port cannot be had
 */
export async function startLogServer(options: LogServerOptions): Promise<LogServer> {
  const { log, port, host, token, witnessing } = options;
  const routes = [...pageRoutes(options), ...publishedRoutes(log, witnessing), ...readRoutes(log)];
  let appending = 0;
  const append = async (request: IncomingMessage): Promise<Answer> => {
    requireToken(request, token);
    if (appending >= APPENDS_MAX) throw new CodedError('LOG_QUEUE_FULL', 'too many appends are under way');
    appending++;
    try {
      const { draft, options: given } = parseAppendRequest(await readBody(request, REQUEST_BYTES_MAX));
      return { type: JSON_TYPE, cache: FRESH, body: JSON.stringify(await log.append(draft, given)) };
    } finally {
      appending--;
    }
  };
  const answerOf = (request: IncomingMessage): Promise<Answer> => {
    if (request.method === 'POST' && request.url === '/append') return append(request);
    if (request.method === 'GET' || request.method === 'HEAD') return answerByRoute(routes, request.url ?? '');
    return Promise.reject(notFound());
  };
  return startHttpServer(answerOf, { port, host });
}

function pageRoutes({ log, policyText, console }: LogServerOptions): readonly Route[] {
  return [
    {
      path: /^\/$/,
      answer: async () => {
        const page = (await console?.()) ?? null;
        if (page === null) return { type: HTML, cache: FRESH, body: await renderPage(log) };
        return { type: HTML, cache: FRESH, body: page.html, rules: page.rules };
      },
    },
    { path: /^\/policy$/, answer: async () => ({ type: TEXT, cache: FRESH, body: found(policyText ?? null) }) },
  ];
}

/** What changes with each published head. A log with witnesses shows nothing that their quorum has not cosigned. */
function publishedRoutes(log: Log, witnessing: Witnessing | undefined): readonly Route[] {
  const checkpoint = async () => (witnessing === undefined ? log.checkpoint() : witnessing.checkpoint());
  const proof = (index: number) => (witnessing === undefined ? log.proof(index) : witnessing.proof(index));
  return [
    { path: /^\/checkpoint$/, answer: async () => ({ type: TEXT, cache: FRESH, body: await checkpoint() }) },
    {
      path: /^\/proof\/([0-9]{1,16})$/,
      answer: async ([, index = '']) => ({ type: TEXT, cache: FRESH, body: await proof(parseSize(index, 'index')) }),
    },
    {
      // The oldest kept cosigned checkpoint that covers an entry: bounds its time from outside.
      path: /^\/cosigned\/([0-9]{1,16})$/,
      answer: async ([, index = '']) => ({
        type: TEXT,
        cache: FRESH,
        body: found((await witnessing?.covering(parseSize(index, 'index'))) ?? null),
      }),
    },
  ];
}

/** What a reader needs of a log, kept here or mirrored. */
export type ReadableLog = Pick<Log, 'vkey' | 'tile' | 'entries' | 'blobs'>;

/** The parts of the read path that never change. */
export function readRoutes(log: ReadableLog): readonly Route[] {
  return [
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

function requireToken(request: IncomingMessage, token: string | undefined): void {
  const given = /^Bearer ([\x21-\x7e]{1,256})$/.exec(request.headers.authorization ?? '')?.[1];
  // Hashed first: the comparison then tells nothing about the token by its time.
  if (token === undefined || given === undefined || !equalBytes(sha256(utf8(given)), sha256(utf8(token)))) {
    throw new CodedError('LOG_UNAUTHORIZED', 'appending needs the token of this log');
  }
}
