import { expect, test } from 'vitest';
import { ed25519Key, ed25519Sign, kemPrivateKey } from '#crypto';
import { type Bytes, concat, labelledDigest, utf8 } from '../../src/core/index.ts';
import { FrameKey } from '../../src/session/frames.ts';
import {
  bodyBytes,
  encodeEpochCertificate,
  encodeHeader,
  encodeOffer,
  encodeReceipt,
  epochCertificateDigest,
  headerHash,
  KEM_X25519,
  KEM_XWING,
  liveDigest,
  openResponse,
  openSession,
  parseEpochCertificate,
  parseHeader,
  parseOffer,
  parseReceipt,
  type Receipt,
  receiptDigest,
  type SealedOpen,
  sealRequest,
  verifyOffer,
  verifyReceiptAsClient,
} from '../../src/session/index.ts';
import { sealBody } from '../../src/session/request-body.ts';
import { requestKeys } from '../../src/session/request-keys.ts';
import { answered, COUNTS, codeOf, contains, everythingOf, newWorld, opened, read, scene } from './threat-scene.ts';
import {
  askOf,
  bytes,
  dispatched,
  helloOf,
  makeWorker,
  offerOf,
  policyOf,
  START,
  sessionWith,
  type TestWorker,
  testRandomness,
  verifiedOffer,
} from './world.ts';

/**
 * AIS/1 section 12, one test per threat that sealed sessions answer, under its name there: each plays the attacker with
 * everything that the attacker has, and shows the honest run beside it. The threats that evidence, log and policy
 * answer are in threats-evidence.test.ts, those of what travels in threats-bytes.test.ts.
 */
test('malicious router reads: its own key under the worker’s name is refused, and what it carries holds no content', async () => {
  const world = newWorld();
  const worker = makeWorker(world, 1);
  const own = helloOf(1);
  const { offer, attested } = await offerOf(worker, own);
  const parsed = parseOffer(offer);
  const routerKey = await kemPrivateKey(KEM_XWING, bytes(32, 66));
  const routerSigning = ed25519Key(bytes(32, 67));
  const certificate = encodeEpochCertificate({
    ...parseEpochCertificate(parsed.certificate),
    publicKey: routerKey.publicKey,
  });
  const digest = epochCertificateDigest(certificate);
  const forged = encodeOffer({
    ...parsed,
    certificate,
    signature: await ed25519Sign(routerSigning, digest),
    live: await ed25519Sign(routerSigning, liveDigest(own.digest, digest)),
  });
  expect(await verifyOffer(forged, own, attested, policyOf(1), START)).toMatchObject({
    verdict: 'refused',
    failed: ['certificateSignature', 'modeProof'],
    severity: 'loud',
  });
  const secret = utf8('a prompt that only the enclave may read');
  const { request } = await scene(3, secret);
  const carried = everythingOf(request.open, request.frames);
  expect(contains(carried, secret)).toBe(false);
  expect(contains(carried, request.sent.contentKey)).toBe(false);
  // A prompt of any length up to 252 bytes gives the same number of bytes on the wire.
  expect(everythingOf((await scene(3, utf8('x'))).request.open, request.frames).length).toBe(carried.length);
});

test('one attested worker is compromised: with CEK in hand it forges nothing of another candidate', async () => {
  const { workers, request } = await scene(2);
  const [honest, thief] = workers as [TestWorker, TestWorker];
  const stolen = await answered(thief, request, 1);
  // Its frames in the other's name: the preface is the other's, the key is not.
  const good = await answered(honest, request, 0);
  expect(await codeOf(() => read(request.sent, good.preface, stolen.frames))).toBe('FRAME_NOT_AUTHENTIC');
  // Another body for the other candidate under the same CEK: the thief has every key of the body, and not the wrap's.
  const { header, headerHash: hash, contentKey } = request.sent;
  const keys = requestKeys(header.requestId, contentKey, hash);
  const body = sealBody(new FrameKey(keys.key, keys.nonce), utf8('another body'), bodyBytes(12, 'padme'));
  const fresh = await sealRequest(request.sent.session, askOf(utf8('x')), START, testRandomness(44));
  const replaced = (wraps: SealedOpen['candidates']) => ({ ...request.open, candidates: wraps });
  for (const wraps of [request.open.candidates, [...request.open.candidates].reverse(), fresh.open.candidates]) {
    const forged = await dispatched(replaced(wraps), body, 0);
    expect(await codeOf(() => honest.session.accept(forged))).toBe('OPEN_FAILED');
  }
  read(request.sent, stolen.preface, stolen.frames); // in its own name it may answer
});

