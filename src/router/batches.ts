import { sha256 } from '#crypto';
import {
  type Bytes,
  CodedError,
  concat,
  encodeNonceProof,
  inclusionPath,
  leafHash,
  merkleRoot,
  toHex,
} from '../core/index.ts';
import type { LoggedEntry } from '../session/index.ts';
import type { Ledger } from '../store/index.ts';
import type { LogPort } from './ports.ts';

const BATCH_RECEIPTS_MAX = 1024;
const BATCH_DELAY_MS = 250;
const RETRY_DELAY_MS = 2_000;

/**
 * Enters receipts into the log in batches: the leaf holds count and root, so it says nothing of any one request. A batch
 * is formed durably before it is logged, and logged under a key of its own, so a crash neither loses nor doubles one.
 */
export function createBatches(deps: Readonly<{ ledger: Ledger; log: LogPort; source: string }>) {
  const { ledger, log, source } = deps;
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> | null = null;
  let closed = false;

  const rootOf = (digests: readonly Bytes[]) => merkleRoot(digests.map(leafHash));
  const flush = async (): Promise<void> => {
    for (;;) {
      const batches = await ledger.unloggedBatches();
      if (batches.length === 0) {
        if ((await ledger.newBatch(BATCH_RECEIPTS_MAX, rootOf)) === null) return;
        continue;
      }
      for (const batch of batches) {
        const root = `sha256:${toHex(batch.root)}` as const;
        // Receipts are full of random commitments: their digests tell nobody anything who has not got them.
        const digests = concat(...batch.leaves);
        const draft = {
          type: 'receipt-batch',
          src: source,
          subject: `receipts:${source}`,
          body: { count: batch.leaves.length, root },
          blobs: [`sha256:${toHex(sha256(digests))}` as const],
        } as const;
        const { index } = await log.append(draft, {
          // Whichever replica logs it: receipts are random, so that no other batch has this root.
          idempotencyKey: `receipt-batch:${toHex(batch.root)}`,
          blobs: [digests],
        });
        await ledger.markLogged(batch.id, index);
      }
    }
  };

  const schedule = (delay: number): void => {
    if (timer !== null || running !== null || closed) return;
    timer = setTimeout(() => {
      timer = null;
      running = flush()
        .catch(() => schedule(RETRY_DELAY_MS))
        .finally(() => {
          running = null;
        });
    }, delay);
    timer.unref();
  };

  return {
    /** A receipt was stored. */
    notify: () => schedule(BATCH_DELAY_MS),
    /** @throws CodedError NOT_FOUND for a receipt that is not known or not logged yet */
    async proof(receiptDigest: Bytes): Promise<Readonly<{ batch: LoggedEntry; place: Bytes }>> {
      const batch = await ledger.batchOf(receiptDigest);
      if (batch === null || batch.logIndex === null) {
        if ((await ledger.receipt(receiptDigest)) !== null) schedule(0);
        throw new CodedError('NOT_FOUND', 'the receipt is not in the log yet');
      }
      const place = batch.leaves.findIndex((leaf) => toHex(leaf) === toHex(receiptDigest));
      const path = inclusionPath(batch.leaves.map(leafHash), place);
      return {
        batch: { leaf: await log.entry(batch.logIndex), proof: await log.proof(batch.logIndex) },
        place: encodeNonceProof({ index: place, size: batch.leaves.length, path }),
      };
    },
    async close(): Promise<void> {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      await running?.catch(() => undefined);
    },
  };
}
