import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  kemEncapsulate,
  kemPrivateKey,
  mlKem768Decapsulate,
  mlKem768Key,
  sha3_256,
  sha256,
  shake256,
  x25519,
} from '#crypto';
import { type Bytes, CodedError, concat, equalBytes, labelledDigest, toHex, utf8 } from '../../src/core/index.ts';
import { exporterSecret } from '../../src/session/hpke.ts';
import {
  cacheSalt,
  encodePriceSheet,
  KEM_XWING,
  parseEpochCertificate,
  parseHeader,
  parseHello,
  parseOffer,
  parsePreface,
  parsePriceSheet,
  parseReceipt,
  parseRequestPayload,
  parseUsage,
  prefixTags,
  type Receipt,
  sealRequest,
} from '../../src/session/index.ts';
import { answered, contains, everythingOf, scene } from './threat-scene.ts';
import { askOf, bytes, helloOf, offerOf, START, type TestWorker, testRandomness } from './world.ts';

/** AIS/1 section 12: threats to what travels, by name. The others are in threats.test.ts and threats-evidence.test.ts. */
test('quantum recorder: whoever breaks X25519 alone still lacks the session’s secret', async () => {
  const seed = bytes(32, 12);
  const key = await kemPrivateKey(KEM_XWING, seed);
  const made = await kemEncapsulate(KEM_XWING, key.publicKey);
  if (made === null) throw new Error('no encapsulation');
  const expanded = shake256(seed, 96);
  const theirs = made.enc.subarray(1088);
  // What the recorder computes: the X25519 share exactly, and everything public.
  const broken = await x25519(expanded.subarray(64), theirs);
  const combined = (mlKem: Uint8Array) =>
    sha3_256(concat(mlKem, broken as Bytes, theirs, key.publicKey.subarray(1184), utf8('\\.//^\\')));
  expect(equalBytes(combined(bytes(32, 0)), made.sharedSecret)).toBe(false);
  const mlKem = await mlKem768Key(expanded.subarray(0, 64));
  const share = await mlKem768Decapsulate(mlKem, made.enc.subarray(0, 1088));
  expect(equalBytes(combined(share as Bytes), made.sharedSecret)).toBe(true); // only with it
  expect((await scene()).session.candidates[0]?.offer.certificate.kem).toBe(KEM_XWING);
  expect(exporterSecret(KEM_XWING, combined(bytes(32, 0)), bytes(1, 1))).not.toEqual(
    exporterSecret(KEM_XWING, Uint8Array.from(made.sharedSecret), bytes(1, 1)),
  );
});

test('prompt guessing by hash: equal prompts show nothing equal, and no hash of the prompt travels', async () => {
  const prompt = utf8('was I right to sell?');
  const { workers, session, request, random } = await scene(1, prompt);
  const again = await sealRequest(session, askOf(prompt), START, random);
  const receipts = [];
  for (const one of [request, again]) {
    const { preface, frames, receipt } = await answered(workers[0] as TestWorker, one);
    const carried = concat(everythingOf(one.open, one.frames), preface, ...frames, receipt.receipt);
    for (const guess of [sha256(prompt), labelledDigest('request', prompt), sha256(concat(bytes(4, 0), prompt))]) {
      expect(contains(carried, guess)).toBe(false);
    }
    receipts.push(parseReceipt(receipt.receipt));
  }
  const [a, b] = receipts as [Receipt, Receipt];
  expect(a.requestCommitment).not.toEqual(b.requestCommitment);
  expect(a.responseCommitment).not.toEqual(b.responseCommitment);
});

test('prefix-cache timing: another user’s cache secret gives another salt and other tags', () => {
  const tokens = Uint32Array.from({ length: 1024 }, (_, i) => i);
  const tags = (user: number) => toHex(prefixTags(bytes(32, user), bytes(32, 4), tokens, START, testRandomness(1)));
  expect(tags(1).slice(0, 12)).not.toBe(tags(2).slice(0, 12));
  expect(cacheSalt(bytes(32, 1), bytes(32, 4))).not.toEqual(cacheSalt(bytes(32, 2), bytes(32, 4)));
  expect(cacheSalt(bytes(32, 1), bytes(32, 4))).toEqual(cacheSalt(bytes(32, 1), bytes(32, 4)));
});

test('nonce reuse: equal plaintexts of many requests, directions and candidates never share a ciphertext block', async () => {
  const { workers, session, random } = await scene(2);
  const blocks = new Set<string>();
  let count = 0;
  for (let i = 0; i < 12; i++) {
    const request = await sealRequest(session, askOf(bytes(252, 7)), START, random);
    const pieces = [...request.frames, ...request.open.candidates.map(({ wrap }) => wrap)];
    for (const place of [0, 1]) pieces.push(...(await answered(workers[place] as TestWorker, request, place)).frames);
    for (const piece of pieces) {
      blocks.add(toHex(piece.subarray(1, 17)));
      count++;
    }
  }
  expect(blocks.size).toBe(count);
});

test('parser bugs: whatever bytes come, every reader of AIS/1 objects answers or refuses with its code', async () => {
  const { request, workers } = await scene(3);
  const { preface, receipt } = await answered(workers[0] as TestWorker, request);
  const own = helloOf(1);
  const { offer } = await offerOf(workers[0] as TestWorker, own);
  const readers: readonly [(b: Uint8Array) => unknown, Uint8Array][] = [
    [parseHeader, request.open.header],
    [parseHello, own.bytes],
    [parseOffer, offer],
    [parseEpochCertificate, parseOffer(offer).certificate],
    [parseReceipt, receipt.receipt],
    [parsePreface, preface],
    [parseUsage, bytes(21, 0)],
    [parsePriceSheet, encodePriceSheet(request.sent.price)],
    [parseRequestPayload, utf8('{"v":1}')],
  ];
  const never = (reader: (b: Uint8Array) => unknown, input: Uint8Array) => {
    try {
      reader(input);
    } catch (error) {
      expect(error).toBeInstanceOf(CodedError);
      expect(['OBJECT_MALFORMED', 'REQUEST_MALFORMED', 'ENCODING_INVALID']).toContain((error as CodedError).code);
    }
  };
  for (const [reader, good] of readers) {
    for (let cut = 0; cut < good.length; cut += Math.max(1, good.length >> 6)) never(reader, good.subarray(0, cut));
    never(reader, concat(good, bytes(1, 0)));
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 600 }),
        fc.nat(good.length - 1),
        fc.integer({ min: 1, max: 255 }),
        (noise, at, by) => {
          never(reader, noise);
          const changed = Uint8Array.from(good);
          changed[at] = (changed[at] as number) ^ by;
          never(reader, changed);
        },
      ),
      { numRuns: 60 },
    );
  }
});
