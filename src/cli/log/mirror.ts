import { mkdirSync } from 'node:fs';
import { httpSource } from '../../audit/index.ts';
import { asCodedError, KIND_OF_CODE } from '../../core/index.ts';
import { parseSize } from '../../log/index.ts';
import {
  answerByRoute,
  FRESH,
  found,
  type Mirror,
  notFound,
  openMirror,
  readRoutes,
  startHttpServer,
  TEXT,
} from '../../log/writer/index.ts';
import { aborted, announce, stopSignal } from '../child.ts';
import { cosignersIn, readLogPolicy } from './keys.ts';
import { sleepUntil } from './waiting.ts';

export type MirrorOptions = Readonly<{
  from: string;
  policy: string;
  data: string;
  port: number;
  name?: string;
  interval: number;
  once?: boolean;
  json?: boolean;
  supervised?: boolean;
}>;

/** `chrysalis log mirror`. */
export async function runMirror(options: MirrorOptions): Promise<void> {
  const stop = stopSignal(options);
  mkdirSync(options.data, { recursive: true, mode: 0o700 });
  const [cosigner = null] = options.name === undefined ? [] : await cosignersIn(options.data, options.name, false);
  const mirror = await openMirror(options.data, readLogPolicy(options.policy), cosigner);
  const source = httpSource(options.from, fetch);
  const sync = async () => {
    const { size, added, missingBlobs } = await mirror.sync(source, Math.floor(Date.now() / 1000));
    if (added > 0) console.error(`mirror: ${added} entries more, ${size} in all, ${missingBlobs} files missing`);
    return { size, added, missingBlobs };
  };
  try {
    if (options.once === true) {
      const synced = await sync();
      console.log(JSON.stringify({ event: 'synced', ...synced }));
      return;
    }
    const server = await serveMirror(mirror, options.port);
    if (options.json === true) announce({ event: 'ready', url: server.url });
    else console.log(`mirror   ${server.url}   of ${options.from}, data in ${options.data}`);
    while (!stop.aborted) {
      await sync().catch((thrown: unknown) => {
        const error = asCodedError(thrown);
        // A log that contradicts what is held here is no outage: stop copying, keep what there is.
        if (KIND_OF_CODE[error.code] !== 'unavailable') throw error;
        console.error(`mirror: ${error.message} [${error.code}]`);
      });
      await Promise.race([sleepUntil(options.interval * 1000, stop), aborted(stop)]);
    }
    await server.close();
  } finally {
    await mirror.close();
  }
}

function serveMirror(mirror: Mirror, port: number) {
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
  return startHttpServer(
    (request) =>
      request.method === 'GET' || request.method === 'HEAD'
        ? answerByRoute(routes, request.url ?? '')
        : Promise.reject(notFound()),
    { port },
  );
}
