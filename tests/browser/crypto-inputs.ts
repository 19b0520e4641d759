import * as nodeCrypto from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import fc, { type Arbitrary } from 'fast-check';
import { kemEncapsulate, kemPrivateKey, mlDsa44Key, mlDsa44Sign, mlKem768Encapsulate, mlKem768Key } from '#crypto';
import * as der from '../../src/attestation/simulate/der.ts';
import { concat, fromHex, toHex } from '../../src/core/index.ts';
import type { Argument, Call, CallName } from './asked.ts';

export const x = (data: Uint8Array): string => `x${toHex(data)}`;
const call = (name: CallName, ...given: readonly Argument[]): Call => ({ name, with: given });
export const CURVES = {
  'P-256': { name: 'P-256', hash: 'sha256', width: 32 },
  'P-384': { name: 'P-384', hash: 'sha384', width: 48 },
} as const;
type Curve = keyof typeof CURVES;
const ORDER: Readonly<Record<Curve, bigint>> = {
  'P-256': 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  'P-384': 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
};
const FIELD: Readonly<Record<Curve, bigint>> = {
  'P-256': 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
  'P-384': 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffffn,
};

const bigEndian = (value: bigint, width: number) => fromHex(value.toString(16).padStart(2 * width, '0'));
const numberOf = (bytes: Uint8Array) => BigInt(`0x${toHex(bytes)}`);
export const littleEndian = (value: bigint) => bigEndian(value, 32).reverse();

export type EcKey = Readonly<{
  curve: Curve;
  point: Uint8Array;
  sign: (message: Uint8Array, hash?: string) => Uint8Array;
}>;

export function ecKey(curve: Curve): EcKey {
  const { privateKey, publicKey } = nodeCrypto.generateKeyPairSync('ec', { namedCurve: curve });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const { width, hash: own } = CURVES[curve];
  return {
    curve,
    point: Uint8Array.from(spki.subarray(spki.length - 1 - 2 * width)),
    sign: (message, hash = own) =>
      Uint8Array.from(nodeCrypto.sign(hash, message, { key: privateKey, dsaEncoding: 'ieee-p1363' })),
  };
}

/** Each way in which a valid ECDSA question can be made another, by name; `twin` alone still holds. */
export function hostileEcdsa({ curve, point, sign }: EcKey, message: Uint8Array): Readonly<Record<string, Call>> {
  const { width } = CURVES[curve];
  const n = ORDER[curve];
  const p = FIELD[curve];
  const signature = sign(message);
  const r = signature.subarray(0, width);
  const s = numberOf(signature.subarray(width));
  const ask = (key: Uint8Array, of: Uint8Array, ...hash: readonly string[]) =>
    call('ecdsaVerify', curve, x(key), x(message), x(of), ...hash);
  const withS = (value: bigint) => concat(r, bigEndian(value, width));
  const withR = (value: bigint) => concat(bigEndian(value, width), signature.subarray(width));
  const coordinates = (a: Uint8Array, b: Uint8Array) => concat(Uint8Array.of(4), a, b);
  const [px, py] = [point.subarray(1, 1 + width), point.subarray(1 + width)];
  const mirrored = coordinates(px, bigEndian(p - numberOf(py), width));
  const wide = (value: Uint8Array) =>
    numberOf(value) + p < 1n << BigInt(8 * width) ? bigEndian(numberOf(value) + p, width) : value;
  const other = curve === 'P-256' ? 'sha384' : 'sha256';
  return {
    valid: ask(point, signature),
    twin: ask(point, withS(n - s)),
    otherHash: ask(point, sign(message, other), other),
    longHash: ask(point, sign(message, 'sha512'), 'sha512'),
    wrongLongHash: ask(point, signature, 'sha512'),
    ownHashNamed: ask(point, signature, CURVES[curve].hash),
    wrongHash: ask(point, signature, other),
    rZero: ask(point, withR(0n)),
    rOrder: ask(point, withR(n)),
    sZero: ask(point, withS(0n)),
    sOrder: ask(point, withS(n)),
    allOnes: ask(point, new Uint8Array(2 * width).fill(0xff)),
    allZero: ask(point, new Uint8Array(2 * width)),
    cut: ask(point, signature.subarray(1)),
    followed: ask(point, concat(signature, Uint8Array.of(0))),
    asDer: ask(point, der.sequence(der.integer(5), der.integer(6))),
    negated: ask(mirrored, signature),
    offCurve: ask(coordinates(px, px), signature),
    zeroPoint: ask(coordinates(new Uint8Array(width), new Uint8Array(width)), signature),
    infinity: ask(Uint8Array.of(0), signature),
    compressed: ask(concat(Uint8Array.of(2), px), signature),
    hybrid: ask(concat(Uint8Array.of(6), px, py), signature),
    wideCoordinate: ask(coordinates(bigEndian(p, width), wide(py)), signature),
    noKey: ask(new Uint8Array(0), signature),
    otherCurve: call('ecdsaVerify', curve === 'P-256' ? 'P-384' : 'P-256', x(point), x(message), x(signature)),
  };
}

