import { expect, test } from 'vitest';
import { CodedError } from '../../src/core/index.ts';
import { KEM_X25519, KEM_XWING, type Mode, openSession, verifyOffer } from '../../src/session/index.ts';
import { bytes, helloOf, makeWorker, offerOf, policyOf, START, verifiedOffer, type World } from './world.ts';

const newWorld = (): World => ({ now: START, monotonic: 0 });

async function scene(mode: Mode = 1) {
  const world = newWorld();
  const worker = makeWorker(world, 1);
  const own = helloOf(mode);
  return { world, worker, own, ...(await offerOf(worker, own)) };
}

for (const mode of [0, 1, 2] as Mode[]) {
  test(`mode ${mode}: any flipped byte of an offer is refused`, async () => {
    const { own, offer, attested } = await scene(mode);
    expect((await verifyOffer(offer, own, attested, policyOf(mode), START)).verdict).toBe('verified');
    // The middle of the X-Wing key is one field: a byte in each stretch of it stands for the rest.
    for (let at = 0; at < offer.length; at += at > 100 && at < 1300 ? 23 : 1) {
      const copy = Uint8Array.from(offer);
      copy[at] = (copy[at] as number) ^ 1;
      try {
        const verdict = await verifyOffer(copy, own, attested, policyOf(mode), START);
        expect(verdict.verdict, `byte ${at}`).toBe('refused');
      } catch (error) {
        expect(error, `byte ${at}`).toBeInstanceOf(CodedError);
      }
    }
  });
}

test('each check of an offer fails alone, by its name', async () => {
  const { own, offer, attested, worker } = await scene(1);
  const { keyset } = attested;
  const failed = async (
    ...[a, p, now]: [Partial<typeof attested>?, Partial<ReturnType<typeof policyOf>>?, number?]
  ) => {
    const verdict = await verifyOffer(offer, own, { ...attested, ...a }, { ...policyOf(1), ...p }, now ?? START);
    return verdict.verdict === 'refused' ? [...verdict.failed, verdict.severity] : [];
  };
  expect(await failed()).toEqual([]);
  expect(await failed({ evidenceDigest: bytes(32, 9) })).toEqual(['evidenceDigest', 'loud']);
  expect(await failed({ model: bytes(32, 9) })).toEqual(['model', 'loud']);
  expect(await failed({ madeAt: START - 600_001 })).toEqual(['evidenceAge', 'soft']);
  expect(await failed({ madeAt: null })).toEqual(['evidenceAge', 'soft']);
  expect(await failed({ deadline: START - 1 })).toEqual(['deadlines', 'soft']);
  expect(await failed({}, { leastMode: 2 })).toEqual(['leastMode', 'loud']);
  expect(await failed({}, {}, START - 60_001)).toEqual(['certificateWindow', 'soft']);
  expect(await failed({}, { evidenceAgeMsMax: 1e9 }, START + 660_001)).toEqual(['certificateWindow', 'soft']);
  const other = makeWorker(newWorld(), 2);
  expect(await failed({ keyset: other.keyset })).toEqual([
    'keysetReference',
    'workerId',
    'certificateSignature',
    'modeProof',
    'loud',
  ]);
  expect(await failed({ keyset: { ...keyset, suites: [KEM_X25519] } })).toEqual([
    'keysetReference',
    'bestSuite',
    'loud',
  ]);
  expect(worker.keyset.suites[0]).toBe(KEM_XWING);
});

test('a weaker suite than the best common one is refused, and so is a live signature for another Hello', async () => {
  const { world, worker, attested } = await scene(1);
  const weak = helloOf(1, [KEM_X25519]);
  const strong = helloOf(1);
  const { offer } = await offerOf(worker, weak);
  const verdict = await verifyOffer(offer, strong, attested, policyOf(1), world.now);
  expect(verdict).toMatchObject({ verdict: 'refused', failed: ['bestSuite', 'modeProof'], severity: 'loud' });
});

test('mode 2 is refused without its proof, under another root, and for a key that the evidence does not cover', async () => {
  const { own, offer, attested } = await scene(2);
  const verdict = async (a: Partial<typeof attested>) => {
    const got = await verifyOffer(offer, own, { ...attested, ...a }, policyOf(2), START);
    return got.verdict === 'refused' ? got.failed : [];
  };
  expect(await verdict({ nonceRoot: bytes(32, 1) })).toEqual(['modeProof']);
  expect(await verdict({ epochKeyDigests: attested.epochKeyDigests.map(() => bytes(32, 1)) })).toEqual(['modeProof']);
  expect(await verdict({ epochKeyDigests: [] })).toEqual(['modeProof']);
});

test('a session takes no worker twice, not none and not four', async () => {
  const world = newWorld();
  const own = helloOf(1, [KEM_X25519]);
  const offers = await Promise.all([1, 2, 3, 4].map((id) => verifiedOffer(world, makeWorker(world, id), own)));
  for (const list of [[], offers, [offers[0]!, offers[0]!]]) {
    await expect(openSession(own, list, START)).rejects.toMatchObject({ code: 'OFFER_REFUSED' });
  }
});