test('second worker’s receipt: it is not accepted for the answer of the first', async () => {
  const { workers, request } = await scene(2);
  const first = await answered(workers[0] as TestWorker, request, 0);
  const second = await answered(workers[1] as TestWorker, request, 1);
  const reader = read(request.sent, first.preface, first.frames);
  expect((await verifyReceiptAsClient(first.receipt, reader)).verdict).toBe('verified');
  const verdict = await verifyReceiptAsClient(second.receipt, reader);
  expect(verdict).toMatchObject({ verdict: 'refused' });
  expect(verdict.verdict === 'refused' && verdict.failed).toEqual(
    expect.arrayContaining(['signature', 'worker', 'keyset', 'certificate', 'chain']),
  );
});

test('alter header: limits, model, price, deadline or candidates changed by the router open nothing', async () => {
  const { workers, request } = await scene(2);
  const header = parseHeader(request.open.header);
  const changes = [
    { outputTokensMax: header.outputTokensMax + 1 },
    { model: bytes(32, 99) },
    { priceId: bytes(32, 99) },
    { priceCap: header.priceCap + 1n },
    { deadline: header.deadline + 1 },
    { dispatchesMax: 9 },
    { padding: 'off' as const },
    { priority: 9 },
    { paymentRef: bytes(16, 99) },
    { sealedBytes: header.sealedBytes + 1 },
    { candidates: [...header.candidates].reverse() },
    { candidates: header.candidates.slice(0, 1) },
  ];
  for (const change of changes) {
    const altered = { ...request.open, header: encodeHeader({ ...header, ...change }) };
    // The router signs its dispatch over whatever it made of it.
    const code = await codeOf(async () => workers[0]!.session.accept(await dispatched(altered, request.frames)));
    expect(code, Object.keys(change).join()).toBe('REQUEST_REFUSED');
    // With a session key of its own, and the header signed by it, the session is no longer the Hello's.
    const key = ed25519Key(bytes(32, 123));
    const own = encodeHeader({ ...header, ...change, sessionKey: key.publicKey });
    const authorization = await ed25519Sign(key, labelledDigest('authorize', headerHash(own)));
    const resigned = { ...request.open, header: own, authorization };
    const again = await codeOf(async () => workers[0]!.session.accept(await dispatched(resigned, request.frames)));
    expect(again, Object.keys(change).join()).toBe('REQUEST_REFUSED');
  }
  opened(await workers[0]!.session.accept(await dispatched(request.open, request.frames)));
});

test('alter header: content of another request under this header opens nothing', async () => {
  const { workers, session, request, random } = await scene();
  const other = await sealRequest(session, askOf(utf8('the secret of tomorrow')), START, random);
  const mixed = { ...request.open, commit: other.open.commit };
  for (const open of [request.open, mixed, { ...mixed, candidates: other.open.candidates }]) {
    const code = await codeOf(async () => workers[0]!.session.accept(await dispatched(open, other.frames)));
    expect(code).toBe('OPEN_FAILED');
  }
});

test('swap worker: a worker that certifies a stranger’s key moves nothing to the stranger', async () => {
  const world = newWorld();
  const [liar, stranger] = [makeWorker(world, 1), makeWorker(world, 2)];
  const own = helloOf(1);
  const theirs = parseEpochCertificate(parseOffer((await offerOf(stranger, own)).offer).certificate);
  const { offer, attested } = await offerOf(liar, own);
  const parsed = parseOffer(offer);
  const certificate = encodeEpochCertificate({
    ...parseEpochCertificate(parsed.certificate),
    publicKey: theirs.publicKey,
  });
  const digest = epochCertificateDigest(certificate);
  const identity = ed25519Key(bytes(32, 1));
  const lie = encodeOffer({
    ...parsed,
    certificate,
    signature: await ed25519Sign(identity, digest),
    live: await ed25519Sign(identity, liveDigest(own.digest, digest)),
  });
  const verdict = await verifyOffer(lie, own, attested, policyOf(1), START);
  if (verdict.verdict !== 'verified') throw new Error('mode 1 cannot see it');
  const session = await openSession(own, [verdict.offer], START);
  const { open, frames } = await sealRequest(session, askOf(utf8('secret')), START, testRandomness(4));
  for (const worker of [stranger, liar]) {
    const code = await codeOf(async () => worker.session.accept(await dispatched(open, frames)));
    expect(code).toBe('REQUEST_REFUSED'); // no candidate of its own: info binds the certificate
  }
  // Mode 2 sees it: the evidence covers the worker's own key, not the stranger's.
  const quoted = helloOf(2);
  const honest = await offerOf(liar, quoted);
  const inMode2 = encodeOffer({ ...parseOffer(honest.offer), certificate, signature: parseOffer(lie).signature });
  const refused = await verifyOffer(inMode2, quoted, honest.attested, policyOf(2), START);
  expect(refused).toMatchObject({ verdict: 'refused', failed: ['modeProof'] });
});

