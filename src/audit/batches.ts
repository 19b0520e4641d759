import { asCodedError, type Bytes, leafHash, merkleRoot, toHex } from '../core/index.ts';
import { type Leaf, parseSessionRecords, sessionRoot } from '../log/index.ts';
import type { Tally } from './checks.ts';
import type { History } from './history.ts';
import { SKEW_MS } from './skew.ts';
import type { LogSource } from './source.ts';

const RECEIPT_DIGEST_BYTES = 32;
const PROBLEMS_MAX = 10;

/** V13: a batch has the contents that its entry says. @returns what is wrong with it */
export async function batchProblems(
  source: LogSource,
  history: History,
  index: number,
  leaf: Leaf<'receipt-batch'> | Leaf<'session-batch'>,
  tally: Tally,
): Promise<readonly string[]> {
  const bytes = leaf.blobs[0] === undefined ? null : await source.blob(leaf.blobs[0]);
  if (bytes === null) {
    tally.skip(`entry ${index}: the contents of this ${leaf.type} are not archived`);
    return [];
  }
  tally.look();
  const problems = isSessions(leaf) ? sessionProblems(bytes, leaf, history) : receiptProblems(bytes, leaf);
  for (const problem of problems) tally.fail(`entry ${index}: ${problem}`);
  return problems;
}

function isSessions(leaf: Leaf<'receipt-batch'> | Leaf<'session-batch'>): leaf is Leaf<'session-batch'> {
  return leaf.type === 'session-batch';
}

/** Digests of receipts, 32 bytes each. */
function receiptProblems(bytes: Bytes, { body }: Leaf<'receipt-batch'>): readonly string[] {
  const count = bytes.length / RECEIPT_DIGEST_BYTES;
  const leaves = Array.from({ length: Math.floor(count) }, (_, i) =>
    leafHash(bytes.subarray(RECEIPT_DIGEST_BYTES * i, RECEIPT_DIGEST_BYTES * (i + 1))),
  );
  const holds = count === body.count && body.root === `sha256:${toHex(merkleRoot(leaves))}`;
  return holds ? [] : ['the batch does not have the root or count it says'];
}

/** Records of sessions: within the interval, with workers that were in, under the policy number they served with. */
function sessionProblems(bytes: Bytes, { body }: Leaf<'session-batch'>, history: History): readonly string[] {
  try {
    const records = parseSessionRecords(bytes);
    if (records.length !== body.count || sessionRoot(records) !== body.root) {
      return ['the batch does not have the root or count it says'];
    }
    const problems = records.flatMap(({ worker, openedAt, closedAt }, i) => {
      const inside = body.from <= openedAt && openedAt <= closedAt && closedAt <= body.to;
      if (!inside) return [`record ${i} is not within the interval of its batch`];
      const wasIn = history.servedBetween(worker, openedAt - SKEW_MS, closedAt + SKEW_MS);
      return wasIn ? [] : [`record ${i} is of a worker that was not in`];
    });
    return problems.slice(0, PROBLEMS_MAX);
  } catch (thrown) {
    const error = asCodedError(thrown);
    if (error.code === 'INVARIANT_BROKEN') throw error;
    return [error.message];
  }
}
