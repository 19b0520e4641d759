import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ed25519Key, ed25519Sign } from '#crypto';
import { canonicalJsonBytes, concat, type Json, leafHash, toBase64, u64, utf8 } from '../../src/core/index.ts';
import {
  cosignedMessage,
  encodeBundle,
  encodeLeaf,
  formatCheckpoint,
  formatLogProof,
  formatNote,
  formatSignatureLine,
  formatVkey,
  KEY_TYPE,
  keysOfPolicy,
  type Leaf,
  parseBundle,
  parseCheckpoint,
  parseLeaf,
  parseLogPolicy,
  parseLogProof,
  parseNote,
  parseTilePath,
  parseVkey,
  policyHolds,
  tilePath,
  verifierKey,
  verifyCheckpoint,
  verifyLogProof,
  verifyNote,
} from '../../src/log/index.ts';
import { codeOf, ORIGIN } from './support.ts';

const signer = ed25519Key(new Uint8Array(32).fill(1));
const logKey = verifierKey(ORIGIN, KEY_TYPE.ed25519, signer.publicKey);
const cosigner = ed25519Key(new Uint8Array(32).fill(2));
const witnessKey = verifierKey('witness.example', KEY_TYPE.cosignature, cosigner.publicKey);
const entry = utf8('entry');
const checkpoint = { origin: ORIGIN, size: 1, root: leafHash(entry), extensions: [] };
const body = formatCheckpoint(checkpoint);

const logLine = async (text = body) => formatSignatureLine(logKey, await ed25519Sign(signer, utf8(text)));
const witnessLine = async (time: number, text = body) =>
  formatSignatureLine(witnessKey, concat(u64(time), await ed25519Sign(cosigner, cosignedMessage(time, text))));
const note = async () => formatNote(body, [await logLine(), await witnessLine(1_679_315_147)]);

test('a tile has one path, and a path one tile', () => {
  fc.assert(
    fc.property(
      fc.record({
        level: fc.oneof(fc.constant('entries' as const), fc.nat(63)),
        index: fc.maxSafeNat(),
        width: fc.integer({ min: 1, max: 256 }),
      }),
      (tile) => {
        expect(parseTilePath(tilePath(tile))).toEqual(tile);
      },
    ),
  );
  const wrong = ['tile/64/000', 'tile/00/000', 'tile/0/1', 'tile/0/x000/001', 'tile/0/000.p/256', 'tile/0/000.p/01'];
  for (const path of [
    ...wrong,
    'tile/0/000/',
    '/tile/0/000',
    'tile/0/001/000',
    'tile/0/x001',
    'tile/0/x999/x999/x999/x999/x999/999',
  ]) {
    expect(() => parseTilePath(path), path).toThrow();
  }
});

test('a bundle is read to its last byte', () => {
  const bundle = encodeBundle([utf8('a'), utf8(''), utf8('bcd')]);
  expect(parseBundle(bundle, 3)).toEqual([utf8('a'), utf8(''), utf8('bcd')]);
  for (let length = 0; length < bundle.length; length++)
    expect(() => parseBundle(bundle.subarray(0, length), 3)).toThrow();
  expect(() => parseBundle(encodeBundle(Array.from({ length: 256 }, () => entry)), 255)).toThrow();
  expect(() => encodeBundle([new Uint8Array(65_536)])).toThrow();
  expect(() => encodeBundle([])).toThrow();
});

test('a verifier key must carry its own id', async () => {
  const vkey = formatVkey(logKey);
  expect(parseVkey(vkey)).toEqual(logKey);
  const [name, id, key] = vkey.split('+') as [string, string, string];
  for (const wrong of [
    `${name}x+${id}+${key}`,
    `${name}+${id}`,
    `+${id}+${key}`,
    `${name}+00000000+${key}`,
    `${name}+${id.toUpperCase()}+${key}`,
    `${vkey}\n`,
    `${name} +${id}+${key}`,
  ]) {
    expect(['LOG_KEY_INVALID', 'ENCODING_INVALID'], wrong).toContain(await codeOf(() => parseVkey(wrong)));
  }
});

