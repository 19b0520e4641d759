import { base64url, CompactSign, calculateJwkThumbprint, compactVerify, importJWK } from 'jose';
import { ed25519Key } from '#crypto';
import { type Bytes, CodedError, fromUtf8, type Json, parseStrictJson, type UnixMs, utf8 } from '../../core/index.ts';

/** RFC 9711, section 7.2. */
const TYPE = 'eat+jwt';
const ALGORITHM = 'EdDSA';
const PROFILE = 'tag:github.com,2023:veraison/ear';
const TOKEN_CHARACTERS_MAX = 256 * 1024;
/** A reader's clock may be this far behind the signer's. */
const SKEW_SECONDS = 60;

export type EarClaims = { readonly [claim: string]: Json };
/** A public key (RFC 8037), named by its thumbprint (RFC 7638). */
export type EarKey = Readonly<{ kty: 'OKP'; crv: 'Ed25519'; x: string; kid: string; alg: 'EdDSA'; use: 'sig' }>;
export type EarKeys = Readonly<{ keys: readonly EarKey[] }>;

/** Signs attestation results for relying parties that take this verifier's word. */
export type EarSigner = Readonly<{ keys: EarKeys; sign: (claims: EarClaims) => Promise<string> }>;

/** @param seed 32 secret bytes */
export async function createEarSigner(seed: Bytes): Promise<EarSigner> {
  const x = base64url.encode(ed25519Key(seed).publicKey);
  const jwk = { kty: 'OKP', crv: 'Ed25519', x } as const;
  const kid = await calculateJwkThumbprint(jwk);
  const key = await importJWK({ ...jwk, d: base64url.encode(seed) }, ALGORITHM);
  const header = { alg: ALGORITHM, kid, typ: TYPE };
  return {
    keys: { keys: [{ ...jwk, kid, alg: ALGORITHM, use: 'sig' }] },
    sign: (claims) => new CompactSign(utf8(JSON.stringify(claims))).setProtectedHeader(header).sign(key),
  };
}

/**
 * The claims of a signed result that has not expired. What they say is for the reader to judge: `submods.*."ear.status"`.
 * @param keys of the verifier whose word is taken, got from nowhere but that verifier
 * @throws CodedError EVIDENCE_MALFORMED, EVIDENCE_SIGNATURE_INVALID, EVIDENCE_STALE
 */
export async function verifyEar(token: string, keys: EarKeys, now: UnixMs): Promise<EarClaims> {
  if (token.length > TOKEN_CHARACTERS_MAX) throw new CodedError('EVIDENCE_MALFORMED', 'result: too long');
  const invalid = (cause?: unknown) =>
    new CodedError('EVIDENCE_SIGNATURE_INVALID', 'result: not signed by a key of this verifier', {}, { cause });
  const open = async () => {
    const find = ({ kid, typ }: { kid?: string; typ?: string }) => {
      const key = typ === TYPE ? keys.keys.find((one) => one.kid === kid) : undefined;
      if (key === undefined) throw invalid();
      return importJWK({ kty: key.kty, crv: key.crv, x: key.x }, ALGORITHM);
    };
    return compactVerify(token, find, { algorithms: [ALGORITHM] });
  };
  const { payload } = await open().catch((cause) => {
    throw invalid(cause);
  });
  const claims = recordOf(parseStrictJson(fromUtf8(payload, 'result'), 'result'));
  if (claims.eat_profile !== PROFILE)
    throw new CodedError('EVIDENCE_MALFORMED', 'result: not of the profile of an EAR');
  const { iat, exp } = claims;
  const seconds = now / 1000;
  if (typeof iat !== 'number' || typeof exp !== 'number') {
    throw new CodedError('EVIDENCE_MALFORMED', 'result: without its times');
  }
  if (seconds < iat - SKEW_SECONDS || seconds >= exp) {
    throw new CodedError('EVIDENCE_STALE', 'result: not yet valid, or expired');
  }
  return claims;
}

function recordOf(value: Json): EarClaims {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as EarClaims;
  throw new CodedError('EVIDENCE_MALFORMED', 'result: no claims');
}
