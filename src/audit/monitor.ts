import {
  asCodedError,
  type Bytes,
  type Clock,
  CodedError,
  equalBytes,
  fromUtf8,
  KIND_OF_CODE,
  leafHash,
  toHex,
} from '../core/index.ts';
import {
  type Checkpoint,
  CompactRange,
  consistencyFromTiles,
  type Equivocation,
  keysOfPolicy,
  parseEquivocation,
  parseLeaf,
  policyHolds,
  rootFromTiles,
  verifyCheckpoint,
  verifyConsistency,
  verifyEquivocation,
} from '../log/index.ts';
import type { Seen } from './checkpoints.ts';
import { newTallies } from './checks.ts';
import { EntriesWalk } from './entries.ts';
import { keptCheckpoints, witnessTime } from './export.ts';
import { type Finding, finding } from './findings.ts';
import { type History, isAppraisal } from './history.ts';
import { blobsOf, type Reappraise } from './reappraise.ts';
import { entriesOf, type LogSource, mustTile } from './source.ts';
import { failsToday } from './today.ts';
import type { AuditTrust } from './verify.ts';
import { openView, provenEntry } from './view.ts';

/** Heads are renewed each minute; three times that without one is silence. */
export const FROZEN_MS = 3 * 60_000;
const ANCHOR_LAG_MS = 2 * 3_600_000;

/** Somebody else who has seen the log: a witness, a mirror, a client that gave its heads away. */
export type OtherView = Readonly<{
  name: string;
  /** Checkpoints they hold, signed by the log; not verified. */
  heads(): Promise<readonly Bytes[]>;
  /** Evidence against the log that they hold, as text; not verified. */
  evidence(): Promise<string | null>;
}>;

export type MonitorDeps = Readonly<{
  source: LogSource;
  trust: AuditTrust;
  reappraise: Reappraise;
  others: readonly OtherView[];
  clock: Clock;
  /** The head that was seen last, kept over restarts. */
  seen: Readonly<{ load(): Promise<Bytes | null>; store(note: Bytes): Promise<void> }>;
  /** Told of each proof that the log lied, for whoever wants to show it to others. */
  equivocation: (evidence: Equivocation) => Promise<void>;
  /** What the chain says was anchored last; absent where nobody looks. @property at milliseconds */
  anchored?: () => Promise<Readonly<{ size: number; root: Bytes; at: number }> | null>;
  /** Today's collateral for evidence; absent where there is none. */
  collateralToday?: (evidence: Bytes) => Promise<Bytes>;
}>;

type Head = Readonly<{ checkpoint: Checkpoint; note: Bytes; witnessedAt: number }>;

/** Reads entries up to a head, hashes them to its root, and looks at each. */
class Follower {
  readonly walk: EntriesWalk;
  readonly #range = new CompactRange();
  readonly #seen: Seen[] = [];
  readonly #manifest = { from: 0, to: 0, absent: [] };
  readonly #deps: MonitorDeps;
  #taken = 0;
  /** What comes after entries that lead to no signed root can't be tied to anything. */
  lost = false;

