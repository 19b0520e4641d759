import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * A function that collects garbage at once. Keys that the cryptographic library holds are overwritten when they are
 * freed; without this they would wait for the collector's own time.
 */
export function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // A second turn: what the first one finalizes lets go of more.
  return () => {
    collect();
    setImmediate(collect);
  };
}
