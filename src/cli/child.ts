/**
 * The contract between `chrysalis up` and the processes it starts. A child started with `--json --supervised` prints
 * one JSON object a line on stdout: first `ready` or `failed`, later what happens to it; logs go to stderr. It stops
 * when its stdin ends, so a supervisor that is killed leaves no orphan behind.
 */
import { codedFromSystem, type ErrorDocument, errorDocument, exitCodeOf } from './output.ts';

export type ChildEvent =
  | (Readonly<{ event: 'ready'; url?: string }> & Readonly<Record<string, unknown>>)
  | Readonly<{ event: 'failed'; error: ErrorDocument }>
  | (Readonly<{ event: 'admitted' | 'attesting' | 'refused' | 'draining' | 'standby' | 'budget' | 'stopped' }> &
      Readonly<Record<string, unknown>>);

/** Prints one event for a supervisor. Bigints become decimal strings. */
export function announce(event: ChildEvent): void {
  const line = JSON.stringify(event, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
  process.stdout.write(`${line}\n`);
}

/** Reports why a child cannot start, and answers the code to exit with. */
export function announceFailure(thrown: unknown): number {
  const error = codedFromSystem(thrown);
  announce({ event: 'failed', error: errorDocument(error) });
  return exitCodeOf(error.code);
}

/** Aborted by SIGINT, SIGTERM and, for a supervised child, by the end of stdin. */
export function stopSignal(options: Readonly<{ supervised?: boolean }>): AbortSignal {
  const stop = new AbortController();
  const now = () => stop.abort();
  process.once('SIGINT', now);
  process.once('SIGTERM', now);
  if (options.supervised === true) {
    // One that was told to stop by a signal ends, whether or not its supervisor has closed the pipe by then.
    stop.signal.addEventListener('abort', () => process.stdin.pause(), { once: true });
    process.stdin.resume();
    process.stdin.once('end', now);
    process.stdin.once('error', now);
    // Its supervisor is gone when nobody reads what it prints.
    process.stdout.once('error', now);
  }
  return stop.signal;
}

/** Resolves once, when `signal` is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** An action that reports to its supervisor why it could not start; on its own, it fails as every command does. */
export function supervisedAction<Options extends Readonly<{ supervised?: boolean }>>(
  run: (options: Options) => Promise<void>,
): (options: Options) => Promise<void> {
  return async (options) => {
    if (options.supervised !== true) return run(options);
    try {
      await run(options);
    } catch (thrown) {
      process.exitCode = announceFailure(thrown);
    }
  };
}
