import type { IncomingMessage } from 'node:http';
import { NOTE_BYTES_MAX } from '../index.ts';
import {
  type Answer,
  answerByRoute,
  FRESH,
  found,
  type HttpServer,
  JSON_TYPE,
  notFound,
  type Route,
  startHttpServer,
  TEXT,
} from '../writer/http.ts';
import { readBody } from '../writer/http-body.ts';
import type { Witness } from './witness.ts';

/** A checkpoint and a proof of at most 63 hashes. */
const REQUEST_BYTES_MAX = NOTE_BYTES_MAX + 64 * 1024;
const SIZE_TYPE = 'text/x.tlog.size';

/**
 * Serves a witness: `POST /add-checkpoint`, `GET /<sha256 of the origin>/checkpoint` (C2SP tlog-witness), and beside
 * them `/<sha256 of the origin>/equivocation` and `/vkeys`.
 */
export async function startWitnessServer(
  witness: Witness,
  where: Readonly<{ port: number; host?: string }>,
): Promise<HttpServer> {
  const routes: readonly Route[] = [
    {
      path: /^\/([0-9a-f]{64})\/checkpoint$/,
      answer: async ([, hash = '']) => ({ type: TEXT, cache: FRESH, body: found(witness.checkpoint(hash)) }),
    },
    {
      path: /^\/([0-9a-f]{64})\/equivocation$/,
      answer: async ([, hash = '']) => ({ type: JSON_TYPE, cache: FRESH, body: found(witness.equivocation(hash)) }),
    },
    { path: /^\/vkeys$/, answer: async () => ({ type: TEXT, cache: FRESH, body: `${witness.vkeys.join('\n')}\n` }) },
  ];
  const answerOf = async (request: IncomingMessage): Promise<Answer> => {
    if (request.method === 'POST' && request.url === '/add-checkpoint') {
      const { status, body } = await witness.addCheckpoint(await readBody(request, REQUEST_BYTES_MAX));
      return { status, type: status === 409 ? SIZE_TYPE : TEXT, cache: FRESH, body };
    }
    if (request.method === 'GET' || request.method === 'HEAD') return answerByRoute(routes, request.url ?? '');
    throw notFound();
  };
  return startHttpServer(answerOf, where);
}
