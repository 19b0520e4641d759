import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc, { type Arbitrary } from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { VECTORS_FILE } from '../../scripts/session-vectors/make.ts';
import { utf8 } from '../../src/core/index.ts';
import { readVectorJson, vectorsFolder, WHY_SKIPPED } from '../vectors.ts';
import { ASKED, CALL_NAMES, type Call, type CallName, CRYPTO_EXPORTS } from './asked.ts';
import { openPage, type Page, WHY_NO_BROWSER, WITHOUT_BROWSER } from './chromium.ts';
import {
  ecKey,
  goodRsa,
  hostileEcdsa,
  hostileEd25519,
  hostileRsa,
  kemCalls,
  rsaKey,
  signatureCalls,
  symmetricCalls,
  x,
} from './crypto-inputs.ts';

/** Keys are drawn, and a browser shares the machine with the other tests. */
vi.setConfig({ testTimeout: 120_000 });

let page: Page;
beforeAll(async () => {
  if (!WITHOUT_BROWSER) page = await openPage();
});
afterAll(() => page?.close());

const asked = new Set<CallName>();

/** Asks both, and gives what both answered. */
async function alike(calls: readonly Call[]): Promise<readonly string[]> {
  for (const { name } of calls) asked.add(name);
  const [here, there] = await Promise.all([ASKED.calls(calls), page.ask('calls', calls)]);
  const differ = calls.flatMap((call, at) =>
    here[at] === there[at] ? [] : [{ call, node: here[at], browser: there[at] }],
  );
  expect(differ).toEqual([]);
  return here;
}

const RUNS = { numRuns: 25 };
/** Asks from each kind once in every run, and from any of them beside: chance leaves no function out. */
const agree = (kinds: readonly Arbitrary<Call>[]) =>
  fc.assert(
    fc.asyncProperty(fc.tuple(...kinds), fc.array(fc.oneof(...kinds), { maxLength: 30 }), async (each, more) => {
      await alike([...each, ...more]);
    }),
    RUNS,
  );

/** Which of the named questions hold. */
async function holding(cases: Readonly<Record<string, Call>>): Promise<string[]> {
  const names = Object.keys(cases);
  const answers = await alike(Object.values(cases));
  for (const answer of answers) expect(['true', 'false']).toContain(answer);
  return names.filter((_, at) => answers[at] === 'true');
}

describe.skipIf(WITHOUT_BROWSER)(
  `#crypto in Chromium and in Node${WITHOUT_BROWSER ? `: ${WHY_NO_BROWSER}` : ''}`,
  () => {
    test('have the same exports', async () => {
      expect(await page.ask('exports', [])).toEqual(CRYPTO_EXPORTS);
    });

    test('refuse the same keys and signatures', async () => {
      const message = utf8('one message');
      for (const curve of ['P-256', 'P-384'] as const) {
        expect(await holding(hostileEcdsa(ecKey(curve), message))).toEqual([
          'valid',
          'twin',
          'otherHash',
          'longHash',
          'ownHashNamed',
        ]);
      }
      expect(await holding(hostileEd25519(new Uint8Array(32).fill(5), message))).toEqual(['valid']);
      const rsa = ['pss', 'pkcs1', 'pssNoSalt', 'pssSha512', 'rewritten'];
      for (const bits of [2048, 2049, 3072]) {
        expect(await holding(hostileRsa(rsaKey(bits), message))).toEqual(rsa);
      }
      for (const bits of [1024, 2047]) expect(await holding(goodRsa(rsaKey(bits), message))).toEqual([]);
    });

    test('agree on hashes, MACs, key derivation and AEAD', () => agree(symmetricCalls()));

    test('agree on signatures', () =>
      agree(signatureCalls([ecKey('P-256'), ecKey('P-384')], [rsaKey(2048), rsaKey(2049)])));

    test('agree on KEMs and lattice keys', async () => agree(await kemCalls()));

    test('open what the other sealed, and verify what it signed', async () => {
      const seed = x(new Uint8Array(32).fill(21));
      const seeds = { kemDecapsulate: seed, mlKem768Decapsulate: seed + seed.slice(1) };
      const [xwing, dhkem, mlKem, mlDsa] = (await alike([
        { name: 'kemPrivateKey', with: [0x647a, seed] },
        { name: 'kemPrivateKey', with: [0x0020, seed] },
        { name: 'mlKem768Key', with: [seeds.mlKem768Decapsulate] },
        { name: 'mlDsa44Key', with: [seed] },
      ])) as [string, string, string, string];
      const makes: Call[] = [
        { name: 'kemEncapsulate', with: [0x647a, `x${xwing}`] },
        { name: 'kemEncapsulate', with: [0x0020, `x${dhkem}`] },
        { name: 'mlKem768Encapsulate', with: [`x${mlKem}`] },
        { name: 'mlDsa44Sign', with: [seed, 'x00'] },
      ];
      for (const { name } of makes) asked.add(name);
      for (const made of [await ASKED.calls(makes), await page.ask('calls', makes)]) {
        const [a, b, c] = made.slice(0, 3).map((one) => one.split(' ')) as [string[], string[], string[]];
        const opened = await alike([
          { name: 'kemDecapsulate', with: [0x647a, seed, `x${a[0]}`] },
          { name: 'kemDecapsulate', with: [0x0020, seed, `x${b[0]}`] },
          { name: 'mlKem768Decapsulate', with: [seeds.mlKem768Decapsulate, `x${c[0]}`] },
          { name: 'mlDsa44Verify', with: [`x${mlDsa}`, 'x00', `x${made[3]}`] },
        ]);
        expect(opened).toEqual([a[1], b[1], c[1], 'true']);
      }
      const refused = await alike([
        { name: 'kemEncapsulate', with: [0x647a, `x${'ff'.repeat(1216)}`] },
        { name: 'kemEncapsulate', with: [0x647a, `x${xwing.slice(0, -64)}${'00'.repeat(32)}`] },
        { name: 'kemEncapsulate', with: [0x0020, `x${'00'.repeat(32)}`] },
        { name: 'kemEncapsulate', with: [0x0020, 'x00'] },
        { name: 'mlKem768Encapsulate', with: [`x${'ff'.repeat(1184)}`] },
      ]);
      expect(new Set(refused)).toEqual(new Set(['null']));
    });

    test('make the same vectors of AIS/1, from both ends of every exchange', async () => {
      expect(await page.ask('session', [])).toEqual([readFileSync(VECTORS_FILE, 'utf8')]);
    });
  },
);

