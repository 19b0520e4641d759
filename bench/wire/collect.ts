import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
/** Of garbage, here and now: so that none of it falls into what is measured. */
export const collect = runInNewContext('gc') as () => void;
