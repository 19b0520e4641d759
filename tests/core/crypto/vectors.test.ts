import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  aeadKey,
  aeadOpen,
  aeadSeal,
  hkdfExpand,
  hkdfExtract,
  kemDecapsulate,
  kemEncapsulate,
  kemErase,
  kemPrivateKey,
  mlKem768Decapsulate,
  mlKem768Encapsulate,
  mlKem768Key,
  x25519,
} from '#crypto';
import { fromHex, toHex } from '../../../src/core/index.ts';
import { readVectorJson, vectorsFolder, WHY_SKIPPED } from '../../vectors.ts';

type Case = Readonly<Record<string, string>> & Readonly<{ tcId: number; flags?: readonly string[]; size: number }>;
type Group = Readonly<{ type: string; ivSize?: number; keySize?: number; tests: readonly Case[] }>;

const folder = vectorsFolder('hpke');

function groups(file: string): readonly Group[] {
  const at = folder as string;
  const read = file.endsWith('.gz')
    ? (JSON.parse(gunzipSync(readFileSync(join(at, file))).toString('utf8')) as { testGroups: Group[] })
    : readVectorJson<{ testGroups: Group[] }>(at, file);
  expect(read.testGroups.flatMap((group) => group.tests).length).toBeGreaterThan(0);
  return read.testGroups;
}

const hex = (bytes: Uint8Array | null) => (bytes === null ? null : toHex(bytes));

describe.skipIf(folder === null)(`published vectors${folder === null ? `: ${WHY_SKIPPED}` : ''}`, () => {
  test('X25519: every result, and no all-zero one', async () => {
    for (const { tests } of groups('wycheproof-x25519_test.json')) {
      for (const c of tests) {
        const got = hex(await x25519(fromHex(c.private as string), fromHex(c.public as string)));
        expect(got, `tcId ${c.tcId}`).toBe(c.flags?.includes('ZeroSharedSecret') ? null : c.shared);
      }
    }
  });

  test('HKDF-SHA-256', () => {
    for (const { tests } of groups('wycheproof-hkdf_sha256_test.json')) {
      for (const c of tests) {
        const derive = () =>
          toHex(
            hkdfExpand(
              hkdfExtract(fromHex(c.salt as string), fromHex(c.ikm as string)),
              fromHex(c.info as string),
              c.size,
            ),
          );
        if (c.result === 'valid') expect(derive(), `tcId ${c.tcId}`).toBe(c.okm);
        else expect(derive, `tcId ${c.tcId}`).toThrow(RangeError);
      }
    }
  });

  test('AES-256-GCM with 12-byte nonces', () => {
    let run = 0;
    for (const group of groups('wycheproof-aes_gcm_test.json')) {
      if (group.keySize !== 256 || group.ivSize !== 96) continue;
      for (const c of group.tests) {
        const [key, nonce, aad, message] = ['key', 'iv', 'aad', 'msg'].map((f) => fromHex(c[f] as string)) as [
          Uint8Array,
          Uint8Array,
          Uint8Array,
          Uint8Array,
        ];
        const sealed = fromHex(`${c.ct}${c.tag}`);
        const opened = aeadOpen(aeadKey(key), nonce, aad, sealed);
        expect(hex(opened), `tcId ${c.tcId}`).toBe(c.result === 'valid' ? c.msg : null);
        if (c.result === 'valid') expect(toHex(aeadSeal(aeadKey(key), nonce, aad, message))).toBe(toHex(sealed));
        run++;
      }
    }
    expect(run).toBeGreaterThan(50);
  });

  test('ML-KEM-768: keys from seeds', async () => {
    for (const { tests } of groups('wycheproof-mlkem_768_keygen_seed_test.json.gz')) {
      for (const c of tests) {
        expect(hex((await mlKem768Key(fromHex(c.seed as string))).publicKey), `tcId ${c.tcId}`).toBe(c.ek);
      }
    }
  });

  test('ML-KEM-768: decapsulation, wrong lengths refused', async () => {
    for (const { tests } of groups('wycheproof-mlkem_768_test.json.gz')) {
      for (const c of tests) {
        const open = async () =>
          hex(await mlKem768Decapsulate(await mlKem768Key(fromHex(c.seed as string)), fromHex(c.c as string)));
        const got = await open().catch((error: unknown) => {
          expect(error).toBeInstanceOf(RangeError);
          return null;
        });
        expect(got, `tcId ${c.tcId}`).toBe(c.result === 'valid' ? c.K : null);
      }
    }
  });

  test('ML-KEM-768: an encapsulation key out of range or of wrong length is refused', async () => {
    for (const { tests } of groups('wycheproof-mlkem_768_encaps_test.json.gz')) {
      for (const c of tests) {
        const got = await mlKem768Encapsulate(fromHex(c.ek as string));
        expect(got !== null, `tcId ${c.tcId}`).toBe(c.result === 'valid');
      }
    }
  });

  test('X-Wing: key from seed, decapsulation', async () => {
    const cases = readVectorJson<Record<string, string>[]>(folder as string, 'xwing.json');
    expect(cases.length).toBeGreaterThan(0);
    for (const c of cases) {
      const key = await kemPrivateKey(0x647a, fromHex(c.sk as string));
      expect(toHex(key.publicKey)).toBe(c.pk);
      expect(hex(await kemDecapsulate(key, fromHex(c.ct as string)))).toBe(c.ss);
    }
  });
});

for (const kem of [0x647a, 0x0020] as const) {
  test(`KEM ${kem.toString(16)}: both ends agree; wrong lengths, all-zero points and an erased key are refused`, async () => {
    const key = await kemPrivateKey(kem, new Uint8Array(32).fill(7));
    const made = await kemEncapsulate(kem, key.publicKey);
    if (made === null) throw new Error('no encapsulation');
    expect(await kemDecapsulate(key, made.enc)).toEqual(made.sharedSecret);
    expect(await kemDecapsulate(key, made.enc.subarray(1))).toBeNull();
    expect(await kemEncapsulate(kem, key.publicKey.subarray(1))).toBeNull();
    const zeroPoint = Uint8Array.from(key.publicKey).fill(0, key.publicKey.length - 32);
    expect(await kemEncapsulate(kem, zeroPoint)).toBeNull();
    expect(await kemDecapsulate(key, Uint8Array.from(made.enc).fill(0, made.enc.length - 32))).toBeNull();
    kemErase(key);
    expect(await kemDecapsulate(key, made.enc)).toBeNull();
  });
}