type Case = Readonly<Record<string, string>> & Readonly<{ size: number }>;
type Group = Readonly<{ ivSize?: number; keySize?: number; tests: readonly Case[] }>;
type Hpke = Readonly<Record<string, string>> &
  Readonly<{ mode: number; kem_id: 0x647a; kdf_id: number; aead_id: number }> &
  Readonly<{ exports: readonly { exporter_context: string; L: number; exported_value: string }[] }>;

const folder = vectorsFolder('hpke');
const why = WITHOUT_BROWSER ? WHY_NO_BROWSER : folder === null ? WHY_SKIPPED : '';

function groups(file: string): readonly Group[] {
  const bytes = readFileSync(join(folder as string, file));
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  return (JSON.parse(text) as { testGroups: Group[] }).testGroups;
}

describe.skipIf(why !== '')(
  `all published vectors of KEMs, AEAD and HKDF in both${why === '' ? '' : `: ${why}`}`,
  () => {
    const ofTests = (
      file: string,
      calls: (c: Case) => readonly Call[],
      takes: (group: Group) => boolean = () => true,
    ) => {
      const made = groups(file)
        .filter(takes)
        .flatMap(({ tests }) => tests.flatMap(calls));
      expect(made.length).toBeGreaterThan(20);
      return made;
    };

    test.each<[string, (c: Case) => readonly Call[], ((group: Group) => boolean)?]>([
      ['wycheproof-x25519_test.json', (c) => [{ name: 'x25519', with: [`x${c.private}`, `x${c.public}`] }]],
      [
        'wycheproof-hkdf_sha256_test.json',
        (c) => [
          { name: 'hkdfExtract', with: [`x${c.salt}`, `x${c.ikm}`] },
          { name: 'hkdfExpand', with: [`x${c.ikm}`, `x${c.info}`, c.size] },
        ],
      ],
      [
        'wycheproof-aes_gcm_test.json',
        (c) => [
          { name: 'aeadOpen', with: [`x${c.key}`, `x${c.iv}`, `x${c.aad}`, `x${c.ct}${c.tag}`] },
          { name: 'aeadSeal', with: [`x${c.key}`, `x${c.iv}`, `x${c.aad}`, `x${c.msg}`] },
        ],
      ],
      ['wycheproof-mlkem_768_keygen_seed_test.json.gz', (c) => [{ name: 'mlKem768Key', with: [`x${c.seed}`] }]],
      ['wycheproof-mlkem_768_test.json.gz', (c) => [{ name: 'mlKem768Decapsulate', with: [`x${c.seed}`, `x${c.c}`] }]],
    ])('%s', async (file, calls) => {
      const answers = await alike(ofTests(file, calls));
      expect(new Set(answers).size).toBeGreaterThan(5);
    });

    test('wycheproof-mlkem_768_encaps_test.json.gz: the same keys are refused', async () => {
      const calls = ofTests('wycheproof-mlkem_768_encaps_test.json.gz', (c) => [
        { name: 'mlKem768Encapsulate', with: [`x${c.ek}`] },
      ]);
      const [here, there] = await Promise.all([ASKED.calls(calls), page.ask('calls', calls)]);
      const refused = (answers: readonly string[]) => answers.map((answer) => answer === 'null');
      expect(refused(there)).toEqual(refused(here));
      expect(new Set(refused(here)).size).toBe(2);
    });

    test.each(['xwing.json', 'rfc9180.json', 'hpke-pq.json'])('%s', async (file) => {
      const cases = readVectorJson<Hpke[]>(folder as string, file);
      const isXwing = file === 'xwing.json';
      const ours = cases.filter(
        (c) => isXwing || (c.mode === 0 && (c.kem_id === 0x647a || Number(c.kem_id) === 0x20) && c.kdf_id === 1),
      );
      expect(ours.length).toBeGreaterThan(0);
      for (const c of ours) {
        const kem = isXwing ? 0x647a : c.kem_id;
        const [publicKey, secret] = await alike([
          { name: 'kemPrivateKey', with: [kem, `x${c.skRm ?? c.sk}`] },
          { name: 'kemDecapsulate', with: [kem, `x${c.skRm ?? c.sk}`, `x${c.enc ?? c.ct}`] },
        ]);
        expect([publicKey, secret]).toEqual([c.pkRm ?? c.pk, c.shared_secret ?? c.ss]);
        for (const { exporter_context, L, exported_value } of c.exports ?? []) {
          const given = [kem, `x${c.shared_secret}`, `x${c.info}`, c.aead_id, `x${exporter_context}`, L];
          expect(await alike([{ name: 'hpkeExport', with: given }])).toEqual([exported_value]);
        }
      }
    });

    test('no function was left out', () => {
      expect(CALL_NAMES.filter((name) => !asked.has(name))).toEqual([]);
      expect(page.problems).toEqual([]);
    });
  },
);
