import {
  asCodedError,
  type Bytes,
  equalBytes,
  leafHash,
  parseNonceProof,
  rootFromInclusion,
  toHex,
  type UnixMs,
} from '../core/index.ts';
import {
  keysOfPolicy,
  type LeafType,
  type LogPolicy,
  parseLeaf,
  parseLogProof,
  policyHolds,
  verifyCheckpoint,
  verifyLogProof,
} from '../log/index.ts';
import type { LoggedEntry } from '../session/index.ts';
import type { NamedCheck } from './api.ts';
import { failedNames, namedChecks } from './named-checks.ts';

type Check = Readonly<{ outcome: 'passed' } | { outcome: 'failed' | 'notRun'; reason: string }>;
const check = (passed: boolean, reason: string): Check =>
  passed ? { outcome: 'passed' } : { outcome: 'failed', reason };

export type LoggedFact = Readonly<{
  checks: readonly NamedCheck[];
  /** Names of the checks without which nothing may be relied on: those that did not pass. */
  failed: readonly string[];
  index: number;
  size: number;
  origin: string;
  /** What the entry itself says of its time. */
  at: UnixMs | null;
}>;

const HEADS_MAX = 4_096;

/** A head that a log showed this client, under the log's signature. @property note the signed checkpoint */
export type SeenHead = Readonly<{ size: number; root: Bytes; note: Bytes }>;

/** Heads that this client has seen, by size: one log shows one tree. The oldest are forgotten. */
export class SeenHeads {
  readonly #roots = new Map<number, Bytes>();
  readonly #tell: (head: SeenHead) => void;

  /** @param tell hears of each head, also of one that contradicts another: for those who compare what clients saw */
  constructor(tell: (head: SeenHead) => void = () => undefined) {
    this.#tell = tell;
  }

