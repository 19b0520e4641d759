import { expect, test } from 'vitest';
import { CodedError } from '../../src/core/index.ts';
import type { JudgedEvidence } from '../../src/router/admission-deps.ts';
import { logAffirmed } from '../../src/router/admission-entries.ts';
import type { LogPort } from '../../src/router/ports.ts';

const bytes = (value: number) => new Uint8Array(32).fill(value);
const policy = { number: 1, digest: bytes(1) };
const judged = (evidence: number, tcbStatus = 'UpToDate') =>
  ({
    appraisal: {
      tee: 'tdx',
      devices: [],
      workerId: bytes(2),
      status: 'affirming',
      evidenceDigest: bytes(evidence),
      modelDigest: bytes(3),
      measurementsDigest: bytes(4),
      tcbStatus,
      image: 'tdx:a@b',
    },
    judgedAt: 5,
    collateral: bytes(6),
    inputs: bytes(7),
    result: bytes(8),
  }) as unknown as JudgedEvidence;

/** A log that refuses a wrong `prev`, as the real one does. */
function orderedLog() {
  const entries: { type: string; body: { unchanged?: boolean; changed?: string[] } }[] = [];
  const log = {
    append: async (draft: { type: string; body: object; prev?: number | null }) => {
      const last = entries.length === 0 ? null : entries.length - 1;
      if (draft.prev !== undefined && draft.prev !== last) throw new CodedError('LOG_LEAF_INVALID', 'prev');
      entries.push({ type: draft.type, body: draft.body });
      return { index: entries.length - 1 };
    },
  } as unknown as LogPort;
  return { deps: { log, source: 'r' }, entries };
}

test('who is in stays in as attested again, and the entry says what changed', async () => {
  const { deps, entries } = orderedLog();
  const first = await logAffirmed(deps, policy, judged(10), bytes(8), { leaseUntil: 9, before: null });
  const second = await logAffirmed(deps, policy, judged(11), bytes(8), { leaseUntil: 9, before: first });
  await logAffirmed(deps, policy, judged(12, 'OutOfDate'), bytes(8), { leaseUntil: 9, before: second });
  expect(entries.map(({ type, body: { unchanged, changed } }) => [type, unchanged, changed])).toEqual([
    ['worker-admitted', undefined, undefined],
    ['re-attested', true, ['evidence']],
    ['re-attested', false, ['tcbStatus', 'evidence']],
  ]);
});

test('where another entry about it came in between, its eviction perhaps, it is admitted anew', async () => {
  const { deps, entries } = orderedLog();
  const first = await logAffirmed(deps, policy, judged(10), bytes(8), { leaseUntil: 9, before: null });
  await deps.log.append({ type: 'evicted' } as never);
  await logAffirmed(deps, policy, judged(11), bytes(8), { leaseUntil: 9, before: first });
  expect(entries.map(({ type }) => type)).toEqual(['worker-admitted', 'evicted', 'worker-admitted']);
});

test('a log that is away is no reason to call it an admission', async () => {
  const { deps } = orderedLog();
  const first = await logAffirmed(deps, policy, judged(10), bytes(8), { leaseUntil: 9, before: null });
  const away = { append: () => Promise.reject(new CodedError('LOG_UNREACHABLE', 'away')) } as unknown as LogPort;
  const asked = logAffirmed({ log: away, source: 'r' }, policy, judged(11), bytes(8), { leaseUntil: 9, before: first });
  await expect(asked).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
});
