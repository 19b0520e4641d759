import { kemPrivateKey } from '#crypto';
import { appraise, loadPolicy, loadVendorEndorsements, trustUnder } from '../src/attestation/index.ts';
import { systemRandomness } from '../src/cli/compose/files.ts';
import { encodeNonceProof, epochKeyDigest, parseBeacon, parseNonceProof } from '../src/core/index.ts';
import { RELEASE_LIMITS } from '../src/router/index.ts';
import { type ReleaseAsk, releaseNonceInput } from '../src/session/index.ts';
import { ownersPolicy, releaseScene, type Scene } from '../tests/router/release-scene.ts';
import { type BenchLine, quantile } from './report.ts';

const RELEASES = 1_000;
const ASKERS = 8;
const VERIFICATIONS = 200;
const SECRET = 'model-key';

/** What workers send, each with evidence of its own over a challenge of its own. */
async function asks(scene: Scene, count: number): Promise<ReleaseAsk[]> {
  const boot = scene.newWorker();
  const key = await kemPrivateKey(0x647a, systemRandomness(32));
  const other = await kemPrivateKey(0x0020, systemRandomness(32));
  const digests = [key, other].map(({ kem, publicKey }) => epochKeyDigest(kem, publicKey));
  const made: ReleaseAsk[] = [];
  for (let i = 0; i < count; i++) {
    const { nonce, beacon } = await scene.link.challenge(SECRET);
    const evidence = await boot.attester.evidence([releaseNonceInput(SECRET, nonce)], parseBeacon(beacon), digests);
    const nonceProof = encodeNonceProof(evidence.proofs[0] as (typeof evidence.proofs)[number]);
    const { publicKey } = key;
    made.push({ secret: SECRET, nonce, bundle: evidence.bundle, nonceProof, publicKey, certificates: [] });
  }
  return made;
}

/** A thousand releases over gRPC, each appraised, logged and wrapped, beside the bare appraisal of the same evidence. */
export async function benchRelease(): Promise<BenchLine[]> {
  const rate = { perSecond: 1e6, burst: 1e6 };
  const scene = await releaseScene({ limits: { attempts: rate, releases: rate, judgedAtOnceMax: 64 } });
  try {
    await scene.register(SECRET);
    const times: number[] = [];
    let spent = 0;
    // In batches that end before their challenges do.
    for (let left = RELEASES; left > 0; left -= 200) {
      const waiting = await asks(scene, 200);
      const started = performance.now();
      const asker = async () => {
        for (let ask = waiting.pop(); ask !== undefined; ask = waiting.pop()) {
          const from = performance.now();
          const answer = await scene.link.release(ask);
          if (answer.outcome !== 'released') throw new Error(answer.message);
          times.push(performance.now() - from);
        }
      };
      await Promise.all(Array.from({ length: ASKERS }, asker));
      spent += performance.now() - started;
    }
    const perMinute = (RELEASES * 60_000) / spent;
    const floor = { name: 'bare appraisals per min', value: await bareAppraisals(scene) };
    const limit = 60 * RELEASE_LIMITS.releases.perSecond;
    return [
      { name: 'releases, want ≥ 1,000', value: perMinute, unit: 'per min', floor, ratio: perMinute / floor.value },
      { name: 'a release with 8 at a time, median', value: quantile(times, 0.5), unit: 'ms' },
      { name: 'the shipped limit of one secret', value: limit, unit: 'per min' },
    ];
  } finally {
    await scene.close();
  }
}

async function bareAppraisals(scene: Scene): Promise<number> {
  const ready = await asks(scene, VERIFICATIONS);
  const trust = trustUnder(loadPolicy(ownersPolicy()), [scene.intel.trustAnchor]);
  const endorsements = await loadVendorEndorsements('tdx', scene.knows.collateral, trust.trustAnchors);
  const started = performance.now();
  for (const { bundle, nonce, nonceProof } of ready) {
    const expectedNonce = { input: releaseNonceInput(SECRET, nonce), proof: parseNonceProof(nonceProof) };
    const appraisal = await appraise({ ...trust, bundle, endorsements, now: Date.now(), expectedNonce });
    if (appraisal.status !== 'affirming') throw new Error(appraisal.because.join());
  }
  return (VERIFICATIONS * 60_000) / (performance.now() - started);
}
