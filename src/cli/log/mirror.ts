import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { httpSource } from '../../audit/index.ts';
import { asCodedError, KIND_OF_CODE } from '../../core/index.ts';
import { formatVkey, type LogPolicy } from '../../log/index.ts';
import { openWitnessStore } from '../../log/witness/index.ts';
import { createMirrorDoor, openMirror, startMirrorServer } from '../../log/writer/index.ts';
import { aborted, announce, stopSignal } from '../child.ts';
import { counted } from '../output.ts';
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
  const policy = readLogPolicy(options.policy);
  const mirror = await openMirror(options.data, policy, cosigner);
  const pending = openWitnessStore(join(options.data, 'pending.db'));
  const source = httpSource(options.from, fetch);
  const sync = async () => {
    const { size, added, missingBlobs } = await mirror.sync(source, Math.floor(Date.now() / 1000));
    if (added > 0)
      console.error(
        `mirror: ${counted(added, 'entry', 'entries')} more, ${size} in all, ${counted(missingBlobs, 'file')} missing`,
      );
    return { size, added, missingBlobs };
  };
  try {
    if (options.once === true) {
      const synced = await sync();
      console.log(JSON.stringify({ event: 'synced', ...synced }));
      return;
    }
    const [{ key }] = policy.logs as [LogPolicy['logs'][number]];
    const log = {
      origin: key.name,
      keys: policy.logs.map(({ key: one }) => one).filter(({ name }) => name === key.name),
    };
    const door = cosigner === null ? null : createMirrorDoor({ mirror, log, pending, clock: Date.now });
    const server = await startMirrorServer({ mirror, door, origin: key.name, port: options.port });
    const vkey = cosigner === null ? null : formatVkey(cosigner.key);
    if (options.json === true) announce({ event: 'ready', url: server.url, vkey });
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
    pending.close();
    await mirror.close();
  }
}
