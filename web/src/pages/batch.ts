import { asCodedError } from '../../../src/core/index.ts';
import { type Leaf, parseSessionRecords, sessionRoot } from '../../../src/log/index.ts';
import { badge, fill, h, hash, table, time } from '../dom.ts';
import type { Model } from '../model.ts';

const ROWS_MAX = 500;

/** The records of a batch of sessions, as its root has them: who was served is a commitment that an opening may show. */
export async function sessionBatch({ source }: Model, leaf: Leaf<'session-batch'>, into: HTMLElement): Promise<void> {
  into.classList.add('card');
  const title = h('h2', {}, 'The sessions of this batch');
  const bytes = leaf.blobs[0] === undefined ? null : await source.blob(leaf.blobs[0]);
  if (bytes === null) return fill(into, title, badge('warn', 'the records are not archived'));
  try {
    const records = parseSessionRecords(bytes);
    const holds = sessionRoot(records) === leaf.body.root;
    fill(
      into,
      title,
      h('p', {}, holds ? badge('good', 'the records lead to the root in the entry') : badge('bad', 'another root')),
      table(
        records.length > ROWS_MAX ? `The first ${ROWS_MAX} of ${records.length} records` : `Records: ${records.length}`,
        ['opened', 'closed', 'worker', 'requests', 'sealed bytes, at most', 'policy', 'whose (a commitment)'],
        records
          .slice(0, ROWS_MAX)
          .map(({ openedAt, closedAt, worker, requests, sealedBytes, policyNumber, tenant }) => [
            time(openedAt),
            time(closedAt),
            h('a', { href: `#/worker/${worker.slice(7)}` }, `${worker.slice(7, 19)}…`),
            String(requests),
            sealedBytes.toLocaleString('en'),
            `#${policyNumber}`,
            hash(tenant),
          ]),
        'None.',
      ),
    );
  } catch (thrown) {
    fill(into, title, badge('bad', asCodedError(thrown).message));
  }
}
