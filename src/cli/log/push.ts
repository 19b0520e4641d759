import { httpSource } from '../../audit/index.ts';
import { asCodedError, KIND_OF_CODE } from '../../core/index.ts';
import { parseVkey } from '../../log/index.ts';
import { pushToMirror } from '../../log/writer/index.ts';
import { announce, stopSignal } from '../child.ts';
import { counted } from '../output.ts';
import { readLogPolicy } from './keys.ts';
import { sleepUntil } from './waiting.ts';

export type PushOptions = Readonly<{
  log: string;
  to: string;
  policy: string;
  mirrorKey: string;
  interval: number;
  once?: boolean;
  json?: boolean;
  supervised?: boolean;
}>;

/** `chrysalis log push`. */
export async function runPush(options: PushOptions): Promise<void> {
  const stop = stopSignal(options);
  const [policy, key] = [readLogPolicy(options.policy), parseVkey(options.mirrorKey)];
  const deps = { url: options.to, source: httpSource(options.log, fetch), policy, key, fetch };
  let last = -1;
  if (options.json === true && options.once !== true) announce({ event: 'ready' });
  while (!stop.aborted) {
    try {
      const { size, uploaded, line } = await pushToMirror(deps);
      if (size !== last || options.once === true) {
        console.log(
          options.json === true
            ? JSON.stringify({ event: 'pushed', size, uploaded, line })
            : `the mirror holds ${counted(size, 'entry', 'entries')} and says so (${uploaded} were sent now)`,
        );
      }
      last = size;
    } catch (thrown) {
      const error = asCodedError(thrown);
      if (options.once === true || KIND_OF_CODE[error.code] !== 'unavailable') throw error;
      console.error(`push: ${error.message} [${error.code}]`);
    }
    if (options.once === true) return;
    await sleepUntil(options.interval * 1000, stop);
  }
}