test('swap worker: another worker’s offer, evidence and answer do not fit the one that was verified', async () => {
  const world = newWorld();
  const [chosen, other] = [makeWorker(world, 1), makeWorker(world, 2)];
  const own = helloOf(1);
  const { attested } = await offerOf(chosen, own);
  const swapped = await verifyOffer((await offerOf(other, own)).offer, own, attested, policyOf(1), START);
  expect(swapped).toMatchObject({ verdict: 'refused', severity: 'loud' });
  const session = await openSession(own, [await verifiedOffer(world, chosen, own)], START);
  const { open, frames, sent } = await sealRequest(session, askOf(utf8('secret')), START, testRandomness(4));
  expect(await codeOf(async () => other.session.accept(await dispatched(open, frames)))).toBe('REQUEST_REFUSED');
  const preface = concat(bytes(32, 7), Uint8Array.of(1), bytes(32, 8));
  expect(await codeOf(() => openResponse(sent, preface))).toBe('RESPONSE_REFUSED');
});

test('cut stream: an answer without its authenticated end is an error, and its receipt does not verify', async () => {
  const { workers, request } = await scene();
  const { preface, frames, receipt } = await answered(workers[0] as TestWorker, request);
  for (let kept = 0; kept < frames.length; kept++) {
    expect(await codeOf(() => read(request.sent, preface, frames.slice(0, kept)))).toBe('STREAM_TRUNCATED');
    const reader = openResponse(request.sent, preface);
    for (const frame of frames.slice(0, kept)) reader.push(frame);
    const verdict = await verifyReceiptAsClient(receipt, reader);
    expect(verdict.verdict === 'refused' && verdict.failed).toEqual(expect.arrayContaining(['chain', 'kind']));
  }
  // The flag of the last frame is authenticated: a data frame cannot be made the end of the stream.
  const early = Uint8Array.from(frames[0] as Bytes);
  early[0] = 1;
  expect(await codeOf(() => read(request.sent, preface, [early]))).toBe('FRAME_NOT_AUTHENTIC');
});

test('reorder: frames moved, doubled, dropped or of another answer do not open', async () => {
  const { workers, session, request, random } = await scene();
  const { preface, frames } = await answered(workers[0] as TestWorker, request);
  const next = await sealRequest(session, askOf(utf8('another')), START, random);
  const other = await answered(workers[0] as TestWorker, next);
  const [a, b, end] = frames as [Bytes, Bytes, Bytes];
  for (const list of [
    [b, a, end],
    [a, a, b, end],
    [a, end],
    [b, end],
    [a, other.frames[1] as Bytes, end],
  ]) {
    expect(await codeOf(() => read(request.sent, preface, list))).toBe('FRAME_NOT_AUTHENTIC');
  }
  expect(await codeOf(() => read(request.sent, other.preface, frames))).toBe('FRAME_NOT_AUTHENTIC');
  expect(await codeOf(() => read(request.sent, preface, [...frames, a]))).toBe('STREAM_ENDED');
});

test('stale evidence: a replayed offer, an old quote and a proof for another Hello are refused in the modes that promise freshness', async () => {
  const world = newWorld();
  const worker = makeWorker(world, 1);
  for (const mode of [1, 2] as const) {
    const yesterday = helloOf(mode, undefined, 5);
    const recorded = await offerOf(worker, yesterday);
    const today = helloOf(mode, undefined, 6);
    const replayed = await verifyOffer(recorded.offer, today, recorded.attested, policyOf(mode), START);
    expect(replayed).toMatchObject({ verdict: 'refused', failed: ['modeProof'], severity: 'loud' });
  }
  const own = helloOf(1);
  const { offer, attested } = await offerOf(worker, own);
  const judged = (change: object, now = START) => verifyOffer(offer, own, { ...attested, ...change }, policyOf(1), now);
  expect(await judged({ madeAt: START - 600_001 })).toMatchObject({ failed: ['evidenceAge'], severity: 'soft' });
  expect(await judged({ madeAt: null })).toMatchObject({ failed: ['evidenceAge'] });
  expect(await judged({ deadline: START - 1 })).toMatchObject({ failed: ['deadlines'] });
  expect(await judged({}, START + 661_000)).toMatchObject({ verdict: 'refused' });
});

