import type { UnixMs } from '../core/index.ts';
import type { LeafDraft, LeafType } from '../log/index.ts';
import type { LogPort } from './ports.ts';

/** What was counted from one instant to another, by word. */
export type Counted = Readonly<{ from: UnixMs; to: UnixMs; count: number; words: Readonly<Record<string, number>> }>;

/** Words are ours and few; whatever else there is counts as one. */
const WORDS_MAX = 32;

/**
 * Counts what has no entry of its own, and logs it together some time after the first: so nobody fills the log, and
 * nothing goes unmentioned.
 */
export function createCountedEntries<Type extends LeafType>(
  { log, now }: Readonly<{ log: LogPort; now: () => UnixMs }>,
  everyMs: number,
  draft: (counted: Counted) => LeafDraft<Type>,
): Readonly<{ count(word: string): void; close(): Promise<void> }> {
  let words = new Map<string, number>();
  let since = 0;
  let timer: NodeJS.Timeout | null = null;

  const flush = async (): Promise<void> => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (words.size === 0) return;
    const taken = words;
    words = new Map();
    const count = [...taken.values()].reduce((sum, one) => sum + one, 0);
    const counted = { from: since, to: now(), count, words: Object.fromEntries(taken) };
    await log.append(draft(counted)).catch(() => {
      for (const [word, times] of taken) words.set(word, (words.get(word) ?? 0) + times);
      since = counted.from;
      schedule();
    });
  };
  const schedule = (): void => {
    if (timer !== null) return;
    timer = setTimeout(() => void flush(), everyMs);
    timer.unref();
  };

  return {
    count(word) {
      if (words.size === 0) since = now();
      const named = words.size < WORDS_MAX || words.has(word) ? word : 'other';
      words.set(named, (words.get(named) ?? 0) + 1);
      schedule();
    },
    async close() {
      await flush();
      if (timer !== null) clearTimeout(timer);
    },
  };
}
