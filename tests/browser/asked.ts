/** Questions that Node and a page are asked alike: this module runs in both, each with its own `#crypto`. */
import * as crypto from '#crypto';
import { sessionVectors } from '../../scripts/session-vectors/vectors.ts';
import { answerLine } from '../../src/cli/log-check/batch.ts';
import { createVerifier } from '../../src/cli/verify/answer.ts';
import { concat, fromHex, toHex, utf8 } from '../../src/core/index.ts';
import { Exporter, exporterSecret } from '../../src/session/hpke.ts';

/** Bytes are hexadecimal, after `x`. */
export type Argument = string | number | readonly string[];
export type Call = Readonly<{ name: CallName; with: readonly Argument[] }>;

const bytes = (argument: Argument | undefined): Uint8Array => fromHex((argument as string).slice(1));
const shown = (result: unknown): string => {
  if (result instanceof Uint8Array) return toHex(result);
  return typeof result === 'string' ? result : String(result);
};

/** Each function of `#crypto` from plain arguments to one text. What draws at random answers lengths. */
const CALLS = {
  sha1: ([data]) => crypto.sha1(bytes(data)),
  sha256: ([data]) => crypto.sha256(bytes(data)),
  sha256OfPublic: ([data]) => {
    const whole = bytes(data);
    const long = concat(whole, new Uint8Array(32));
    // Over its own input, as a chain has it, and beside it.
    return concat(crypto.sha256OfPublic(whole), crypto.sha256OfPublic(long, long));
  },
  sha384: ([data]) => crypto.sha384(bytes(data)),
  sha512: ([data]) => crypto.sha512(bytes(data)),
  sha3_256: ([data]) => crypto.sha3_256(bytes(data)),
  shake256: ([data, length]) => crypto.shake256(bytes(data), length as number),
  hmacSha256: ([key, data]) => crypto.hmacSha256(bytes(key), bytes(data)),
  runningSha256: ([pieces]) => {
    const running = crypto.runningSha256();
    for (const piece of pieces as readonly string[]) running.update(bytes(piece));
    return running.digest();
  },
  runningHmacSha256: ([key, pieces]) => {
    const running = crypto.runningHmacSha256(bytes(key));
    for (const piece of pieces as readonly string[]) running.update(bytes(piece));
    return running.digest();
  },
  hkdfExtract: ([salt, key]) => crypto.hkdfExtract(bytes(salt), bytes(key)),
  hkdfExpand: ([key, info, length]) => crypto.hkdfExpand(bytes(key), bytes(info), length as number),
  aeadSeal: ([key, nonce, aad, data]) =>
    crypto.aeadSeal(crypto.aeadKey(bytes(key)), bytes(nonce), bytes(aad), bytes(data)),
  aeadSealInto: ([key, nonce, aad, data, length, at]) => {
    const out = new Uint8Array(length as number);
    crypto.aeadSealInto(crypto.aeadKey(bytes(key)), bytes(nonce), bytes(aad), bytes(data), out, at as number);
    return out;
  },
  aeadOpen: ([key, nonce, aad, data, from]) =>
    crypto.aeadOpen(crypto.aeadKey(bytes(key)), bytes(nonce), bytes(aad), bytes(data), (from ?? 0) as number),
  ed25519Key: ([seed]) => crypto.ed25519Key(bytes(seed)).publicKey,
  ed25519Sign: ([seed, message]) => crypto.ed25519Sign(crypto.ed25519Key(bytes(seed)), bytes(message)),
  ed25519Verify: ([key, message, signature]) => crypto.ed25519Verify(bytes(key), bytes(message), bytes(signature)),
  ecdsaVerify: ([curve, point, message, signature, hash]) =>
    crypto.ecdsaVerify(
      curve as crypto.EcdsaCurve,
      bytes(point),
      bytes(message),
      bytes(signature),
      ...(hash === undefined ? [] : [hash as crypto.SignatureHash]),
    ),
  rsaPssVerify: ([spki, hash, salt, message, signature]) =>
    crypto.rsaPssVerify(bytes(spki), hash as crypto.RsaHash, salt as number, bytes(message), bytes(signature)),
  rsaPkcs1Verify: ([spki, hash, message, signature]) =>
    crypto.rsaPkcs1Verify(bytes(spki), hash as crypto.RsaHash, bytes(message), bytes(signature)),
  x25519: ([own, theirs]) => crypto.x25519(bytes(own), bytes(theirs)),
  mlKem768Key: async ([seed]) => (await crypto.mlKem768Key(bytes(seed))).publicKey,
  mlKem768Encapsulate: async ([key]) => {
    const made = await crypto.mlKem768Encapsulate(bytes(key));
    return made === null ? null : `${toHex(made.ciphertext)} ${toHex(made.sharedSecret)}`;
  },
  mlKem768Decapsulate: async ([seed, sealed]) =>
    crypto.mlKem768Decapsulate(await crypto.mlKem768Key(bytes(seed)), bytes(sealed)),
  kemPrivateKey: async ([kem, seed]) => (await crypto.kemPrivateKey(kem as crypto.KemId, bytes(seed))).publicKey,
  kemEncapsulate: async ([kem, key]) => {
    const made = await crypto.kemEncapsulate(kem as crypto.KemId, bytes(key));
    return made === null ? null : `${toHex(made.enc)} ${toHex(made.sharedSecret)}`;
  },
  kemDecapsulate: async ([kem, seed, enc]) =>
    crypto.kemDecapsulate(await crypto.kemPrivateKey(kem as crypto.KemId, bytes(seed)), bytes(enc)),
  kemErase: async ([kem, seed, enc]) => {
    const key = await crypto.kemPrivateKey(kem as crypto.KemId, bytes(seed));
    crypto.kemErase(key);
    return crypto.kemDecapsulate(key, bytes(enc));
  },
  mlDsa44Key: async ([seed]) => (await crypto.mlDsa44Key(bytes(seed))).publicKey,
  mlDsa44Sign: async ([seed, message]) => crypto.mlDsa44Sign(await crypto.mlDsa44Key(bytes(seed)), bytes(message)),
  mlDsa44Verify: ([key, message, signature]) => crypto.mlDsa44Verify(bytes(key), bytes(message), bytes(signature)),
  /** Beyond `#crypto`: HPKE's key schedule and exporter. */
  hpkeExport: ([kem, secret, info, aead, context, length]) => {
    const exporter = exporterSecret(kem as crypto.KemId, bytes(secret), bytes(info), aead as number);
    return new Exporter(kem as crypto.KemId, exporter, aead as number).exportRaw(bytes(context), length as number);
  },
} as const satisfies Record<string, (given: readonly Argument[]) => unknown>;
export type CallName = keyof typeof CALLS;
export const CALL_NAMES = Object.keys(CALLS) as readonly CallName[];
/** The exports of `#crypto` that are functions or constants here. */
export const CRYPTO_EXPORTS = Object.keys(crypto).sort();

async function outcome({ name, with: given }: Call): Promise<string> {
  try {
    return shown(await CALLS[name](given));
  } catch (error) {
    return `throws ${error instanceof Error ? error.name : 'something'}`;
  }
}

/** By name, so that a page can be asked for them. */
export const ASKED = {
  calls: (calls: readonly Call[]) => Promise.all(calls.map(outcome)),
  verify: async (lines: readonly string[]) => {
    const verifier = createVerifier();
    const answers: string[] = [];
    for (const line of lines) answers.push(JSON.stringify(await verifier.answerLine(line)));
    return answers;
  },
  log: async (lines: readonly string[]) => {
    const answers: string[] = [];
    for (const line of lines) answers.push(await answerLine(utf8(line)));
    return answers;
  },
  exports: async (_: readonly string[]) => CRYPTO_EXPORTS,
  /** AIS/1 from both ends: keys, offers, sealed requests and answers, receipts, vouchers. */
  session: async (_: readonly string[]) => [await sessionVectors()],
} as const;
