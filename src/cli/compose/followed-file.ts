import { stat } from 'node:fs/promises';
import { asCodedError, KIND_OF_CODE } from '../../core/index.ts';
import { codedFromSystem } from '../output.ts';
import { readText } from './files.ts';

/** Something read from a file that follows the file while the process runs. */
export type Followed<T> = Readonly<{
  current(): T;
  close(): void;
}>;

/**
 * Reads a file, and again whenever it has changed. One that cannot be read, or is refused, is reported once and leaves
 * in force what was read before; one that cannot be taken yet (`unavailable`) is tried again until it can.
 * @throws CodedError for what is wrong with it at the start
 */
export async function followFile<T>(
  path: string,
  read: (text: string) => Promise<T>,
  options: Readonly<{ everyMs: number; report: (problem: string) => void }>,
): Promise<Followed<T>> {
  let seen = await signOf(path);
  let current = await read(readText(path));
  let reported = '';
  let isLooking = false;
  const look = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    let sign = seen;
    try {
      sign = await signOf(path);
      if (sign === seen) return;
      current = await read(readText(path));
      seen = sign;
      reported = '';
    } catch (thrown) {
      const { code, message } = asCodedError(thrown);
      if (KIND_OF_CODE[code] !== 'unavailable') seen = sign; // refused: not read again before it changes
      if (`${sign} ${code}` === reported) return;
      reported = `${sign} ${code}`;
      options.report(`${path} is not taken, what was read before stays in force: ${message} [${code}]`);
    } finally {
      isLooking = false;
    }
  };
  const timer = setInterval(look, options.everyMs);
  timer.unref();
  return { current: () => current, close: () => clearInterval(timer) };
}

/** Changes with the content: a file put in its place by a rename is another one. Empty where there is none. */
async function signOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw codedFromSystem(thrown);
  }
}
