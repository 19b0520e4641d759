import { expect, test } from 'vitest';
import { fromHex, leafHash, merkleRoot, toHex, utf8 } from '../../src/core/index.ts';
import type { Digest } from '../../src/log/index.ts';
import { audit, honest, problemsOf, SIZES } from './scene.ts';

test('an honest log is verified: every check passed or had nothing to look at', async () => {
  const scene = await honest();
  const report = await audit(await scene.bundle());
  const outcomes = Object.fromEntries(
    report.checks.map(({ id, outcome, problems }) => [id, [outcome, ...problems].join(' | ')]),
  );
  expect(outcomes).toEqual({
    ...Object.fromEntries(Array.from({ length: 18 }, (_, i) => [`V${i + 1}`, 'passed'])),
    V3: 'notApplicable',
    V15: 'notApplicable',
    V16: 'notApplicable',
  });
  expect(report.verdict).toBe('verified');
  expect(report.findings).toEqual([]);
  expect(report.checks.find(({ id }) => id === 'V11')?.looked).toBe(3);
});

test('the same log gives the same bundle, byte for byte', async () => {
  const scene = await honest();
  expect(await scene.bundle()).toEqual(await scene.bundle());
});

test('a bundle of the later entries alone says what it cannot show', async () => {
  const scene = await honest();
  const { failed, verdict, checks } = await problemsOf(await scene.bundle(SIZES.judged));
  expect([failed, verdict]).toEqual([[], 'incomplete']);
  expect(checks.find(({ id }) => id === 'V3')?.outcome).toBe('passed');
});

test('a file that a logged retention run removed is excused, and an appraisal that needs it is not called checked', async () => {
  const scene = await honest();
  const gone = JSON.parse(new TextDecoder().decode(scene.entries[SIZES.begun])).body.evidenceBlob as Digest;
  const list = scene.blob(utf8(`${gone}\n`));
  const root = `sha256:${toHex(merkleRoot([leafHash(fromHex(gone.slice(7)))]))}`;
  const body = { tier: 'B', count: 1, root };
  await scene.add({ type: 'retention-run', subject: 'retention', blobs: [list], body });
  await scene.checkpoint();
  scene.blobs.delete(gone);
  const { failed, verdict, checks } = await problemsOf(await scene.bundle());
  expect([failed, verdict]).toEqual([[], 'incomplete']);
  expect(checks.find(({ id }) => id === 'V11')?.outcome).toBe('notChecked');
});
