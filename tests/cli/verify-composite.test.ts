import { expect, test } from 'vitest';
import { bootEvents, gpuNonce } from '../../src/attestation/index.ts';
import { SIMULATED_H100 } from '../../src/attestation/simulate/index.ts';
import { createVerifier } from '../../src/cli/verify/answer.ts';
import {
  encodeNonceProof,
  fromHex,
  type Json,
  keysetDigest,
  parseCertificate,
  rfc3339,
  toBase64,
  toHex,
} from '../../src/core/index.ts';
import {
  block,
  developmentText,
  evidence,
  fill,
  intel,
  keyset,
  model,
  NOW,
  nonce,
  nonceRoot,
  otherNonce,
} from '../attestation/appraise/scene.ts';
import { gpu, vendor } from '../attestation/nvidia/scene.ts';

const verifier = createVerifier();
const device = {
  kind: 1 as const,
  report: gpu.report(gpuNonce(keysetDigest(keyset), nonceRoot, 1), fill(3, 32)),
  chain: gpu.chain,
};
const events = () =>
  bootEvents({
    keysetDigest: keysetDigest(keyset),
    deviceIds: [fromHex(parseCertificate(gpu.chain[0] as Uint8Array).serial)],
    verdict: 'passed',
    modelDigest: model,
  });
const bundle = evidence({ bundle: { devices: [device] }, events });
const rims = vendor.manifests(SIMULATED_H100).map(({ id, manifest }) => [id, toBase64(manifest)]);
const nvidia = { rims: Object.fromEntries(rims), ocsp: vendor.ocspOf(gpu, NOW / 1000).map(toBase64) };
const blocks = [{ ...block, rootHash: toHex(block.rootHash) }];
const anchor = ({ spkiSha256 }: { spkiSha256: Uint8Array }, purpose?: string) => ({
  spkiSha256: toHex(spkiSha256),
  ...(purpose === undefined ? {} : { purpose }),
});
const policy = JSON.parse(developmentText) as { [field: string]: Json };
const nonceOf = ({ input, proof }: typeof nonce) => ({ input: toHex(input), proof: toBase64(encodeNonceProof(proof)) });

const ask = (more: object = {}) =>
  verifier.answerLine(
    JSON.stringify({
      id: 1,
      kind: 'composite',
      evidence: toBase64(bundle),
      collateral: { ...intel.collateral(NOW / 1000), nvidia, blocks },
      policy: { ...policy, gpu: { ...(policy.gpu as object), evidence: 'required' } },
      trustAnchors: [
        anchor(intel.trustAnchor),
        anchor(vendor.deviceAnchor, 'nvidia-device'),
        anchor(vendor.rimAnchor, 'nvidia-manifest'),
      ],
      expect: { nonce: nonceOf(nonce) },
      at: rfc3339(NOW / 1000),
      ...more,
    }),
  );

test("a worker's whole evidence is verified under a policy, and the result is an EAR with a part for CPU and GPU", async () => {
  const answer = await ask();
  expect({ error: answer.error, verdict: answer.verdict }).toEqual({ error: null, verdict: 'verified' });
  expect(answer.claims).toMatchObject({
    tee: 'tdx',
    gpuBinding: 'guest-asserted',
    devices: [{ architecture: 'HOPPER' }],
  });
  const affirming = { 'instance-identity': 2, configuration: 2, executables: 2, hardware: 2, 'runtime-opaque': 2 };
  expect(answer.appraisal).toMatchObject({
    eat_profile: 'tag:github.com,2023:veraison/ear',
    submods: {
      cpu: { 'ear.status': 'affirming', 'ear.trustworthiness-vector': affirming },
      gpu: {
        'ear.status': 'affirming',
        'ear.trustworthiness-vector': affirming,
        'chrysalis.gpu-binding': 'guest-asserted',
      },
    },
  });
});

test('what fails is named in checks, error and EAR alike', async () => {
  const answer = await ask({ expect: { nonce: nonceOf(otherNonce) } });
  expect(answer).toMatchObject({ verdict: 'refused', error: { facts: { check: 'binding.nonce' } }, claims: {} });
  expect(answer.appraisal).toMatchObject({
    submods: { cpu: { 'ear.status': 'contraindicated', 'chrysalis.because': ['binding.nonce'] } },
  });
  const measured = await ask({
    policy: { ...policy, gpu: { ...(policy.gpu as object), devicesDenied: [`41${gpu.pdi.toLowerCase()}`] } },
  });
  expect(measured.appraisal).toMatchObject({
    submods: { gpu: { 'ear.trustworthiness-vector': { 'instance-identity': 96, executables: 2 } } },
  });
});

test('without collateral of the GPU nothing is known', async () => {
  const answer = await ask({ collateral: { ...intel.collateral(NOW / 1000), blocks } });
  expect(answer).toMatchObject({ verdict: 'unavailable', error: { code: 'ENDORSEMENT_MISSING' } });
  expect(answer.appraisal).toMatchObject({ submods: { cpu: { 'ear.status': 'none' } } });
});

test.each<[string, object, string]>([
  ['no policy', { policy: null }, 'USAGE_INVALID'],
  ['an unknown expectation', { expect: { nonse: 1 } }, 'REQUEST_MALFORMED'],
  ['a nonce of another shape', { expect: { nonce: '00' } }, 'COLLATERAL_MALFORMED'],
  ['blocks of another shape', { collateral: { blocks: [{ seqno: 1 }] } }, 'COLLATERAL_MALFORMED'],
  [
    'an anchor for something unknown',
    { trustAnchors: [{ spkiSha256: '00'.repeat(32), purpose: 'all' }] },
    'REQUEST_MALFORMED',
  ],
  ['a bundle that is none', { evidence: toBase64(fill(1, 40)) }, 'OBJECT_MALFORMED'],
  [
    'a production policy with roots of the caller',
    {
      policy: {
        ...policy,
        environment: 'production',
        simulated: 'refuse',
        freshness: { ...(policy.freshness as object), network: -239 },
      },
    },
    'CONFIG_INVALID',
  ],
])('%s is refused with a code', async (_, more, code) => {
  expect(await ask(more)).toMatchObject({ verdict: 'refused', error: { code } });
});
