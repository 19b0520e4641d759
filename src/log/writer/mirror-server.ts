import type { IncomingMessage } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { type Bytes, CodedError } from '../../core/index.ts';
import { ADD_ENTRIES_BYTES_MAX, MIRROR_INFO_TYPE, NOTE_BYTES_MAX, parseSize } from '../index.ts';
import { originHash } from '../witness/witness.ts';
import { type Answer, answerByRoute, FRESH, found, type HttpServer, notFound, startHttpServer, TEXT } from './http.ts';
import { readBody } from './http-body.ts';
import type { Mirror } from './mirror.ts';
import type { createMirrorDoor } from './mirror-door.ts';
import { readRoutes } from './server.ts';

const CHECKPOINT_BYTES_MAX = NOTE_BYTES_MAX + 64 * 1024;
/** Each holds a request of up to {@link ADD_ENTRIES_BYTES_MAX}. */
const UPLOADS_MAX = 4;
const SIZE_TYPE = 'text/x.tlog.size';

/** @property door where others may give entries; null for a mirror that only copies */
export type MirrorServerOptions = Readonly<{
  mirror: Mirror;
  door: ReturnType<typeof createMirrorDoor> | null;
  origin: string;
  port: number;
}>;

/**
 * Serves a mirror: the log's read path at `/` and, as C2SP tlog-mirror has it, at `/<sha256 of the origin>/`; with a door
 * `POST /add-checkpoint` and `POST /add-entries` (gzip or not).
 */
export function startMirrorServer({ mirror, door, origin, port }: MirrorServerOptions): Promise<HttpServer> {
  const text = (body: Uint8Array) => ({ type: TEXT, cache: FRESH, body });
  const routes = [
    { path: /^\/checkpoint$/, answer: async () => text(found(mirror.checkpoint())) },
    {
      path: /^\/cosigned\/([0-9]{1,16})$/,
      answer: async ([, index = '']: readonly string[]) =>
        text(found(await mirror.covering(parseSize(index, 'index')))),
    },
    ...readRoutes(mirror),
  ];
  const prefix = `/${originHash(origin)}/`;
  let uploads = 0;
  const give = async (request: IncomingMessage): Promise<Answer> => {
    if (door === null) throw notFound();
    if (request.url === '/add-checkpoint') {
      const { status, body } = await door.addCheckpoint(await readBody(request, CHECKPOINT_BYTES_MAX));
      return { status, type: status === 409 ? SIZE_TYPE : TEXT, cache: FRESH, body };
    }
    if (request.url !== '/add-entries') throw notFound();
    if (uploads >= UPLOADS_MAX) throw new CodedError('LOG_QUEUE_FULL', 'too many uploads are under way');
    uploads++;
    try {
      const { status, body, info } = await door.addEntries(await entriesBody(request));
      return { status, type: info ? MIRROR_INFO_TYPE : TEXT, cache: FRESH, body };
    } finally {
      uploads--;
    }
  };
  return startHttpServer(
    (request) => {
      if (request.method === 'POST') return give(request);
      if (request.method !== 'GET' && request.method !== 'HEAD') return Promise.reject(notFound());
      const path = request.url ?? '';
      return answerByRoute(routes, path.startsWith(prefix) ? path.slice(prefix.length - 1) : path);
    },
    { port },
  );
}

/** @throws CodedError LOG_ENTRY_TOO_LARGE, also for what unpacks to more; LOG_NOTE_MALFORMED for another encoding */
async function entriesBody(request: IncomingMessage): Promise<Bytes> {
  const bytes = await readBody(request, ADD_ENTRIES_BYTES_MAX);
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return bytes;
  if (encoding !== 'gzip') throw new CodedError('LOG_NOTE_MALFORMED', 'the body is neither plain nor gzip');
  try {
    return Uint8Array.from(gunzipSync(bytes, { maxOutputLength: ADD_ENTRIES_BYTES_MAX }));
  } catch (cause) {
    const code = (cause as { code?: unknown }).code;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw new CodedError('LOG_ENTRY_TOO_LARGE', 'the body unpacks to too much');
    throw new CodedError('LOG_NOTE_MALFORMED', 'the body is no whole gzip file', {}, { cause });
  }
}
