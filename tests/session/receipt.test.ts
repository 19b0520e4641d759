import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ed25519Key, ed25519Sign } from '#crypto';
import {
  amountOf,
  type ClientReceiptChecks,
  drawAtRandom,
  encodePriceSheet,
  encodeReceipt,
  openResponse,
  padme,
  parsePreface,
  parsePriceSheet,
  parseReceipt,
  prefixTags,
  type Receipt,
  ResponseChain,
  receiptDigest,
  roundCounts,
  sealRequest,
  signDelegation,
  signUndelegation,
  verifyDelegation,
  verifyReceiptAsClient,
  verifyReceiptAsRouter,
  verifyUndelegation,
} from '../../src/session/index.ts';
import { askOf, bytes, dispatched, makeWorker, PRICE, START, sessionWith, testRandomness } from './world.ts';

const COUNTS = { tokensIn: 300, tokensCached: 200, tokensOut: 65 };

test('what a worker signs falsely is refused by the check that names it, and links to the receipt before', async () => {
  const world = { now: START, monotonic: 0 };
  const worker = makeWorker(world, 1);
  const session = await sessionWith(world, [worker]);
  const { open, frames, sent } = await sealRequest(session, askOf(bytes(300, 1)), START, testRandomness(2));
  const accepted = await worker.session.accept(await dispatched(open, frames));
  const reader = openResponse(sent, accepted.respond.preface);
  reader.push(accepted.respond.data(bytes(9, 1)));
  const checkpoint = await accepted.respond.checkpoint(COUNTS);
  const { frame, receipt } = await accepted.respond.final({ finish: 'length', counts: COUNTS });
  reader.push(frame);
  const honest = parseReceipt(receipt.receipt);
  expect([honest.seq, honest.prev]).toEqual([1n, receiptDigest(checkpoint.receipt)]);
  const receiptKey = ed25519Key(bytes(32, 101));
  const failedBy = async (change: Partial<Receipt>) => {
    const object = encodeReceipt({ ...honest, ...change });
    const signature = await ed25519Sign(receiptKey, receiptDigest(object));
    const verdict = await verifyReceiptAsClient({ receipt: object, signature }, reader);
    return verdict.verdict === 'refused' ? verdict.failed : [];
  };
  expect(await failedBy({})).toEqual([]);
  const wrong = bytes(32, 99);
  const table: readonly (readonly [Partial<Receipt>, readonly (keyof ClientReceiptChecks)[]])[] = [
    [{ workerId: wrong }, ['worker']],
    [{ keysetDigest: wrong }, ['keyset']],
    [{ certificateDigest: wrong }, ['certificate']],
    [{ model: wrong }, ['model']],
    [{ requestId: bytes(16, 99) }, ['request']],
    [{ headerHash: wrong }, ['request']],
    [{ requestDigest: wrong }, ['request']],
    [{ dispatch: 2 }, ['dispatch']],
    [{ chain: wrong }, ['chain']],
    [{ frames: 1 }, ['chain']],
    [{ started: honest.ended + 1 }, ['times']],
    [{ priceId: wrong }, ['price']],
    [{ amount: honest.amount + 1n }, ['amount', 'usage']],
    [{ counts: { ...honest.counts, tokensIn: 300 } }, ['counts', 'amount', 'usage']],
    [{ counts: { ...honest.counts, tokensIn: 512 } }, ['amount', 'usage']],
    [{ finish: 'stop' }, ['usage']],
    [{ requestCommitment: wrong }, ['requestCommitment']],
    [{ responseCommitment: wrong }, ['responseCommitment']],
    [{ kind: 'checkpoint', responseCommitment: null }, ['kind', 'usage']],
  ];
  for (const [change, names] of table) expect(await failedBy(change), Object.keys(change).join()).toEqual(names);
});

test.each(['final', 'error'] as const)(
  'after an answer that ended as %s, neither router nor client takes a receipt of another end',
  async (end) => {
    const world = { now: START, monotonic: 0 };
    const worker = makeWorker(world, 1);
    const session = await sessionWith(world, [worker]);
    const { open, frames, sent } = await sealRequest(session, askOf(bytes(300, 1)), START, testRandomness(2));
    const { respond } = await worker.session.accept(await dispatched(open, frames));
    const reader = openResponse(sent, respond.preface);
    const preface = parsePreface(respond.preface);
    const chain = new ResponseChain({ headerHash: sent.headerHash, requestDigest: sent.requestDigest, ...preface });
    const ended = end === 'final' ? respond.final({ finish: 'stop', counts: COUNTS }) : respond.error(bytes(4, 2));
    const { frame, receipt } = await ended;
    reader.push(frame);
    chain.push(frame);
    const { keyset } = worker;
    const { header, headerHash, requestDigest } = sent;
    const of = { certificateDigest: preface.certificateDigest, header, headerHash, requestDigest, dispatch: 1 };
    const own = { ...of, keyset, chain, price: PRICE };
    const honest = parseReceipt(receipt.receipt);
    for (const kind of ['checkpoint', 'final', 'error'] as const) {
      const counts = kind === 'error' ? { tokensIn: 0, tokensCached: 0, tokensOut: 0 } : roundCounts(COUNTS, PRICE);
      const amount = kind === 'error' ? 0n : amountOf(counts, PRICE, header.priceCap);
      const responseCommitment = kind === 'checkpoint' ? null : honest.responseCommitment;
      const object = encodeReceipt({ ...honest, kind, counts, amount, responseCommitment });
      const signed = {
        receipt: object,
        signature: await ed25519Sign(ed25519Key(bytes(32, 101)), receiptDigest(object)),
      };
      const [router, client] = [await verifyReceiptAsRouter(signed, own), await verifyReceiptAsClient(signed, reader)];
      expect([router.verdict, client.verdict]).toEqual(Array(2).fill(kind === end ? 'verified' : 'refused'));
      if (router.verdict === 'refused') expect(router.failed).toEqual(['kind']);
    }
  },
);

