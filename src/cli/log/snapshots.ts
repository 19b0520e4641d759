import { LogState } from '../../audit/index.ts';
import { asCodedError } from '../../core/index.ts';
import { type Leaf, parseLeaf } from '../../log/index.ts';
import type { Log, LogEntry } from '../../log/writer/index.ts';

export type SnapshotRules = Readonly<{ everyEntries: number; everyMs: number }>;
/** Audit-log-design section 2, `state-snapshot`. */
export const SNAPSHOTS: SnapshotRules = { everyEntries: 65_536, everyMs: 24 * 3_600_000 };

const SUBJECT = 'state';
/** Entries read at once: appends go on in between. */
const PAGE = 256;

type Last = Readonly<{ state: LogState; at: number }>;

/** The last snapshot of a log; where there is none, or it cannot be read any more, the entries are read from the first. */
async function lastSnapshot(log: Log): Promise<Last> {
  const index = await log.lastAbout(SUBJECT);
  if (index === null) return { state: new LogState(), at: 0 };
  const [last] = await log.entries(index, index + 1);
  const { at, body, blobs } = parseLeaf((last as LogEntry).entry).leaf as Leaf<'state-snapshot'>;
  try {
    const archived = blobs[0] === undefined ? null : await log.blobs.get(blobs[0]);
    return { state: archived === null ? new LogState() : LogState.parse(body.size, archived), at };
  } catch (thrown) {
    if (asCodedError(thrown).code === 'INVARIANT_BROKEN') throw thrown;
    return { state: new LogState(), at };
  }
}

/**
 * Writes what is in force as an entry, each so many entries or hours: whoever starts later need not read from the
 * first. @returns a function to call now and then; it answers whether a snapshot was due
 */
export async function createSnapshots(
  log: Log,
  clock: () => number,
  { everyEntries, everyMs }: SnapshotRules,
): Promise<() => Promise<boolean>> {
  const last = await lastSnapshot(log);
  const { state } = last;
  let [size, at] = [state.size, last.at];
  return async () => {
    const now = clock();
    const grown = log.head().size - size;
    if (grown < everyEntries && (grown <= 1 || now - at < everyMs)) return false;
    const to = log.head().size;
    while (state.size < to) {
      for (const { index, entry } of await log.entries(state.size, Math.min(to, state.size + PAGE))) {
        state.apply(index, parseLeaf(entry));
      }
    }
    const archived = state.encode();
    const body = { size: to, root: state.root() };
    const blobs = [await log.blobs.put(archived)];
    const appended = await log.append({ type: 'state-snapshot', src: 'log', subject: SUBJECT, body, blobs });
    [size, at] = [appended.index + 1, now];
    return true;
  };
}

const LOOK_MS = 10_000;

/** Looks every ten seconds whether one is due. */
export async function startSnapshots(log: Log, rules: SnapshotRules): Promise<() => void> {
  const take = await createSnapshots(log, Date.now, rules);
  let running = false;
  const timer = setInterval(() => {
    if (running) return;
    running = true;
    take()
      .catch((thrown: unknown) => {
        const { code, message } = asCodedError(thrown);
        if (code !== 'LOG_CLOSED') console.error(`snapshot: ${message}`);
      })
      .finally(() => {
        running = false;
      });
  }, LOOK_MS);
  return () => clearInterval(timer);
}