test('a note needs a known key, and no wrong signature of one', async () => {
  const whole = await note();
  expect((await verifyNote(whole, [logKey])).unverified).toHaveLength(1);
  expect((await verifyNote(whole, [logKey, witnessKey])).verified).toHaveLength(2);
  const twice = formatNote(body, [await logLine(), await logLine()]);
  expect((await verifyNote(twice, [logKey])).verified).toHaveLength(1);
  expect(await codeOf(verifyNote(whole, []))).toBe('LOG_SIGNATURE_MISSING');
  const other = formatNote(body, [await logLine(), formatSignatureLine(witnessKey, new Uint8Array(72))]);
  expect(await codeOf(verifyNote(other, [logKey, witnessKey]))).toBe('LOG_SIGNATURE_INVALID');
  expect(await codeOf(verifyNote(formatNote(body, [await logLine('x\n')]), [logKey]))).toBe('LOG_SIGNATURE_INVALID');
  const signedAt7 = await ed25519Sign(cosigner, cosignedMessage(7, body));
  const timed = formatNote(body, [formatSignatureLine(witnessKey, concat(u64(8), signedAt7))]);
  expect(await codeOf(verifyNote(timed, [witnessKey]))).toBe('LOG_SIGNATURE_INVALID');
});

test('every single-byte change of a signed checkpoint is refused', async () => {
  const whole = await note();
  for (let i = 0; i < whole.length; i++) {
    const changed = Uint8Array.from(whole, (byte, at) => (at === i ? byte ^ 1 : byte));
    expect(
      await codeOf(
        verifyCheckpoint(changed, [logKey, witnessKey], ORIGIN).then(async ({ verified }) => {
          // a changed name or key id makes a line unknown: it must not count as that key's any more
          if (verified.length < 2)
            throw new (await import('../../src/core/index.ts')).CodedError('LOG_SIGNATURE_MISSING', '');
        }),
      ),
      `byte ${i}`,
    ).not.toBe('no error');
  }
});

test('loose checkpoints are refused', () => {
  expect(parseCheckpoint(body)).toEqual(checkpoint);
  const root = toBase64(checkpoint.root);
  const wrong = [
    '',
    `${ORIGIN}\n1\n`,
    `${ORIGIN}\n01\n${root}\n`,
    `${ORIGIN}\n+1\n${root}\n`,
    `${ORIGIN}\n1\n${root}`,
    `\n1\n${root}\n`,
    `${ORIGIN}\n1\n${root}\n\n`,
    `${ORIGIN}\n1\n${root}x\n`,
    `${ORIGIN}\n1\n${root.slice(4)}\n`,
    `${ORIGIN}\n9007199254740992\n${root}\n`,
    `${ORIGIN}\r\n1\n${root}\n`,
  ];
  for (const text of wrong) expect(() => parseCheckpoint(text), JSON.stringify(text)).toThrow();
});

test('a proof file is read strictly and each of its checks can fail', async () => {
  const proof = formatLogProof({ index: 0, path: [], extra: utf8('x'), checkpoint: await note() });
  expect(parseLogProof(proof)).toMatchObject({ index: 0, path: [], extra: utf8('x') });
  expect(await verifyLogProof(entry, proof, formatVkey(logKey))).toMatchObject({
    verdict: 'verified',
    checkpoint: { size: 1 },
  });
  const failing = async (bytes: Uint8Array, text: string, key = formatVkey(logKey), origin?: string) => {
    const { checks } = await verifyLogProof(bytes, text, key, origin);
    return Object.entries(checks).flatMap(([name, { outcome }]) => (outcome === 'passed' ? [] : [name]));
  };
  expect(await failing(utf8('other'), proof)).toEqual(['inclusion']);
  expect(await failing(entry, proof.replace('index 0', 'index 1'))).toEqual(['inclusion']);
  expect(await failing(entry, proof, formatVkey(logKey), 'other.example/log')).toEqual(['originMatches']);
  const stranger = verifierKey(ORIGIN, KEY_TYPE.ed25519, cosigner.publicKey);
  expect(await failing(entry, proof, formatVkey(stranger))).toEqual(['checkpointSignature']);
  expect(await failing(entry, proof.replace(`\n1\n`, '\n2\n'))).toEqual(['checkpointSignature', 'inclusion']);
  expect(await failing(entry, proof.replace(`\n1\n`, '\n01\n'))).toContain('checkpointWellFormed');
  for (const wrong of [
    '',
    proof.slice(1),
    proof.replace('index 0', 'index 00'),
    proof.replace('index 0', 'index'),
    proof.replace('\n\n', '\n'),
    proof.replace('extra eA==', 'extra eA='),
  ]) {
    expect(() => parseLogProof(wrong)).toThrow();
  }
});

