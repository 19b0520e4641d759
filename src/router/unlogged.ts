import type { UnixMs } from '../core/index.ts';
import { createCountedEntries } from './counted-entries.ts';
import type { LogPort } from './ports.ts';

const SUMMARY_MS = 60_000;

/** Refusals without an entry of their own (evidence that cannot be read, or too many of them), logged once a minute. */
export function createUnlogged(deps: Readonly<{ log: LogPort; source: string; now: () => UnixMs }>) {
  const { source: src } = deps;
  return createCountedEntries<'rejection-summary'>(deps, SUMMARY_MS, ({ from, to, count, words: reasons }) => ({
    ...{ type: 'rejection-summary', src, subject: `rejections:${src}` },
    body: { from, to, count, reasons },
  }));
}
