import { CodedError, fromBase64, type Json } from '../../../core/index.ts';
import type { Judged } from '../judged.ts';
import { VerificationCache } from '../verification-cache.ts';
import { loadNvidiaRevocations, type NvidiaRevocations, REVOCATIONS_MAX } from './revocation.ts';
import { RIM_BYTES_MAX } from './rim.ts';

export const MANIFESTS_MAX = 64;

/** NVIDIA's part of the collateral beside a bundle: manifests by id, OCSP responses and lists, nothing of it verified. */
export type NvidiaCollateral = Readonly<{
  manifests: ReadonlyMap<string, Uint8Array>;
  revocations: Judged<NvidiaRevocations>;
  cache: VerificationCache;
}>;

/**
 * @param json `{"rims": {id: base64}, "ocsp": [base64], "crls": [base64]}`
 * @param cache manifests and authorities are the same in many bundles: one that lives long saves most signatures
 * @throws CodedError ENDORSEMENT_MALFORMED, ENCODING_INVALID, EVIDENCE_TOO_LARGE
 */
export function loadNvidiaCollateral(json: Json, cache: VerificationCache = new VerificationCache()): NvidiaCollateral {
  const { rims = {}, ocsp = [], crls = [], ...others } = recordOf(json, 'nvidia');
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw malformed(unknown, 'an unknown field');
  const entries = Object.entries(recordOf(rims, 'rims'));
  if (entries.length > MANIFESTS_MAX) throw malformed('rims', `more than ${MANIFESTS_MAX}`);
  const manifests = entries.map(([id, text]): [string, Uint8Array] => [
    id,
    bytesOf(text as Json, 'rims', RIM_BYTES_MAX),
  ]);
  const revocations = loadNvidiaRevocations(listOf(ocsp, 'ocsp'), listOf(crls, 'crls'));
  return { manifests: new Map(manifests), revocations, cache };
}

function recordOf(value: Json, field: string): { readonly [name: string]: Json | undefined } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(field, 'not an object');
  return value as { readonly [name: string]: Json | undefined };
}

function listOf(value: Json, field: string): Uint8Array[] {
  if (!Array.isArray(value) || value.length > REVOCATIONS_MAX) {
    throw malformed(field, `not a list of at most ${REVOCATIONS_MAX}`);
  }
  return (value as readonly Json[]).map((item) => bytesOf(item, field, Number.POSITIVE_INFINITY));
}

function bytesOf(value: Json, field: string, bytesMax: number): Uint8Array {
  if (typeof value !== 'string') throw malformed(field, 'not base64 text');
  const bytes = fromBase64(value, `nvidia.${field}`);
  if (bytes.length > bytesMax) throw malformed(field, `more than ${bytesMax} bytes`);
  return bytes;
}

function malformed(field: string, why: string): CodedError {
  return new CodedError('ENDORSEMENT_MALFORMED', `nvidia.${field}: ${why}`, { field });
}