test('another worker, or a wrap for another worker, opens nothing', async () => {
  const world = { now: START, monotonic: 0 };
  const [a, b, c] = [1, 2, 3].map((id) => makeWorker(world, id)) as [ReturnType<typeof makeWorker>, never, never];
  const session = await sessionWith(world, [a, b] as (typeof a)[]);
  const { open, frames } = await sealRequest(session, askOf(bytes(9, 1)), START, testRandomness(2));
  const incoming = await dispatched(open, frames, 0);
  await expect((b as typeof a).session.accept(incoming)).rejects.toMatchObject({ code: 'OPEN_FAILED' });
  await expect((c as typeof a).session.accept(incoming)).rejects.toMatchObject({
    code: 'REQUEST_REFUSED',
    facts: { step: 1, check: 'candidate' },
  });
  await expect(a.session.accept({ ...incoming, dispatch: 3 })).rejects.toMatchObject({ facts: { check: 'dispatch' } });
});

test('prices: the sheet is read back, counts round as said, the cap holds', () => {
  expect(parsePriceSheet(encodePriceSheet(PRICE))).toEqual(PRICE);
  const rounded = roundCounts(COUNTS, PRICE);
  expect(rounded).toEqual({ tokensIn: 384, tokensCached: 128, tokensOut: 128 });
  expect(amountOf(rounded, PRICE, 10_000n)).toBe(384n * 2n + 64n + 128n * 8n);
  expect(amountOf(rounded, { ...PRICE, perMillionCached: 500_001n }, 10_000n)).toBe(1857n);
  expect(amountOf(rounded, PRICE, 5n)).toBe(5n);
});

test('Padmé never shortens, costs at most 12 %, and leaves few lengths', () => {
  fc.assert(
    fc.property(fc.integer({ min: 256, max: 2 ** 30 }), (length) => {
      const padded = padme(length);
      expect(padded).toBeGreaterThanOrEqual(length);
      expect(padded).toBeLessThanOrEqual(length * 1.12);
      expect(padme(padded)).toBe(padded);
    }),
  );
});

test('a delegation is of one channel, key, limit and time; its withdrawal is another statement', async () => {
  const key = ed25519Key(bytes(32, 1));
  const of = {
    channel: { workchain: 0, account: bytes(32, 17) },
    sessionKey: bytes(32, 3),
    limit: 5n,
    notAfter: START,
  };
  const signature = await signDelegation(key, of);
  expect(await verifyDelegation(key.publicKey, of, signature)).toBe(true);
  for (const change of [{ limit: 6n }, { notAfter: START + 1 }, { sessionKey: bytes(32, 4) }]) {
    expect(await verifyDelegation(key.publicKey, { ...of, ...change }, signature)).toBe(false);
  }
  const ends = await signUndelegation(key, of.channel, of.sessionKey);
  expect(await verifyUndelegation(key.publicKey, of.channel, of.sessionKey, ends)).toBe(true);
  expect(await verifyUndelegation(key.publicKey, of.channel, of.sessionKey, signature)).toBe(false);
});

test('tags show equal prefixes within one day, secret and model, and always fill eight slots', () => {
  const tokens = Uint32Array.from({ length: 2100 }, (_, i) => i);
  const tags = (day: number, seed: number, length = 2100) =>
    prefixTags(bytes(32, 1), bytes(32, 4), tokens.subarray(0, length), START + day * 86_400_000, testRandomness(seed));
  const [one, two, other] = [tags(0, 1), tags(0, 2, 1500), tags(1, 1)];
  expect(one.length).toBe(48);
  expect(one.subarray(0, 6)).toEqual(two.subarray(0, 6));
  expect(one.subarray(6, 12)).not.toEqual(two.subarray(6, 12));
  expect(one.subarray(0, 12)).not.toEqual(other.subarray(0, 12));
});

test('candidates are drawn without repetition, and each of them sometimes', () => {
  const random = testRandomness(5);
  const seen = new Set<number>();
  for (let i = 0; i < 100; i++) {
    const drawn = drawAtRandom([1, 2, 3, 4, 5], 3, random);
    expect(new Set(drawn).size).toBe(3);
    for (const item of drawn) seen.add(item);
  }
  expect(seen.size).toBe(5);
});