/** Points whose order divides 8, and the ways to write them that are not canonical. */
export const SMALL_POINTS: readonly Uint8Array[] = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].flatMap((hex) => {
  const bytes = fromHex(hex);
  const signed = Uint8Array.from(bytes);
  signed[31] = (signed[31] as number) | 0x80;
  return [bytes, signed];
});

const { Point } = ed25519;
const TORSION = Point.fromBytes(fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'));
const L = Point.Fn.ORDER;

/** The same for Ed25519, under a key from this seed. */
export function hostileEd25519(seed: Uint8Array, message: Uint8Array): Readonly<Record<string, Call>> {
  const key = ed25519.getPublicKey(seed);
  const signature = ed25519.sign(message, seed);
  const r = signature.subarray(0, 32);
  const s = numberOf(Uint8Array.from(signature.subarray(32)).reverse());
  const ask = (publicKey: Uint8Array, of: Uint8Array) => call('ed25519Verify', x(publicKey), x(message), x(of));
  const shifted = Point.fromBytes(key).add(TORSION).toBytes();
  const shiftedR = Point.fromBytes(r).add(TORSION).toBytes();
  const cases: Record<string, Call> = {
    valid: ask(key, signature),
    sPlusOrder: ask(key, concat(r, littleEndian(s + L))),
    sZero: ask(key, concat(r, new Uint8Array(32))),
    sOnes: ask(key, concat(r, new Uint8Array(32).fill(0xff))),
    mixedKey: ask(shifted, signature),
    mixedKeySigned: ask(shifted, mixedSignature(seed, shifted, message)),
    mixedCommitment: ask(key, concat(shiftedR, signature.subarray(32))),
    cut: ask(key, signature.subarray(1)),
    followed: ask(key, concat(signature, Uint8Array.of(0))),
    shortKey: ask(key.subarray(1), signature),
    notOnCurve: ask(Uint8Array.of(2, ...new Uint8Array(31)), signature),
  };
  for (const [at, point] of SMALL_POINTS.entries()) {
    // Holds for every message under a point of order 1, where nobody looks.
    cases[`smallKey${at}`] = ask(point, concat(point, new Uint8Array(32)));
    cases[`smallCommitment${at}`] = ask(key, concat(point, signature.subarray(32)));
  }
  return cases;
}

/** A signature whose challenge is over a key with a component of small order: libraries differ on it by cofactor. */
function mixedSignature(seed: Uint8Array, key: Uint8Array, message: Uint8Array): Uint8Array {
  const { scalar } = ed25519.utils.getExtendedPublicKey(seed);
  const k = 7n;
  const commitment = Point.BASE.multiply(k).toBytes();
  const digest = nodeCrypto.createHash('sha512').update(commitment).update(key).update(message).digest();
  const challenge = numberOf(Uint8Array.from(digest).reverse()) % L;
  return concat(commitment, littleEndian((k + challenge * scalar) % L));
}

export type RsaKey = Readonly<{ spki: Uint8Array; key: nodeCrypto.KeyObject; modulus: Uint8Array }>;

export function rsaKey(bits: number, exponent = 65_537): RsaKey {
  const { privateKey, publicKey } = nodeCrypto.generateKeyPairSync('rsa', {
    modulusLength: bits,
    publicExponent: exponent,
  });
  const { n = '' } = publicKey.export({ format: 'jwk' });
  return {
    spki: Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' })),
    key: privateKey,
    modulus: Uint8Array.from(Buffer.from(n, 'base64url')),
  };
}

const RSA_ENCRYPTION = der.sequence(der.oid('1.2.840.113549.1.1.1'), Uint8Array.of(5, 0));
const RSA_PSS = der.sequence(der.oid('1.2.840.113549.1.1.10'));
const unsigned = (value: Uint8Array) => {
  const padded = (value[0] as number) >= 0x80 ? concat(Uint8Array.of(0), value) : value;
  return concat(Uint8Array.of(2, 0x82, padded.length >> 8, padded.length & 0xff), padded);
};
const spkiOf = (modulus: Uint8Array, exponent: Uint8Array, algorithm = RSA_ENCRYPTION) =>
  der.sequence(algorithm, der.bitString(der.sequence(unsigned(modulus), exponent)));

/** What the key's holder signed, both paddings. */
export function goodRsa({ key, spki }: RsaKey, message: Uint8Array): Readonly<Record<string, Call>> {
  const padding = nodeCrypto.constants.RSA_PKCS1_PSS_PADDING;
  const pss = Uint8Array.from(nodeCrypto.sign('sha384', message, { key, padding, saltLength: 48 }));
  const pkcs1 = Uint8Array.from(nodeCrypto.sign('sha256', message, key));
  return {
    pss: call('rsaPssVerify', x(spki), 'sha384', 48, x(message), x(pss)),
    pkcs1: call('rsaPkcs1Verify', x(spki), 'sha256', x(message), x(pkcs1)),
  };
}

/** The same for RSA, both paddings. */
export function hostileRsa(own: RsaKey, message: Uint8Array): Readonly<Record<string, Call>> {
  const { key, spki, modulus } = own;
  const padding = nodeCrypto.constants.RSA_PKCS1_PSS_PADDING;
  const pss = (saltLength: number, hash = 'sha384') =>
    Uint8Array.from(nodeCrypto.sign(hash, message, { key, padding, saltLength }));
  const pkcs1 = Uint8Array.from(nodeCrypto.sign('sha256', message, key));
  const ask = (of: Uint8Array, salt: number, by = spki, hash = 'sha384') =>
    call('rsaPssVerify', x(by), hash, salt, x(message), x(of));
  const plain = (of: Uint8Array, by = spki, hash = 'sha256') => call('rsaPkcs1Verify', x(by), hash, x(message), x(of));
  const e = der.integer(65_537);
  const even = Uint8Array.from(modulus);
  even[even.length - 1] = (even.at(-1) as number) & 0xfe;
  return {
    ...goodRsa(own, message),
    pssNoSalt: ask(pss(0), 0),
    pssSha512: ask(pss(64, 'sha512'), 64, spki, 'sha512'),
    pssOtherSalt: ask(pss(32), 48),
    pssOtherHash: ask(pss(48), 48, spki, 'sha256'),
    pssAnySalt: ask(pss(48), -2),
    pssLongestSalt: ask(pss(48), -3),
    pssHugeSalt: ask(pss(48), 4096),
    pssFraction: ask(pss(48), 47.5),
    pssCut: ask(pss(48).subarray(1), 48),
    pssFollowed: ask(concat(pss(48), Uint8Array.of(0)), 48),
    pssPadded: ask(concat(Uint8Array.of(0), pss(48)), 48),
    pssOnes: ask(new Uint8Array(modulus.length).fill(0xff), 48),
    pssModulus: ask(modulus, 48),
    pssZero: ask(new Uint8Array(modulus.length), 48),
    pssAsPkcs1: plain(pss(32, 'sha256')),
    pkcs1AsPss: ask(pkcs1, 32, spki, 'sha256'),
    pkcs1OtherHash: plain(pkcs1, spki, 'sha384'),
    pkcs1Cut: plain(pkcs1.subarray(0, -1)),
    pkcs1Followed: plain(concat(pkcs1, Uint8Array.of(0))),
    rewritten: plain(pkcs1, spkiOf(modulus, e)),
    trailingByte: plain(pkcs1, concat(spki, Uint8Array.of(0))),
    cutKey: plain(pkcs1, spki.subarray(0, -1)),
    pssKey: plain(pkcs1, spkiOf(modulus, e, RSA_PSS)),
    noParameters: plain(pkcs1, spkiOf(modulus, e, der.sequence(der.oid('1.2.840.113549.1.1.1')))),
    leadingZero: plain(pkcs1, spkiOf(concat(Uint8Array.of(0, 0), modulus), e)),
    evenModulus: plain(pkcs1, spkiOf(even, e)),
    noKey: plain(pkcs1, new Uint8Array(0)),
    ...Object.fromEntries(
      [0, 1, 2, 3, 4, 2 ** 31 - 1].map((value) => [
        `exponent${value}`,
        plain(pkcs1, spkiOf(modulus, der.integer(value))),
      ]),
    ),
  };
}

const anyBytes = (maxLength = 200) => fc.uint8Array({ maxLength });
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
/** Mostly of the right length. */
const about = (length: number) =>
  fc.oneof({ weight: 5, arbitrary: exactly(length) }, { weight: 1, arbitrary: anyBytes(2 * length) });

/** Any bit of any of the bytes of one argument turned, or nothing. */
function perturbed(from: Call, at: number, position: number): Call {
  const given = [...from.with];
  const target = given[at % given.length];
  if (typeof target !== 'string' || !target.startsWith('x') || target.length < 3) return from;
  const bytes = fromHex(target.slice(1));
  const bit = position % (8 * bytes.length);
  bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
  given[at % given.length] = x(bytes);
  return { ...from, with: given };
}

/** One arbitrary for each function among these calls, so that whoever draws from all of them asks every function. */
function byName(made: readonly Call[]): Arbitrary<Call>[] {
  const groups = Object.values(Object.groupBy(made, ({ name }) => name));
  return groups.map((group) =>
    fc
      .tuple(fc.constantFrom(...group), fc.boolean(), fc.nat(), fc.nat())
      .map(([of, isTurned, at, position]) => (isTurned ? perturbed(of, at, position) : of)),
  );
}

/** Signatures that hold and that don't, each with a bit turned now and then; an arbitrary for each function. */
export function signatureCalls(keys: readonly EcKey[], rsa: readonly RsaKey[]): readonly Arbitrary<Call>[] {
  const made = [new Uint8Array(0), new Uint8Array(300).fill(7)].flatMap((message) => [
    ...keys.flatMap((key) => Object.values(hostileEcdsa(key, message))),
    ...Object.values(hostileEd25519(new Uint8Array(32).fill(message.length), message)),
    ...rsa.flatMap((key) => Object.values(hostileRsa(key, message))),
  ]);
  const signs = fc.tuple(exactly(32), anyBytes(300)).map(([seed, text]) => call('ed25519Sign', x(seed), x(text)));
  return [...byName(made), signs];
}

const HASHES = [
  'sha1',
  'sha256',
  'sha256OfPublic',
  'sha384',
  'sha512',
  'sha3_256',
] as const satisfies readonly CallName[];

/** Hashes, MACs, key derivation and AEAD on whatever comes; an arbitrary for each function. */
export function symmetricCalls(): readonly Arbitrary<Call>[] {
  return [
    ...HASHES.map((name) => anyBytes(5000).map((data) => call(name, x(data)))),
    fc.tuple(anyBytes(), fc.integer({ min: 1, max: 500 })).map(([data, length]) => call('shake256', x(data), length)),
    fc.tuple(anyBytes(), anyBytes(5000)).map(([key, data]) => call('hmacSha256', x(key), x(data))),
    fc
      .tuple(anyBytes(), fc.array(anyBytes(), { maxLength: 5 }))
      .map(([key, pieces]) => call('runningHmacSha256', x(key), pieces.map(x))),
    fc.array(anyBytes(), { maxLength: 5 }).map((pieces) => call('runningSha256', pieces.map(x))),
    fc.tuple(anyBytes(), anyBytes()).map(([salt, key]) => call('hkdfExtract', x(salt), x(key))),
    fc
      .tuple(anyBytes(), anyBytes(), fc.oneof(fc.integer({ min: 0, max: 200 }), fc.constantFrom(8160, 8161, -1)))
      .map(([key, info, length]) => call('hkdfExpand', x(key), x(info), length)),
    fc
      .tuple(about(32), about(12), anyBytes(), anyBytes(5000))
      .map(([key, nonce, aad, data]) => call('aeadSeal', x(key), x(nonce), x(aad), x(data))),
    fc
      .tuple(exactly(32), exactly(12), anyBytes(40), anyBytes(40), fc.nat(80), fc.nat(20))
      .map(([key, nonce, aad, data, length, at]) =>
        call('aeadSealInto', x(key), x(nonce), x(aad), x(data), length, at),
      ),
    fc
      .tuple(exactly(32), about(12), anyBytes(), anyBytes(), fc.boolean(), fc.nat(), fc.nat())
      .map(([key, nonce, aad, data, isTurned, at, position]) => {
        const cipher = nodeCrypto.createCipheriv('aes-256-gcm', key, nonce.length === 0 ? new Uint8Array(12) : nonce);
        cipher.setAAD(aad);
        const sealed = concat(cipher.update(data), cipher.final(), cipher.getAuthTag());
        const from = data.length % 3;
        const open = call('aeadOpen', x(key), x(nonce), x(aad), x(concat(new Uint8Array(from), sealed)), from);
        return isTurned ? perturbed(open, at, position) : open;
      }),
    fc.tuple(about(32)).map(([seed]) => call('ed25519Key', x(seed))),
  ];
}

const KEMS = [0x647a, 0x0020] as const;

/** KEMs: what one side sealed, opened by both, with bits turned and points of small order; each function at least once. */
export async function kemCalls(): Promise<readonly Arbitrary<Call>[]> {
  const seed = new Uint8Array(32).fill(11);
  const sealed: Call[] = [];
  for (const kem of KEMS) {
    const { publicKey } = await kemPrivateKey(kem, seed);
    const made = await kemEncapsulate(kem, publicKey);
    if (made === null) throw new Error('no encapsulation');
    sealed.push(call('kemDecapsulate', kem, x(seed), x(made.enc)), call('kemErase', kem, x(seed), x(made.enc)));
    for (const point of [...SMALL_POINTS, new Uint8Array(32), Uint8Array.of(1, ...new Uint8Array(31))]) {
      const enc = Uint8Array.from(made.enc);
      enc.set(point, enc.length - 32);
      const key = Uint8Array.from(publicKey);
      key.set(point, key.length - 32);
      sealed.push(call('kemDecapsulate', kem, x(seed), x(enc)), call('x25519', x(seed), x(point)));
    }
    sealed.push(call('kemDecapsulate', kem, x(seed), x(made.enc.subarray(1))), call('kemPrivateKey', kem, 'x00'));
  }
  const dz = new Uint8Array(64).fill(12);
  const inner = await mlKem768Encapsulate((await mlKem768Key(dz)).publicKey);
  if (inner === null) throw new Error('no encapsulation');
  sealed.push(call('mlKem768Decapsulate', x(dz), x(inner.ciphertext)));
  const signer = await mlDsa44Key(seed);
  const signature = await mlDsa44Sign(signer, seed);
  sealed.push(call('mlDsa44Verify', x(signer.publicKey), x(seed), x(signature)));
  return [
    ...byName(sealed),
    fc.tuple(about(32), about(32)).map(([own, theirs]) => call('x25519', x(own), x(theirs))),
    fc.tuple(fc.constantFrom(...KEMS), about(32)).map(([kem, from]) => call('kemPrivateKey', kem, x(from))),
    fc.tuple(about(64)).map(([from]) => call('mlKem768Key', x(from))),
    fc.tuple(about(32)).map(([from]) => call('mlDsa44Key', x(from))),
  ];
}
