import { wantsColour } from '../output.ts';

const WIDTH = 24;
const EVERY_MS = 100;
const LINE_EVERY_MS = 5_000;
/** Before that a rate says little. */
const RATE_AFTER_MS = 1_000;

/** How work goes that comes in stages. @property show for each piece that is done; cheap enough to be called often */
export type Progress = Readonly<{ show(stage: string, done: number, of: number): void; clear(): void }>;

type Pace = Readonly<{ perSecond: number; secondsLeft: number }>;
type Stage = Readonly<{ name: string; since: number }>;

/** Of this stage alone; null where it has just begun. */
function paceOf({ since }: Stage, done: number, of: number, now: number): Pace | null {
  if (now - since < RATE_AFTER_MS || done === 0) return null;
  const perSecond = done / ((now - since) / 1000);
  return { perSecond: Math.round(perSecond), secondsLeft: Math.ceil((of - done) / perSecond) };
}

/** One line that moves, on a terminal only. @param stream null for none */
export function progressBar(stream: NodeJS.WriteStream | null): Progress {
  const on = stream !== null && wantsColour(stream, process.env);
  let stage: Stage = { name: '', since: 0 };
  let shownAt = 0;
  let shown = false;
  return {
    show(name, done, of) {
      if (!on || of === 0) return;
      const now = Date.now();
      const begins = name !== stage.name;
      if (begins) stage = { name, since: now };
      if (!begins && now - shownAt < EVERY_MS && done < of) return;
      shownAt = now;
      shown = true;
      const full = Math.round((WIDTH * done) / of);
      const pace = paceOf(stage, done, of, now);
      const words = pace === null ? '' : ` · ${count(pace.perSecond)}/s · ${duration(pace.secondsLeft)} left`;
      stream.write(
        `\r${name} ${'█'.repeat(full)}${'░'.repeat(WIDTH - full)} ${count(done)} of ${count(of)}${words}\u001b[K`,
      );
    },
    clear() {
      if (shown) stream?.write('\r\u001b[K');
      shown = false;
    },
  };
}

/** A line of JSON every few seconds, for whoever reads a machine's output: a short run writes none. */
export function progressLines(stream: NodeJS.WritableStream): Progress {
  let stage: Stage = { name: '', since: 0 };
  let shownAt = Date.now();
  return {
    show(name, done, of) {
      const now = Date.now();
      if (name !== stage.name) stage = { name, since: now };
      if (now - shownAt < LINE_EVERY_MS) return;
      shownAt = now;
      const line = { event: 'progress', stage: name, done, of, ...paceOf(stage, done, of, now) };
      stream.write(`${JSON.stringify(line)}\n`);
    },
    clear() {},
  };
}

/** A bar for a person on stderr, lines beside a `--json` document. */
export function progressOf(json: boolean): Progress {
  return json ? progressLines(process.stderr) : progressBar(process.stderr);
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `59 s`, `12:05`, `1:00:00`. */
function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours === 0 ? `${minutes}:${two(seconds % 60)}` : `${hours}:${two(minutes)}:${two(seconds % 60)}`;
}
