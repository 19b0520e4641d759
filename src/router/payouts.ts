import { sha256 } from '#crypto';
import { type PoolView, poolCovers, type SumProof, SumTree } from '../chain/index.ts';
import { canonicalJson, equalBytes, toHex, utf8 } from '../core/index.ts';
import type { Ledger, RootRow } from '../store/index.ts';
import type { LogPort, PoolPort } from './ports.ts';

export type PayoutLimits = Readonly<{
  /** A worker is paid when it is owed at least this; claiming costs some 0.002 TON. */
  payAbove: bigint;
}>;

/** The storage fee since the balance was seen, and more. */
const STORAGE_MARGIN = 1_000_000n;

const PUBLISHED_KEPT = 4;
/** Of one settlement; the rest is for the next ones. */
const BATCHES_MAX = 512;

/** What one round did, for whoever watches. */
export type PayoutRound = Readonly<{ posted: number | null; paid: number }>;

/**
 * Pays workers from the pool (contracts section 1.3): a root over all that was earned and collected, stored before it is
 * posted, published in the log, and claimed for the workers once it counts. Every step may be repeated: the contract
 * pays no leaf twice.
 */
export function createPayouts(
  deps: Readonly<{ ledger: Ledger; pool: PoolPort; log: LogPort; source: string }>,
  limits: PayoutLimits,
) {
  const { ledger, pool, log, source } = deps;
  /** Roots that are in the log; more than the one that counts and the one that waits. */
  let published: readonly string[] = [];

  const covers = (view: PoolView, sum: bigint) => poolCovers(view, view.balance - STORAGE_MARGIN, sum);

  /** The root that counts, or will with the next operation. */
  const current = (view: PoolView) => {
    const { root, sum, epoch, pending, at } = view;
    return pending !== null && at >= pending.at && covers(view, pending.sum) ? pending : { root, sum, epoch };
  };

  /** The whole tree goes into the log: a worker finds its own path there. */
  const publish = async (row: RootRow, contract: string): Promise<void> => {
    const id = toHex(row.root);
    if (published.includes(id)) return;
    const leaves = row.leaves.map(({ payee, cumulative }) => [toHex(payee), cumulative.toString()]);
    const { epoch, covers, sum } = row;
    const tree = utf8(canonicalJson({ contract, covers, epoch, leaves, root: id, sum: sum.toString() }));
    const receiptBatches = await ledger.settledBatches(row.root, BATCHES_MAX);
    const draft = {
      type: 'settlement',
      src: source,
      subject: `pool:${contract}`,
      body: { contract, sequence: epoch, amount: sum.toString(), receiptBatches },
      blobs: [`sha256:${toHex(sha256(tree))}` as const],
    } as const;
    await log.append(draft, { idempotencyKey: `settlement:${contract}:${epoch}:${id}`, blobs: [tree] });
    published = [id, ...published].slice(0, PUBLISHED_KEPT);
  };

  const claimAll = async (row: RootRow, first: PoolView): Promise<number> => {
    const tree = new SumTree(row.leaves);
    let view = first;
    let paid = 0;
    for (const { payee, cumulative } of row.leaves) {
      const { claimed, inRoot } = view.payees.get(toHex(payee)) ?? { claimed: 0n, inRoot: 0n };
      if (cumulative <= inRoot || cumulative - claimed < limits.payAbove) continue;
      view = await pool.claimLeaf(tree.proof(payee) as SumProof);
      paid += 1;
    }
    return paid;
  };

  const post = async (view: PoolView): Promise<number | null> => {
    const leaves = (await ledger.earned()).map(({ payee, amount }) => ({ payee, cumulative: amount }));
    if (leaves.length === 0) return null;
    const { hash: root, sum } = new SumTree(leaves).root;
    const counts = current(view);
    const waits = view.pending !== null && view.at < view.pending.at;
    if (waits || equalBytes(root, counts.root) || !covers(view, sum)) return null;
    const row = { root, sum, epoch: counts.epoch + 1, covers: view.at, leaves };
    await ledger.putRoot(row);
    await pool.post(row);
    await publish(row, view.address.toRawString());
    return row.epoch;
  };

  return {
    /** One round: claims what counts, posts what is new. @throws CodedError of the chain or the log */
    async round(): Promise<PayoutRound> {
      const view = await pool.view();
      const contract = view.address.toRawString();
      const counts = await ledger.root(current(view).root);
      const waiting = view.pending === null ? null : await ledger.root(view.pending.root);
      // What a crash kept from being published.
      for (const row of [counts, waiting]) if (row !== null) await publish(row, contract);
      const paid = counts === null ? 0 : await claimAll(counts, view);
      const posted = await post(paid === 0 ? view : await pool.view());
      return { posted, paid };
    },
  };
}
