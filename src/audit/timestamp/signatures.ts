import { ecdsaVerify, rsaPkcs1Verify, type SignatureHash, sha256, sha384, sha512 } from '#crypto';
import { type Bytes, CodedError, type DerReader, ecdsaFixedWidth, type X509Certificate } from '../../core/index.ts';

/** An AlgorithmIdentifier: the parameters of those known here are absent or NULL. */
export type Algorithm = string;

export const HASHES: Readonly<Record<SignatureHash, (data: Uint8Array) => Bytes>> = { sha256, sha384, sha512 };

const HASH_OF_OID: Readonly<Record<string, SignatureHash>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};
type Scheme = Readonly<{ key: 'rsa' | 'ec'; hash: SignatureHash | null }>;
/** RFC 4055, RFC 5758. `rsaEncryption` stands in a CMS signature for PKCS #1 v1.5 with the hash named beside it. */
const SCHEME_OF_OID: Readonly<Record<string, Scheme>> = {
  '1.2.840.113549.1.1.1': { key: 'rsa', hash: null },
  '1.2.840.113549.1.1.11': { key: 'rsa', hash: 'sha256' },
  '1.2.840.113549.1.1.12': { key: 'rsa', hash: 'sha384' },
  '1.2.840.113549.1.1.13': { key: 'rsa', hash: 'sha512' },
  '1.2.840.10045.4.3.2': { key: 'ec', hash: 'sha256' },
  '1.2.840.10045.4.3.3': { key: 'ec', hash: 'sha384' },
  '1.2.840.10045.4.3.4': { key: 'ec', hash: 'sha512' },
};
const WIDTH_OF_CURVE = { 'P-256': 32, 'P-384': 48 } as const;

/** @returns the algorithm's OBJECT IDENTIFIER; with other parameters than none or NULL one that nothing here knows */
export function readAlgorithm(reader: DerReader, field: string): Algorithm {
  const identifier = reader.sequence(field);
  const id = identifier.oid(field);
  if (identifier.done) return id;
  const { whole } = identifier.any('parameters');
  identifier.end();
  return whole.length === 2 && whole[0] === 5 && whole[1] === 0 ? id : `${id} with parameters`;
}

/** Null for a hash that this version does not compute. */
export function hashOf(algorithm: Algorithm): SignatureHash | null {
  return HASH_OF_OID[algorithm] ?? null;
}

/**
 * Whether the certified key made the signature.
 * @param hash what is named beside the algorithm, where something is: it must be the algorithm's own
 * @returns `unsupported` for algorithms and keys that this version does not verify
 */
export async function signatureOutcome(
  { publicKey, spki }: X509Certificate,
  algorithm: Algorithm,
  hash: SignatureHash | null,
  message: Uint8Array,
  signature: Bytes,
): Promise<'holds' | 'fails' | 'unsupported'> {
  const scheme = SCHEME_OF_OID[algorithm];
  const used = scheme?.hash ?? hash;
  if (scheme === undefined || used === null) return 'unsupported';
  if (scheme.hash !== null && hash !== null && scheme.hash !== hash) return 'fails';
  if (scheme.key === 'rsa') return (await rsaPkcs1Verify(spki, used, message, signature)) ? 'holds' : 'fails';
  if (publicKey === null) return 'unsupported';
  const fixed = fixedWidth(signature, WIDTH_OF_CURVE[publicKey.curve]);
  if (fixed === null) return 'fails';
  return (await ecdsaVerify(publicKey.curve, publicKey.point, message, fixed, used)) ? 'holds' : 'fails';
}

function fixedWidth(signature: Bytes, width: number): Bytes | null {
  try {
    return ecdsaFixedWidth(signature, width);
  } catch (error) {
    if (error instanceof CodedError) return null; // what is not DER is no signature
    throw error;
  }
}
