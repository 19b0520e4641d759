import { expect, test } from 'vitest';
import { sha256 } from '#crypto';
import { parseRecordedInputs, type TrustAnchor } from '../../src/attestation/index.ts';
import { isAppraisal } from '../../src/audit/index.ts';
import { createJudge, createJudges, type JudgeTask } from '../../src/cli/compose/judging.ts';
import { toHex } from '../../src/core/index.ts';
import { parseLeaf } from '../../src/log/index.ts';
import { developmentText, Scene, trust } from '../audit/scene.ts';

/** What a router was asked when it admitted a worker. */
async function admission(): Promise<JudgeTask> {
  const scene = new Scene();
  await scene.open();
  await scene.publish();
  const parsed = parseLeaf(scene.entries[await scene.admit({})]!);
  if (!isAppraisal(parsed)) throw new Error('no appraisal');
  const [bundle, collateral, recorded] = parsed.leaf.blobs.map((digest) => scene.blobs.get(digest)!);
  const { judgedAt: now, policyDigest, nonce, knownBlocks } = parseRecordedInputs(recorded!);
  const keys = { policy: toHex(policyDigest), collateral: toHex(sha256(collateral!)) };
  const judgedBy = { policyText: developmentText, anchors: trust.anchors, collateral: collateral!, keys };
  return { bundle: bundle!, ...judgedBy, now, expectedNonce: nonce, knownBlocks };
}

test('a thread judges as this one does: what is affirmed, refused for its root, or too old', async () => {
  const task = await admission();
  const stranger: TrustAnchor = { ...trust.anchors[0]!, spkiSha256: new Uint8Array(32).fill(9) };
  const changed = {
    ...task,
    bundle: task.bundle.with(task.bundle.length >> 1, 0xff ^ task.bundle[task.bundle.length >> 1]!),
  };
  const tasks: readonly JudgeTask[] = [
    task,
    { ...task, anchors: [stranger] },
    { ...task, now: task.now + 400 * 86_400_000 },
    changed,
    task,
  ];
  const here = createJudge();
  const judges = createJudges();
  try {
    const settled = (judge: typeof here) => Promise.allSettled(tasks.map((one) => judge(one)));
    const [own, threads] = [await settled(here), await settled(judges.judge)];
    expect(threads).toEqual(own);
    expect(own.map((one) => (one.status === 'fulfilled' ? one.value.appraisal.status : one.reason.code))).toEqual([
      'affirming',
      'refused',
      'refused',
      expect.stringMatching(/^(refused|OBJECT_MALFORMED|EVIDENCE_\w+)$/),
      'affirming',
    ]);
  } finally {
    await judges.close();
  }
}, 60_000);

test('nothing is judged by a policy that is not the one it is said to be', async () => {
  const task = await admission();
  const keys = { ...task.keys, policy: toHex(new Uint8Array(32)) };
  await expect(createJudge()({ ...task, keys })).rejects.toMatchObject({ code: 'INVARIANT_BROKEN' });
});
