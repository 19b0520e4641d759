import { wantsColour } from '../output.ts';

const WIDTH = 30;
const EVERY_MS = 100;

/** One line that moves, on a terminal only. @param stream null for none */
export function progressBar(
  stream: NodeJS.WriteStream | null,
  what: string,
): Readonly<{ show(done: number, of: number): void; clear(): void }> {
  const on = stream !== null && wantsColour(stream, process.env);
  let shownAt = 0;
  let shown = false;
  return {
    show(done, of) {
      if (!on || of === 0 || (Date.now() - shownAt < EVERY_MS && done < of)) return;
      shownAt = Date.now();
      shown = true;
      const full = Math.round((WIDTH * done) / of);
      stream?.write(`\r${what} ${'█'.repeat(full)}${'░'.repeat(WIDTH - full)} ${done} of ${of}`);
    },
    clear() {
      if (shown) stream?.write('\r\u001b[K');
      shown = false;
    },
  };
}