  /** False where another root was shown for this size. @param note the signed checkpoint, for those who compare */
  agrees(size: number, root: Bytes, note: Bytes | null = null): boolean {
    const seen = this.#roots.get(size);
    if (note !== null && (seen === undefined || !equalBytes(seen, root))) this.#tell({ size, root, note });
    if (seen !== undefined) return equalBytes(seen, root);
    this.#roots.set(size, root);
    if (this.#roots.size > HEADS_MAX) this.#roots.delete(this.#roots.keys().next().value as number);
    return true;
  }
}

type Proven = Readonly<{ checks: Record<string, Check>; index: number; size: number; origin: string }>;

async function prove(entry: LoggedEntry, policy: LogPolicy, heads: SeenHeads): Promise<Proven> {
  const keys = policy.logs.map(({ key }) => key);
  const verdict = await verifyLogProof(entry.leaf, entry.proof, keys);
  const found = verdict.verdict === 'verified' ? verdict : null;
  const same =
    found !== null && heads.agrees(found.checkpoint.size, found.checkpoint.root, parseLogProof(entry.proof).checkpoint);
  return {
    checks: {
      ...verdict.checks,
      witnessed: await witnessedCheck(entry, policy, found?.checkpoint.origin),
      headNotForked: check(same, 'the log showed another tree of this size before, or its head does not verify'),
    },
    index: found?.index ?? -1,
    size: found?.checkpoint.size ?? 0,
    origin: found?.checkpoint.origin ?? '',
  };
}

/** Did the quorum of the caller's tlog-policy cosign the very checkpoint that the proof leads to? */
async function witnessedCheck(entry: LoggedEntry, policy: LogPolicy, origin: string | undefined): Promise<Check> {
  if (policy.quorum === null) return { outcome: 'notRun', reason: NO_WITNESS };
  if (origin === undefined) return { outcome: 'notRun', reason: 'the proof does not hold' };
  try {
    const { checkpoint } = parseLogProof(entry.proof);
    const verified = await verifyCheckpoint(checkpoint, keysOfPolicy(policy), origin);
    return check(policyHolds(policy, verified), 'the quorum of witnesses has not cosigned this head of the log');
  } catch (error) {
    return { outcome: 'failed', reason: asCodedError(error).message };
  }
}

const NO_WITNESS = 'the log policy asks for no witness: this log could show everybody another history';

/** A log without witnesses was allowed by the one who pinned it; it is shown, and does not stop the request. */
function conclude(policy: LogPolicy, checks: Record<string, Check>): Pick<LoggedFact, 'checks' | 'failed'> {
  const named = namedChecks(checks);
  const failed = failedNames(named).filter((name) => name !== 'witnessed' || policy.quorum !== null);
  return { checks: named, failed };
}

/** Entries that say that a worker is in under some evidence. */
const SAYS_IN: ReadonlySet<string> = new Set<LeafType>(['worker-admitted', 're-attested']);

/**
 * Is there an entry in the log that admitted this very worker under this very evidence?
 * @param policy the log's keys and the witnesses that must have cosigned, pinned by the caller (C2SP tlog-policy)
 * @param evidenceDigest ED, or null where evidence newer than the admission is looked at (mode 2)
 * @param now its lease must not be over
 * @returns `attestedAt`: the evidence is no younger, by what the entry says
 */
export async function checkAdmissionEntry(
  entry: LoggedEntry,
  policy: LogPolicy,
  heads: SeenHeads,
  worker: Readonly<{ workerId: Bytes; evidenceDigest: Bytes | null }>,
  now: UnixMs,
): Promise<LoggedFact & Readonly<{ leaseUntil: UnixMs | null; attestedAt: UnixMs | null }>> {
  const { checks, ...where } = await prove(entry, policy, heads);
  const parsed = parseLeaf(entry.leaf);
  const leaf = parsed.known && SAYS_IN.has(parsed.leaf.type) ? parsed.leaf : null;
  const body = leaf === null ? null : (leaf.body as Readonly<Record<string, unknown>>);
  checks.admissionEntry = check(body !== null, 'the entry does not admit a worker');
  checks.admissionNamesWorker = check(
    body?.workerKey === `sha256:${toHex(worker.workerId)}`,
    'the entry admits another worker',
  );
  if (worker.evidenceDigest !== null) {
    const named = `sha256:${toHex(worker.evidenceDigest)}`;
    checks.admissionNamesEvidence = check(body?.evidence === named, 'the entry was made for other evidence');
  }
  const leaseUntil = typeof body?.leaseUntil === 'number' ? body.leaseUntil : null;
  checks.admissionLease = check(leaseUntil !== null && now < leaseUntil, 'the lease that the entry gives is over');
  const at = leaf?.at ?? null;
  // An entry about evidence of before does not make it younger.
  const attestedAt = at !== null && typeof body?.attestedAt === 'number' ? Math.min(at, body.attestedAt) : at;
  return { ...where, ...conclude(policy, checks), at, leaseUntil, attestedAt };
}

/** Is this receipt in a batch that the log holds? @param place u32 index ‖ u32 size ‖ path */
export async function checkReceiptEntry(
  batch: LoggedEntry,
  place: Bytes,
  policy: LogPolicy,
  heads: SeenHeads,
  receiptDigest: Bytes,
): Promise<LoggedFact> {
  const { checks, ...where } = await prove(batch, policy, heads);
  const parsed = parseLeaf(batch.leaf);
  const leaf = parsed.known && parsed.leaf.type === 'receipt-batch' ? parsed.leaf : null;
  const body = leaf === null ? null : (leaf.body as Readonly<{ count: number; root: string }>);
  checks.batchEntry = check(body !== null, 'the entry is no batch of receipts');
  const { index, size, path } = parseNonceProof(place);
  const root = rootFromInclusion(index, size, leafHash(receiptDigest), path);
  const held = root !== null && body !== null && size === body.count && body.root === `sha256:${toHex(root)}`;
  checks.receiptInBatch = check(held, 'the receipt is not in the batch that the entry names');
  return { ...where, ...conclude(policy, checks), at: leaf?.at ?? null };
}
