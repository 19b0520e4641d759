import { describe, expect, test } from 'vitest';
import { verifyRim } from '../../../src/attestation/endorsements/nvidia/index.ts';
import { NVIDIA_RIM_ROOT, VerificationCache } from '../../../src/attestation/index.ts';
import { readVector, readVectorJson, vectorsFolder, WHY_SKIPPED } from '../../vectors.ts';

type Case = { time: string; verdict: string; reason: string | null };
type Vector = {
  id: string;
  kind: string;
  files: { rim: string };
  expect: {
    reason: string;
    product: string;
    edition: string;
    colloquialVersion: string;
    tagId: string;
    activeIndexes: number[];
    totalIndexes: number;
    cases: Case[];
  };
};

const found = vectorsFolder('nvidia');
const folder = found ?? '';
const vectors = found === null ? [] : readVectorJson<{ vectors: Vector[] }>(folder, 'vectors.json').vectors;
const rims = vectors.filter(({ kind }) => kind === 'rim');
const attacks = vectors.filter(({ kind }) => kind === 'rim-attack');
const at = (time: string) => Date.parse(time) / 1000;
const cache = new VerificationCache();
const verify = (v: Vector) => verifyRim(readVector(folder, v.files.rim), [NVIDIA_RIM_ROOT], cache);

test.skipIf(found === null)(`there are manifests and 21 attacks (${WHY_SKIPPED})`, () => {
  expect(rims.length).toBeGreaterThan(20);
  expect(attacks).toHaveLength(21);
});

describe.skipIf(found === null)('published manifests', () => {
  test.each(rims)('$id', async (v) => {
    const judged = await verify(v);
    for (const { time, verdict, reason } of v.expect.cases) {
      if (judged.state !== 'ok') {
        expect([verdict, reason]).not.toEqual(['valid', null]);
        continue;
      }
      const isCurrent = judged.value.chain.certificates.every((c) => c.notBefore <= at(time) && at(time) <= c.notAfter);
      expect({ time, verdict: isCurrent ? 'valid' : 'invalid' }).toEqual({ time, verdict });
    }
    if (judged.state !== 'ok') return;
    const { product, edition, version, tagId, measurements } = judged.value;
    expect({ product, edition, colloquialVersion: version, tagId }).toMatchObject({
      product: v.expect.product,
      edition: v.expect.edition,
      colloquialVersion: v.expect.colloquialVersion,
      tagId: v.expect.tagId,
    });
    expect(measurements.filter(({ active }) => active).map(({ index }) => index)).toEqual(v.expect.activeIndexes);
    expect(measurements).toHaveLength(v.expect.totalIndexes);
  });
});

const CODE_OF_REASON: Readonly<Record<string, string>> = {
  'digest-mismatch': 'ENDORSEMENT_SIGNATURE_INVALID',
  profile: 'ENDORSEMENT_MALFORMED',
  parse: 'ENDORSEMENT_MALFORMED',
  'signer-chain-broken': 'ENDORSEMENT_CHAIN_INVALID',
  'root-not-pinned': 'ENDORSEMENT_CHAIN_INVALID',
};

describe.skipIf(found === null)('manipulated manifests', () => {
  test.each(attacks)('$id', async (v) => {
    const judged = await verify(v);
    expect(judged).toMatchObject({ state: 'failed', code: CODE_OF_REASON[v.expect.reason] });
  });
});
