import {
  type Bytes,
  equalBytes,
  leafHash,
  parseNonceProof,
  rootFromInclusion,
  toHex,
  type UnixMs,
} from '../core/index.ts';
import { parseLeaf, verifyLogProof } from '../log/index.ts';
import type { LoggedEntry } from '../session/index.ts';
import type { NamedCheck } from './api.ts';
import { namedChecks } from './named-checks.ts';

type Check = Readonly<{ outcome: 'passed' } | { outcome: 'failed' | 'notRun'; reason: string }>;
const check = (passed: boolean, reason: string): Check =>
  passed ? { outcome: 'passed' } : { outcome: 'failed', reason };

export type LoggedFact = Readonly<{
  checks: readonly NamedCheck[];
  index: number;
  size: number;
  origin: string;
  /** What the entry itself says of its time. */
  at: UnixMs | null;
}>;

const HEADS_MAX = 4_096;

/** Heads that this client has seen, by size: one log shows one tree. The oldest are forgotten. */
export class SeenHeads {
  readonly #roots = new Map<number, Bytes>();

  /** False where another root was shown for this size. */
  agrees(size: number, root: Bytes): boolean {
    const seen = this.#roots.get(size);
    if (seen !== undefined) return equalBytes(seen, root);
    this.#roots.set(size, root);
    if (this.#roots.size > HEADS_MAX) this.#roots.delete(this.#roots.keys().next().value as number);
    return true;
  }
}

type Proven = Readonly<{ checks: Record<string, Check>; index: number; size: number; origin: string }>;

async function prove(entry: LoggedEntry, logKey: string, heads: SeenHeads): Promise<Proven> {
  const verdict = await verifyLogProof(entry.leaf, entry.proof, logKey);
  const found = verdict.verdict === 'verified' ? verdict : null;
  const same = found !== null && heads.agrees(found.checkpoint.size, found.checkpoint.root);
  return {
    checks: {
      ...verdict.checks,
      headNotForked: check(same, 'the log showed another tree of this size before, or its head does not verify'),
    },
    index: found?.index ?? -1,
    size: found?.checkpoint.size ?? 0,
    origin: found?.checkpoint.origin ?? '',
  };
}

/**
 * Is there an entry in the log that admitted this very worker under this very evidence?
 * @param logKey the log's verifier key, pinned by the caller
 * @param evidenceDigest ED, or null where evidence newer than the admission is looked at (mode 2)
 */
export async function checkAdmissionEntry(
  entry: LoggedEntry,
  logKey: string,
  heads: SeenHeads,
  worker: Readonly<{ workerId: Bytes; evidenceDigest: Bytes | null }>,
): Promise<LoggedFact> {
  const { checks, ...where } = await prove(entry, logKey, heads);
  const parsed = parseLeaf(entry.leaf);
  const leaf = parsed.known && parsed.leaf.type === 'worker-admitted' ? parsed.leaf : null;
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
  return { ...where, checks: namedChecks(checks), at: leaf?.at ?? null };
}

/** Is this receipt in a batch that the log holds? @param place u32 index ‖ u32 size ‖ path */
export async function checkReceiptEntry(
  batch: LoggedEntry,
  place: Bytes,
  logKey: string,
  heads: SeenHeads,
  receiptDigest: Bytes,
): Promise<LoggedFact> {
  const { checks, ...where } = await prove(batch, logKey, heads);
  const parsed = parseLeaf(batch.leaf);
  const leaf = parsed.known && parsed.leaf.type === 'receipt-batch' ? parsed.leaf : null;
  const body = leaf === null ? null : (leaf.body as Readonly<{ count: number; root: string }>);
  checks.batchEntry = check(body !== null, 'the entry is no batch of receipts');
  const { index, size, path } = parseNonceProof(place);
  const root = rootFromInclusion(index, size, leafHash(receiptDigest), path);
  const held = root !== null && body !== null && size === body.count && body.root === `sha256:${toHex(root)}`;
  checks.receiptInBatch = check(held, 'the receipt is not in the batch that the entry names');
  return { ...where, checks: namedChecks(checks), at: leaf?.at ?? null };
}