test('replay: the same request runs once, also in a race, after an eviction, under another dispatch and after a restart', async () => {
  const world = newWorld();
  const worker = makeWorker(world, 1, { contextsMax: 1 });
  const session = await sessionWith(world, [worker]);
  const random = testRandomness(3);
  const first = await sealRequest(session, askOf(utf8('once')), START, random);
  const incoming = await dispatched(first.open, first.frames);
  const race = await Promise.allSettled(Array.from({ length: 8 }, () => worker.session.accept(incoming)));
  expect(race.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
  const other = await sessionWith(world, [worker], 1, [KEM_X25519]); // evicts the first session
  const second = await sealRequest(other, askOf(utf8('twice')), START, random);
  await worker.session.accept(await dispatched(second.open, second.frames));
  expect(await codeOf(() => worker.session.accept(incoming))).toBe('REQUEST_REPLAYED');
  const again = await dispatched(first.open, first.frames, 0, true, 2);
  expect(await codeOf(() => worker.session.accept(again))).toBe('REQUEST_REPLAYED');
  worker.session.erase(); // the keys of a boot die with it: a new boot has none that open it
  const reborn = makeWorker(world, 1);
  expect(await codeOf(() => reborn.session.accept(incoming))).toBe('REQUEST_REFUSED');
});

test('downgrade: no weaker suite, version or mode than the best that both ends have', async () => {
  const world = newWorld();
  const worker = makeWorker(world, 1);
  const strong = helloOf(1);
  const { attested } = await offerOf(worker, strong);
  // The router shows the worker a Hello with only the weak suite, and the client the offer that came of it.
  const weak = { ...helloOf(1, [KEM_X25519]) };
  const { offer } = await offerOf(worker, weak);
  expect(await verifyOffer(offer, strong, attested, policyOf(1), START)).toMatchObject({
    failed: ['bestSuite', 'modeProof'],
    severity: 'loud',
  });
  // A client that swallowed it gains the router nothing: the worker refuses to open under a worse suite.
  const swallowed = await verifyOffer(offer, weak, attested, policyOf(1), START);
  if (swallowed.verdict !== 'verified') throw new Error('the scene is wrong');
  const session = await openSession({ ...weak, bytes: strong.bytes }, [swallowed.offer], START);
  const { open, frames } = await sealRequest(session, askOf(utf8('x')), START, testRandomness(4));
  expect(await codeOf(async () => worker.session.accept(await dispatched(open, frames)))).toBe('OPEN_FAILED');
  const cached = helloOf(0);
  const inMode0 = await offerOf(worker, cached);
  expect(await verifyOffer(inMode0.offer, cached, inMode0.attested, policyOf(1), START)).toMatchObject({
    failed: ['leastMode'],
  });
});

test('over-count: a receipt or checkpoint over more than the final frame or the bytes that came is refused', async () => {
  const { workers, request } = await scene();
  const accepted = opened(await workers[0]!.session.accept(await dispatched(request.open, request.frames)));
  const reader = openResponse(request.sent, accepted.respond.preface);
  reader.push(accepted.respond.data(bytes(3, 1)));
  const greedy = await accepted.respond.checkpoint({ tokensIn: 10, tokensCached: 0, tokensOut: 500 });
  const early = await verifyReceiptAsClient(greedy, reader);
  expect(early.verdict === 'refused' && early.failed).toEqual(['usage']);
  const { frame, receipt } = await accepted.respond.final({ finish: 'stop', counts: COUNTS });
  reader.push(frame);
  expect((await verifyReceiptAsClient(receipt, reader)).verdict).toBe('verified');
  const honest = parseReceipt(receipt.receipt);
  const lie = async (change: Partial<Receipt>) => {
    const object = encodeReceipt({ ...honest, ...change });
    const signature = await ed25519Sign(ed25519Key(bytes(32, 101)), receiptDigest(object));
    const verdict = await verifyReceiptAsClient({ receipt: object, signature }, reader);
    return verdict.verdict === 'refused' ? verdict.failed : [];
  };
  expect(await lie({ counts: { ...honest.counts, tokensOut: honest.counts.tokensOut + 64 } })).toContain('usage');
  expect(await lie({ counts: { ...honest.counts, tokensOut: 4096 } })).toContain('counts');
  expect(await lie({ amount: honest.amount + 1n })).toEqual(['amount', 'usage']);
});

test('forged receipt: only the attested receipt key signs one, and only for the frames that came', async () => {
  const { workers, request } = await scene();
  const { preface, frames, receipt } = await answered(workers[0] as TestWorker, request);
  const reader = read(request.sent, preface, frames);
  const signedBy = async (seed: number) => ({
    receipt: receipt.receipt,
    signature: await ed25519Sign(ed25519Key(bytes(32, seed)), receiptDigest(receipt.receipt)),
  });
  for (const seed of [66, 1 /* IK: roles never share keys */, 102]) {
    const verdict = await verifyReceiptAsClient(await signedBy(seed), reader);
    expect(verdict.verdict === 'refused' && verdict.failed).toEqual(['signature']);
  }
  const other = await scene();
  const elsewhere = await answered(other.workers[0] as TestWorker, other.request);
  const verdict = await verifyReceiptAsClient(elsewhere.receipt, reader);
  expect(verdict.verdict).toBe('refused');
});
