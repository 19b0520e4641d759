import { rsaPkcs1Verify } from '#crypto';
import {
  CodedError,
  equalBytes,
  fromBase64,
  fromHex,
  type Json,
  parseCertificate,
  toHex,
  type UnixSeconds,
  type X509Certificate,
} from '../../../core/index.ts';
import { type Judged, judgeParse, missing, ok, wrong } from '../judged.ts';
import { anchorFor, type TrustAnchor } from '../trust-anchor.ts';

export const JWKS_KEYS_MAX = 128;
const X5C_MAX = 4;
const SHA256_WITH_RSA = '300d06092a864886f70d01010b0500';

/** The one issuer whose tokens count unless a caller names another (staging is another). */
export const NRAS_ISSUER = 'https://nras.attestation.nvidia.com';

/** NVIDIA Attestation Service GPU Intermediate 004, until 2029-12-08; its own issuer is not published with the keys. */
export const NRAS_INTERMEDIATE: TrustAnchor = {
  spkiSha256: fromHex('fd32837f954e2c45db073105166dfe6985ae0480bb113fba63b091a75affe896'),
  kind: 'vendor',
  name: 'NVIDIA Attestation Service GPU Intermediate 004',
};

/** A P-384 key for ES384, as JWKS publish it (RFC 7517). */
export type NrasKey = Readonly<{
  kid: string;
  /** Base64url. */
  x: string;
  y: string;
  /** Certificates of the key, DER, leaf first; empty where the JWKS has none. */
  x5c: readonly Uint8Array[];
}>;

/** The P-384 keys of a JWKS by their kid; keys of other kinds sign no token. @throws CodedError ENDORSEMENT_MALFORMED */
export function parseNrasKeys(jwks: Json): ReadonlyMap<string, NrasKey> {
  const keys = recordOf(jwks).keys;
  if (!Array.isArray(keys) || keys.length > JWKS_KEYS_MAX)
    throw malformed(`not a list of at most ${JWKS_KEYS_MAX} keys`);
  const found = new Map<string, NrasKey>();
  for (const item of keys as readonly Json[]) {
    const { kty, crv, alg = 'ES384', use = 'sig', kid, x, y, x5c } = recordOf(item);
    if (kty !== 'EC' || crv !== 'P-384' || alg !== 'ES384' || use !== 'sig') continue;
    if (typeof kid !== 'string' || kid === '') throw malformed('a key without kid');
    if (!isCoordinate(x) || !isCoordinate(y)) throw malformed('a key without coordinates');
    if (found.has(kid)) throw malformed('a kid twice');
    found.set(kid, { kid, x, y, x5c: certificatesOf(x5c) });
  }
  return found;
}

/**
 * The certificate of a key: over the very key, in date, and issued by an intermediate that is pinned. Missing where the
 * JWKS has none, or one of another intermediate: then the key stands on whoever gave the JWKS.
 */
export async function judgeNrasKey(
  key: NrasKey,
  anchors: readonly TrustAnchor[],
  now: UnixSeconds,
): Promise<Judged<TrustAnchor>> {
  if (key.x5c.length < 2) return missing('the JWKS holds no certificates for this key');
  const parsed = judgeParse('x5c', () => key.x5c.map((der) => parseCertificate(der)));
  if (parsed.state !== 'ok') return parsed;
  const [leaf, issuer] = parsed.value as [X509Certificate, X509Certificate];
  const point = fromHex(`04${hexOf(key.x)}${hexOf(key.y)}`);
  if (leaf.publicKey?.curve !== 'P-384' || !equalBytes(leaf.publicKey.point, point)) {
    return wrong('ENDORSEMENT_CHAIN_INVALID', 'the certificate of the key is of another key');
  }
  const isCurrent = [leaf, issuer].every(({ notBefore, notAfter }) => notBefore <= now && now <= notAfter);
  if (!isCurrent) return wrong('ENDORSEMENT_NOT_CURRENT', 'the certificate of the key is not in date');
  const anchor = anchorFor(issuer.spkiSha256, anchors);
  if (anchor === null) return missing('the certificate of the key is of an intermediate that is not pinned');
  const isNamed = equalBytes(leaf.issuer.der, issuer.subject.der) && leaf.signatureAlgorithm === SHA256_WITH_RSA;
  const isSigned = isNamed && (await rsaPkcs1Verify(issuer.spki, 'sha256', leaf.tbs, leaf.signature));
  return isSigned ? ok(anchor) : wrong('ENDORSEMENT_CHAIN_INVALID', 'the intermediate did not issue the certificate');
}

const isCoordinate = (value: Json | undefined): value is string =>
  typeof value === 'string' && /^[A-Za-z0-9_-]{64}$/.test(value);

/** 48 bytes of base64url, which need no padding. */
function hexOf(coordinate: string): string {
  const bytes = fromBase64(coordinate.replaceAll('-', '+').replaceAll('_', '/'), 'coordinate');
  return toHex(bytes);
}

function certificatesOf(value: Json | undefined): Uint8Array[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > X5C_MAX) throw malformed('x5c is not a short list');
  return (value as readonly Json[]).map((item) => {
    if (typeof item !== 'string') throw malformed('x5c holds something else than text');
    return fromBase64(item, 'x5c');
  });
}

type JsonRecord = { readonly [name: string]: Json | undefined };

function recordOf(value: Json): JsonRecord {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('not an object');
  return value as JsonRecord;
}

function malformed(why: string): CodedError {
  return new CodedError('ENDORSEMENT_MALFORMED', `JWKS: ${why}`);
}
