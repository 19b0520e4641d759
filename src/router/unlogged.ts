import type { UnixMs } from '../core/index.ts';
import type { LogPort } from './ports.ts';

const SUMMARY_MS = 60_000;
/** Codes are ours and few; whatever else there is counts as one. */
const REASONS_MAX = 32;

/**
 * Refusals without an entry of their own (evidence that cannot be read, or too many of them): counted, and logged
 * together once a minute, so that nobody fills the log and none goes unmentioned.
 */
export function createUnlogged(deps: Readonly<{ log: LogPort; source: string; now: () => UnixMs }>) {
  let reasons = new Map<string, number>();
  let since = 0;
  let timer: NodeJS.Timeout | null = null;

  const flush = async (): Promise<void> => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (reasons.size === 0) return;
    const taken = reasons;
    reasons = new Map();
    const count = [...taken.values()].reduce((sum, one) => sum + one, 0);
    const body = { from: since, to: deps.now(), count, reasons: Object.fromEntries(taken) };
    const draft = { type: 'rejection-summary', src: deps.source, subject: `rejections:${deps.source}`, body } as const;
    await deps.log.append(draft).catch(() => {
      for (const [reason, times] of taken) reasons.set(reason, (reasons.get(reason) ?? 0) + times);
      schedule();
    });
  };
  const schedule = (): void => {
    if (timer !== null) return;
    timer = setTimeout(() => void flush(), SUMMARY_MS);
    timer.unref();
  };

  return {
    count(reason: string): void {
      if (reasons.size === 0) since = deps.now();
      const named = reasons.size < REASONS_MAX || reasons.has(reason) ? reason : 'other';
      reasons.set(named, (reasons.get(named) ?? 0) + 1);
      schedule();
    },
    async close(): Promise<void> {
      await flush();
      if (timer !== null) clearTimeout(timer);
    },
  };
}