  constructor(deps: MonitorDeps) {
    this.#deps = deps;
    const { source, trust, reappraise } = deps;
    const input = { source, manifest: this.#manifest, seen: this.#seen, trust, deps: { reappraise } };
    this.walk = new EntriesWalk(input, newTallies());
  }

  get size(): number {
    return this.#range.size;
  }

  async follow(head: Head): Promise<Finding[]> {
    const { source, trust } = this.#deps;
    const { checkpoint } = head;
    for (const kept of await keptCheckpoints(source, trust.policy, this.size, checkpoint.size)) this.#seen.push(kept);
    if (this.#seen.at(-1)?.checkpoint.size !== checkpoint.size) this.#seen.push(head);
    this.#manifest.to = checkpoint.size;
    for await (const entries of entriesOf(source, this.size, checkpoint.size, checkpoint.size)) {
      for (const { index, entry } of entries) {
        this.#range.append(leafHash(entry));
        await this.walk.entry(index, entry);
      }
    }
    await this.walk.settled();
    const found = this.walk.findings.slice(this.#taken);
    this.#taken = this.walk.findings.length;
    if (equalBytes(this.#range.root(), checkpoint.root)) return found;
    this.lost = true;
    return [
      ...found,
      finding('M1', 'critical', `the entries do not lead to the signed root of size ${checkpoint.size}`),
    ];
  }
}

/**
 * Follows a log and looks at every entry, from the first: what a monitor says does not rest on what it was told. Each
 * finding is given once. @throws CodedError of kind unavailable from `poll` where the log could not be asked
 */
export function createMonitor(deps: MonitorDeps): Readonly<{ poll(): Promise<readonly Finding[]>; size(): number }> {
  const { source, trust, clock } = deps;
  const follower = new Follower(deps);
  const told = new Set<string>();
  let last: Head | null = null;

  const fresh = (found: readonly Finding[]): readonly Finding[] =>
    found.filter((one) => {
      const key = `${one.rule} ${one.index} ${one.subject} ${one.message}`;
      const isNew = !told.has(key);
      told.add(key);
      return isNew;
    });

  const look = async (head: Head): Promise<Finding[]> => {
    const found: Finding[] = [];
    const before = last ?? (await keptHead(deps));
    if (before !== null) found.push(...(await compare(deps, before, head)));
    const older = head.checkpoint.size < Math.max(follower.size, before?.checkpoint.size ?? 0);
    if (!older && !follower.lost) found.push(...(await follower.follow(head)));
    found.push(...frozen(head, clock()), ...(await others(deps, head)), ...(await anchors(deps, head)));
    if (!older) {
      last = head;
      await deps.seen.store(head.note);
    }
    if (!follower.lost) found.push(...(await today(deps, follower.walk.history)));
    return found;
  };

  return {
    size: () => follower.size,
    async poll() {
      const found: Finding[] = [];
      const head = await readHead(source, trust, found);
      try {
        if (head !== null) found.push(...(await look(head)));
      } catch (thrown) {
        const error = asCodedError(thrown);
        if (KIND_OF_CODE[error.code] !== 'rejected') throw error;
        found.push(finding('M2', 'critical', `the log does not give what its head promises: ${error.message}`));
      }
      return fresh(found);
    },
  };
}

async function readHead(source: LogSource, { policy }: AuditTrust, found: Finding[]): Promise<Head | null> {
  const note = await source.checkpoint();
  try {
    const verified = await verifyCheckpoint(note, keysOfPolicy(policy));
    if (!policyHolds(policy, verified)) throw new CodedError('LOG_NOT_WITNESSED', 'the quorum has not cosigned it');
    return { checkpoint: verified.checkpoint, note, witnessedAt: witnessTime(verified, policy) };
  } catch (thrown) {
    found.push(finding('M2', 'critical', `the published head is refused: ${asCodedError(thrown).message}`));
    return null;
  }
}

async function keptHead({ seen, trust }: MonitorDeps): Promise<Head | null> {
  const note = await seen.load();
  if (note === null) return null;
  const { checkpoint } = await verifyCheckpoint(note, keysOfPolicy(trust.policy));
  return { checkpoint, note, witnessedAt: 0 };
}

/** M1 and M2: does the newer head extend the older one? */
async function compare(deps: MonitorDeps, older: Head, newer: Head): Promise<Finding[]> {
  const [a, b] = [older.checkpoint, newer.checkpoint];
  if (b.size < a.size) {
    return [finding('M2', 'critical', `the published head went back from size ${a.size} to ${b.size}`)];
  }
  return fork(deps, 'what this monitor saw before', older.note, newer);
}

/** M1: proof that the log signed a head that its present one contradicts. */
async function fork(deps: MonitorDeps, who: string, note: Bytes, head: Head): Promise<Finding[]> {
  const { checkpoint: held } = await verifyCheckpoint(note, keysOfPolicy(deps.trust.policy), head.checkpoint.origin);
  const evidence = await contradiction(deps.source, held, note, head);
  if (evidence === null) return [];
  await deps.equivocation(evidence);
  const words = `the head of size ${held.size} that ${who} contradicts the published one of size ${head.checkpoint.size}`;
  return [finding('M1', 'critical', words)];
}

async function contradiction(
  source: LogSource,
  held: Checkpoint,
  note: Bytes,
  { checkpoint, note: newest }: Head,
): Promise<Equivocation | null> {
  if (held.size === 0 || held.size > checkpoint.size) return null; // nothing to compare yet
  if (held.size === checkpoint.size) {
    return equalBytes(held.root, checkpoint.root) ? null : { smaller: note, larger: newest, prefix: null };
  }
  const tile = (id: Parameters<LogSource['tile']>[0]) => mustTile(source, id);
  const root = await rootFromTiles(held.size, tile, checkpoint.size);
  if (equalBytes(root, held.root)) return null;
  const proof = await consistencyFromTiles(held.size, checkpoint.size, tile);
  // Tiles that don't lead to the signed root prove nothing; following the entries finds those.
  if (!verifyConsistency(held.size, checkpoint.size, root, checkpoint.root, proof)) return null;
  return { smaller: note, larger: newest, prefix: { root, proof } };
}

function frozen({ witnessedAt }: Head, now: number): Finding[] {
  if (witnessedAt === 0 || now - witnessedAt * 1000 <= FROZEN_MS) return [];
  return [finding('M2', 'error', `the head was not renewed since ${new Date(witnessedAt * 1000).toISOString()}`)];
}

/** M1, with what others saw. Who doesn't answer is no finding: the log did nothing. */
async function others(deps: MonitorDeps, head: Head): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const other of deps.others) {
    try {
      for (const note of await other.heads()) found.push(...(await fork(deps, `${other.name} holds`, note, head)));
      const text = await other.evidence();
      if (text === null) continue;
      const evidence = parseEquivocation(text);
      const { smaller } = await verifyEquivocation(evidence, keysOfPolicy(deps.trust.policy));
      await deps.equivocation(evidence);
      found.push(finding('M1', 'critical', `${other.name} holds proof of two histories at size ${smaller.size}`));
    } catch (thrown) {
      const error = asCodedError(thrown);
      if (error.code === 'INVARIANT_BROKEN') throw error;
    }
  }
  return found;
}

/** M3. */
async function anchors({ anchored, source, clock }: MonitorDeps, { checkpoint }: Head): Promise<Finding[]> {
  const anchor = (await anchored?.()) ?? null;
  if (anchor === null) return [];
  const found: Finding[] = [];
  if (anchor.size > checkpoint.size) {
    found.push(finding('M3', 'critical', `the chain holds size ${anchor.size}, the log shows ${checkpoint.size}`));
  } else {
    const root = await rootFromTiles(anchor.size, (tile) => mustTile(source, tile), checkpoint.size);
    if (!equalBytes(root, anchor.root)) {
      found.push(
        finding('M3', 'critical', `the chain holds another tree of size ${anchor.size}: ${toHex(anchor.root)}`),
      );
    }
  }
  if (checkpoint.size > anchor.size && clock() - anchor.at > ANCHOR_LAG_MS) {
    found.push(finding('M3', 'warning', `nothing was anchored since ${new Date(anchor.at).toISOString()}`));
  }
  return found;
}

/** M12: would those who are in be let in today? */
async function today(deps: MonitorDeps, history: History): Promise<Finding[]> {
  const { collateralToday, source, trust, clock } = deps;
  const workers = history.workersAt(clock());
  if (collateralToday === undefined || workers.length === 0) return [];
  const view = await openView(source, trust.policy);
  const found: Finding[] = [];
  for (const { index, worker, policyDigest } of workers) {
    const about = { index, subject: `worker:${worker.slice('sha256:'.length)}` };
    try {
      const parsed = parseLeaf((await provenEntry(view, index)).entry);
      const digests = isAppraisal(parsed) ? blobsOf(parsed.leaf) : null;
      if (digests === null) continue;
      const [evidence, inputs] = [await source.blob(digests.evidence), await source.blob(digests.inputs)];
      const blob = history.policies.get(policyDigest)?.blob ?? null;
      const policy = blob === null ? null : await source.blob(blob);
      if (evidence === null || inputs === null || policy === null) continue; // M9 says so
      const collateral = await collateralToday(evidence);
      const material = { evidence, inputs, collateral, policyText: fromUtf8(policy, 'policy') };
      const failed = await failsToday(material, collateral, trust.anchors, clock());
      if (failed.length > 0) found.push(finding('M12', 'error', `fails today: ${failed.join(', ')}`, about));
    } catch (thrown) {
      const error = asCodedError(thrown);
      if (error.code === 'INVARIANT_BROKEN') throw error;
      found.push(finding('M12', 'warning', `could not be judged by today’s collateral: ${error.message}`, about));
    }
  }
  return found;
}