const leaf: Leaf = {
  v: 1,
  type: 'heartbeat',
  at: 1,
  src: 'log',
  subject: 'log',
  prev: null,
  body: { queueDepth: 0 },
  blobs: [],
  sig: [],
};

test('a leaf is canonical, whole and known, or refused; an unknown type is told apart', () => {
  expect(parseLeaf(encodeLeaf(leaf))).toEqual({ known: true, leaf });
  expect(parseLeaf(canonicalJsonBytes({ ...leaf, type: 'later' } as unknown as Json)).known).toBe(false);
  expect(parseLeaf(canonicalJsonBytes({ ...leaf, v: 2 } as unknown as Json)).known).toBe(false);
  const wrong: Record<string, unknown>[] = [
    { v: 0 },
    { v: '1' },
    { at: -1 },
    { at: 1.5 },
    { src: '' },
    { subject: 'A B' },
    { prev: -1 },
    { body: [] },
    { body: {} },
    { blobs: ['sha256:00'] },
    { sig: [{}] },
    { more: 1 },
    { body: { queueDepth: 0.5 } },
  ];
  for (const change of wrong) {
    expect(
      () => parseLeaf(canonicalJsonBytes({ ...leaf, ...change } as unknown as Json)),
      JSON.stringify(change),
    ).toThrow();
  }
  for (const field of Object.keys(leaf)) {
    expect(() => parseLeaf(canonicalJsonBytes({ ...leaf, [field]: undefined } as unknown as Json)), field).toThrow();
  }
  const text = new TextDecoder().decode(encodeLeaf(leaf));
  for (const loose of [
    ` ${text}`,
    text.replace('"at":1', '"at":1,"at":1'),
    text.replace('"at":1', '"at":1e0'),
    `${'['.repeat(4000)}`,
    'null',
  ]) {
    expect(() => parseLeaf(utf8(loose))).toThrow();
  }
  expect(() => encodeLeaf({ ...leaf, body: { queueDepth: 0, text: 'x'.repeat(9000) } })).toThrow();
});

test('a policy wants the log and a quorum of its witnesses', async () => {
  const third = verifierKey('third.example', KEY_TYPE.cosignature, ed25519Key(new Uint8Array(32).fill(3)).publicKey);
  const names = `log ${formatVkey(logKey)}\nwitness w1 ${formatVkey(witnessKey)}\nwitness w2 ${formatVkey(third)}\n`;
  const outcome = async (rule: string, signed: Uint8Array) => {
    const policy = parseLogPolicy(names + rule);
    return policyHolds(policy, await verifyCheckpoint(signed, keysOfPolicy(policy)));
  };
  const both = await note();
  const alone = formatNote(body, [await logLine()]);
  expect(await outcome('quorum w1\n', both)).toBe(true);
  expect(await outcome('group g any w1 w2\nquorum g\n', both)).toBe(true);
  expect(await outcome('group g 2 w1 w2\nquorum g\n', both)).toBe(false);
  expect(await outcome('quorum w1\n', alone)).toBe(false);
  expect(await outcome('quorum none\n', alone)).toBe(true);
  expect(await outcome('quorum none\n', formatNote(body, [await witnessLine(1)]))).toBe(false);
  for (const wrong of [
    '',
    'quorum w3\n',
    'quorum w1 # note\n',
    'quorum w1\nquorum w1\n',
    'group g 3 w1 w2\nquorum g\n',
    'group g any w1 w1\nquorum g\n',
    `witness w3 ${formatVkey(third)}\nquorum w1\n`,
    'group all any w1\nquorum none\n',
    'quorum w1\nbogus\n',
  ]) {
    expect(() => parseLogPolicy(names + wrong), wrong).toThrow();
  }
});

test('a hostile note is refused, never misread', () => {
  for (const text of [
    '',
    '\n\n',
    'a\n',
    'a\n\n',
    'a\n\nb\n',
    'a\n\n\u2014 x\n',
    'a\n\n\u2014 x AAAA\n',
    'a\n\n\u2014  x AAAAAAA=\n',
    'a\n\n\u2014 x+y AAAAAAA=\n',
    'a\u0001\n\n\u2014 x AAAAAAA=\n',
    'a\n\n\u2014 x AAAAAAA=',
  ]) {
    expect(() => parseNote(utf8(text)), JSON.stringify(text)).toThrow();
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      expect(() => parseNote(Uint8Array.from([...bytes, 10, 10]))).toThrow();
    }),
  );
});
