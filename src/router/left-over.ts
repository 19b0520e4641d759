import { asCodedError, type Bytes, fromHex, type UnixMs, utf8 } from '../core/index.ts';
import { type Leaf, type LeafType, parseCheckpoint, parseLeaf, parseNote } from '../log/index.ts';
import type { LogPort } from './ports.ts';

/** Of the clocks of log and router. */
const SKEW_MS = 5 * 60_000;
/** A log that grew by more than that within a lease leaves older ones to end by themselves. */
const ENTRIES_MAX = 8_192;
const PAGE = 32;
const SAYS_WHO_IS_IN: ReadonlySet<string> = new Set<LeafType>(['worker-admitted', 're-attested', 'evicted']);

export type LeftOver = Readonly<{ workerId: Bytes; admittedAt: number }>;

/**
 * Workers that a router's own entries say are in, oldest first: what an earlier run of it admitted, and did not live to
 * say that they are gone. Ask before anybody is admitted. Reads the log backwards, as far as a lease may reach.
 * @throws CodedError where the log is away
 */
export async function leftOver(
  { log, source, now }: Readonly<{ log: LogPort; source: string; now: UnixMs }>,
  leaseMsMax: number,
): Promise<readonly LeftOver[]> {
  const { size } = parseCheckpoint(parseNote(utf8(await log.checkpoint())).text);
  const least = Math.max(0, size - ENTRIES_MAX);
  const known = new Set<string>();
  const found: LeftOver[] = [];
  for (let end = size; end > least; end -= PAGE) {
    const first = Math.max(least, end - PAGE);
    const entries = await Promise.all(Array.from({ length: end - first }, (_, i) => log.entry(first + i)));
    for (const [i, entry] of [...entries.entries()].reverse()) {
      const leaf = leafOf(entry);
      if (leaf === null) continue;
      if (leaf.at < now - leaseMsMax - SKEW_MS) return found.reverse();
      if (leaf.src !== source || !SAYS_WHO_IS_IN.has(leaf.type)) continue;
      const { workerKey } = (leaf as Leaf<'worker-admitted' | 're-attested' | 'evicted'>).body;
      if (!known.has(workerKey) && leaf.type !== 'evicted') {
        found.push({ workerId: fromHex(workerKey.slice('sha256:'.length), 'worker'), admittedAt: first + i });
      }
      known.add(workerKey);
    }
  }
  return found.reverse();
}

/** Null for what is no leaf that this version knows: an auditor's matter. */
export function leafOf(entry: Bytes): Leaf | null {
  try {
    const parsed = parseLeaf(entry);
    return parsed.known ? parsed.leaf : null;
  } catch (thrown) {
    const error = asCodedError(thrown);
    if (error.code === 'INVARIANT_BROKEN') throw error;
    return null;
  }
}
