import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { toBase64 } from '../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder, WHY_SKIPPED } from '../vectors.ts';
import { type Answer, batch } from './batch.ts';

type Evaluation = { collateral: string; time: string; verdict: string; tcbStatus: string; advisoryIDs: string[] };
type Vector = {
  id: string;
  tee: string;
  trailingBytes: number;
  trailingAllZero: boolean;
  expected: { verdict: string };
  files: { quote: string };
  evaluations?: Evaluation[];
};

const found = vectorsFolder('tdx');
const folder = found ?? '';

describe.skipIf(found === null)(`the command on all real TDX quotes (${WHY_SKIPPED} otherwise)`, () => {
  const vectors = found === null ? [] : readVectorJson<{ vectors: Vector[] }>(folder, 'vectors.json').vectors;
  const tdx = vectors.filter(({ tee }) => tee === 'TDX');
  const evidenceOf = ({ files }: Vector) => toBase64(readVector(folder, files.quote));

  test('signatures: the verdict of the manifest for every quote, in one batch', async () => {
    expect(tdx.length).toBe(42);
    const answers = await batch(
      tdx.map((vector) => ({
        id: vector.id,
        kind: 'tdx-quote',
        evidence: evidenceOf(vector),
        at: '2026-03-01T00:00:00Z',
        require: ['signature'],
      })),
    );
    expect(answers.map(({ id, verdict }) => [id, verdict])).toEqual(
      tdx.map(({ id, expected }) => [id, expected.verdict === 'valid' ? 'verified' : 'refused']),
    );
    for (const [index, { trailingBytes, trailingAllZero, expected }] of tdx.entries()) {
      const { checks, claims } = answers[index] as Answer;
      expect(checks.noTrailingBytes?.outcome).toBe(trailingAllZero ? 'passed' : 'notRun');
      if (!trailingAllZero) expect(checks.noTrailingBytes?.reason).toContain(`${trailingBytes} bytes`);
      if (expected.verdict === 'valid') expect(claims).toMatchObject({ trailingBytes, trailingAllZero });
    }
  });

  test('evaluations: verdict, TCB status and advisories of the manifest for each, in one batch', async () => {
    const cases = tdx.flatMap((vector) => (vector.evaluations ?? []).map((evaluation) => ({ vector, evaluation })));
    expect(cases.length).toBeGreaterThan(70);
    const answers = await batch(
      cases.map(({ vector, evaluation }, index) => ({
        id: `${vector.id} ${index}`,
        kind: 'tdx-quote',
        evidence: evidenceOf(vector),
        collateral: JSON.parse(readFileSync(join(folder, evaluation.collateral), 'utf8')),
        at: evaluation.time,
      })),
    );
    const expectedStatus = (status: string) => (status === 'NOT_SUPPORTED' ? 'NotSupported' : status);
    expect(answers.map(({ id, verdict, tcb }) => [id, verdict, tcb?.status, tcb?.advisoryIds])).toEqual(
      cases.map(({ vector, evaluation: { verdict, tcbStatus, advisoryIDs } }, index) => [
        `${vector.id} ${index}`,
        verdict === 'valid' ? 'verified' : 'refused',
        expectedStatus(tcbStatus),
        [...advisoryIDs].sort(),
      ]),
    );
    for (const [index, { vector }] of cases.entries()) {
      const outcome = answers[index]?.checks.noTrailingBytes?.outcome;
      expect(outcome).toBe(vector.trailingAllZero ? 'passed' : 'failed');
    }
  });
});
