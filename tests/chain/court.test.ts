import { randomBytes } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { Address, beginCell, toNano } from '@ton/core';
import { beforeAll, describe, expect, test } from 'vitest';
import { createSimulatedIntel, openSimulatedIntel } from '../../src/attestation/simulate/index.ts';
import { Emulator } from '../../src/chain/dev/emulator.ts';
import {
  checkQuoteMessage,
  courtInit,
  DEVELOPMENT_NETWORK,
  type SignedQuote,
  signedQuoteOf,
} from '../../src/chain/index.ts';
import { sha256 } from '../../src/core/crypto/node.ts';
import { toHex } from '../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder, WHY_SKIPPED } from '../vectors.ts';
import { ContractBench } from './contract-bench.ts';
import { empty, expectRefused } from './fuzz.ts';

const stranger = new Address(0, Buffer.alloc(32, 0xf1));
const randomness = (length: number) => Uint8Array.from(randomBytes(length));
const VALUE = toNano('0.1');
let emulator: Emulator;
let court: ContractBench<null>;
let quote: SignedQuote;
beforeAll(async () => {
  emulator = await Emulator.create(DEVELOPMENT_NETWORK);
  court = new ContractBench(emulator, courtInit(DEVELOPMENT_NETWORK), () => null);
  await court.send(stranger, VALUE, empty);
  const machine = openSimulatedIntel(createSimulatedIntel(randomness)).machine({ name: 'court' });
  quote = signedQuoteOf(await machine.quote({ reportData: new Uint8Array(64).fill(9) }));
});
const check = (of: SignedQuote) => court.send(stranger, VALUE, checkQuoteMessage(of, 5n));
const flipped = (bytes: Uint8Array, bit: number) =>
  Uint8Array.from(bytes, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));

describe('a TDX quote’s signature, on chain', () => {
  test('is accepted, under the gas of one transaction, and answered with the quote’s hash', async () => {
    const outcome = await check(quote);
    expect(outcome.exitCode).toBe(0);
    expect(outcome.gas).toBeLessThan(1_000_000n);
    const reply = outcome.outgoing[0]!.body.beginParse();
    expect([reply.loadUint(32), reply.loadUint(64)]).toEqual([0x43540010, 5]);
    expect(reply.loadBuffer(32).toString('hex')).toBe(toHex(sha256(quote.signed)));
  });

  test('is refused with a bit of quote, signature or key flipped', async () => {
    for (const bit of [0, 48 * 8, 631 * 8 + 7])
      await expectRefused(court, 401, () => check({ ...quote, signed: flipped(quote.signed, bit) }));
    for (const part of ['r', 's', 'x', 'y'] as const) {
      await expectRefused(court, 401, () => check({ ...quote, [part]: flipped(quote[part], 255) }));
    }
  });

  test('is refused at the edges of the numbers: zero, the order, a point off the curve', async () => {
    const order = Uint8Array.from(Buffer.from(p256.Point.Fn.ORDER.toString(16).padStart(64, '0'), 'hex'));
    for (const part of ['r', 's'] as const) {
      for (const value of [new Uint8Array(32), order, new Uint8Array(32).fill(255)]) {
        await expectRefused(court, 401, () => check({ ...quote, [part]: value }));
      }
    }
    await expectRefused(court, 401, () => check({ ...quote, x: new Uint8Array(32), y: new Uint8Array(32) }));
    await expectRefused(court, 401, () => check({ ...quote, x: new Uint8Array(32).fill(255) }));
  });

  test('of another length or shape is no quote', async () => {
    for (const signed of [quote.signed.subarray(0, 631), new Uint8Array(633)]) {
      await expectRefused(court, 411, () => check({ ...quote, signed: Uint8Array.from(signed) }));
    }
    const short = beginCell().storeSlice(checkQuoteMessage(quote).beginParse()).storeBit(0).endCell();
    await expectRefused(court, 9, () => court.send(stranger, VALUE, short));
    await expectRefused(court, 450, () => court.send(stranger, VALUE - 1n, checkQuoteMessage(quote)));
    expect(() => signedQuoteOf(new Uint8Array(1000))).toThrow(
      expect.objectContaining({ code: 'EVIDENCE_UNSUPPORTED' }),
    );
  });
});

const folder = vectorsFolder('tdx');
type Vector = {
  id: string;
  quoteVersion: number;
  expected: { checks: { quoteSignature: boolean } };
  files: { quote: string };
};

test.skipIf(folder === null)(
  `real quotes of Intel’s are judged as their vectors say${folder === null ? ` (${WHY_SKIPPED})` : ''}`,
  async () => {
    const { vectors } = readVectorJson<{ vectors: Vector[] }>(folder as string, 'vectors.json');
    const real = vectors.filter(({ quoteVersion }) => quoteVersion === 4);
    expect(real.length).toBeGreaterThan(0);
    let accepted = 0;
    for (const { id, expected, files } of real) {
      const outcome = await check(signedQuoteOf(readVector(folder as string, files.quote)));
      expect(outcome.exitCode, id).toBe(expected.checks.quoteSignature ? 0 : 401);
      expect(outcome.gas, id).toBeLessThan(1_000_000n);
      if (outcome.exitCode === 0) accepted += 1;
    }
    expect(accepted).toBeGreaterThan(0);
  },
);

test('the arithmetic agrees with another implementation, for keys and messages drawn at random', async () => {
  for (let i = 0; i < 6; i++) {
    const secret = p256.utils.randomSecretKey();
    const signed = randomness(632);
    const signature = p256.sign(signed, secret, { lowS: false });
    const key = p256.getPublicKey(secret, false);
    const of = {
      signed,
      r: Uint8Array.from(signature.subarray(0, 32)),
      s: Uint8Array.from(signature.subarray(32, 64)),
      x: Uint8Array.from(key.subarray(1, 33)),
      y: Uint8Array.from(key.subarray(33, 65)),
    };
    const outcome = await check(of);
    expect(outcome.exitCode).toBe(0);
    expect(outcome.gas).toBeLessThan(1_000_000n);
    await expectRefused(court, 401, () => check({ ...of, signed: flipped(signed, i * 800) }));
  }
});
