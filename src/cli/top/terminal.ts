import { writeSync } from 'node:fs';

const ESCAPE = '\u001b';
/** The other screen, no cursor, no wrapping; and back. */
const ENTER = `${ESCAPE}[?1049h${ESCAPE}[?25l${ESCAPE}[?7l`;
const LEAVE = `${ESCAPE}[?7h${ESCAPE}[?25h${ESCAPE}[?1049l`;
/** What is between is shown at once, by terminals that know how. */
const BEGIN = `${ESCAPE}[?2026h${ESCAPE}[H`;
const END = `${ESCAPE}[J${ESCAPE}[?2026l`;
const SUSPEND = '\u001a'; // Ctrl-Z
/** Keys as terminals send them: a sequence, or one letter. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what they begin with
const KEY = /\u001b\[[0-9;]*[A-Za-z~]|\u001bO[A-Z]|[\s\S]/gu;

export type Terminal = Readonly<{
  size(): Readonly<{ width: number; height: number }>;
  draw(lines: readonly string[]): void;
  /** Gives the screen back as it was. */
  close(): void;
}>;

/**
 * Takes the screen of a terminal, and gives it back however this process ends, short of SIGKILL.
 * @param onKey each key; Ctrl-C among them, Ctrl-Z not
 * @param onChange the size has changed, or the screen was taken again
 */
export function openTerminal(onKey: (key: string) => void, onChange: () => void): Terminal {
  const { stdin, stdout } = process;
  const listens = stdin.isTTY === true;
  let taken = false;
  const take = () => {
    if (taken) return;
    taken = true;
    if (listens) stdin.setRawMode(true);
    stdout.write(ENTER);
  };
  const leave = () => {
    if (!taken) return;
    taken = false;
    try {
      if (listens) stdin.setRawMode(false);
      writeSync(stdout.fd, LEAVE); // the process may be about to end
    } catch {
      // The terminal is gone, and with it what there was to restore.
    }
  };
  const suspend = () => {
    leave();
    process.once('SIGCONT', () => {
      take();
      onChange();
    });
    process.kill(process.pid, 'SIGTSTP');
  };
  const onData = (data: Buffer) => {
    for (const [key] of data.toString('utf8').matchAll(KEY)) {
      if (key === SUSPEND) suspend();
      else onKey(key);
    }
  };
  if (listens) stdin.on('data', onData);
  stdout.on('resize', onChange);
  process.once('exit', leave);
  process.once('uncaughtExceptionMonitor', leave);
  take();
  return {
    size: () => ({ width: stdout.columns || 80, height: stdout.rows || 24 }),
    draw: (lines) => {
      if (taken) stdout.write(`${BEGIN}${lines.map((line) => `${line}${ESCAPE}[K`).join('\r\n')}${END}`);
    },
    close: () => {
      leave();
      process.off('exit', leave);
      process.off('uncaughtExceptionMonitor', leave);
      stdout.off('resize', onChange);
      if (listens) {
        stdin.off('data', onData);
        stdin.pause();
      }
    },
  };
}
