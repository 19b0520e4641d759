import { type Judged, loadNvidiaRevocations, type NvidiaRevocations } from '../../attestation/index.ts';
import { CodedError, fromBase64, fromHex, type Json } from '../../core/index.ts';
import type { VerifyRequest } from './request.ts';

export type JsonRecord = { readonly [name: string]: Json | undefined };

export const STAPLED_MAX = 128;

export function malformed(field: string, why: string): CodedError {
  return new CodedError('COLLATERAL_MALFORMED', `collateral.${field}: ${why}`, { field });
}

/** The request's collateral with no members but these. @throws CodedError COLLATERAL_MALFORMED */
export function collateralOf(request: VerifyRequest, known: readonly string[]): JsonRecord {
  const value = request.collateral;
  if (value === null) return {};
  return recordOf(value, '', known);
}

export function recordOf(value: Json | undefined, field: string, known: readonly string[] | null): JsonRecord {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(field, 'not an object');
  const unknown = Object.keys(value).find((name) => known !== null && !known.includes(name));
  if (unknown !== undefined) throw malformed(unknown, 'an unknown field');
  return value as JsonRecord;
}

export function optionalText(record: JsonRecord, name: string): string | undefined {
  const value = record[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw malformed(name, 'not text');
  return value;
}

/** 32 bytes in hexadecimal. @throws CodedError COLLATERAL_MALFORMED */
export function nonceOf(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  if (!/^[0-9a-fA-F]{64}$/.test(text)) throw malformed('nonce', 'not 32 bytes in hexadecimal');
  return fromHex(text);
}

/**
 * The nonce that the caller expects, in `expect` or beside the collateral; where both are, they must agree.
 * @param also further expectations that this kind knows
 */
export function expectedNonceOf(
  request: VerifyRequest,
  collateral: JsonRecord,
  also: readonly string[] = [],
): Uint8Array | undefined {
  const { nonce, ...others } = request.expect;
  const unknown = Object.keys(others).find((name) => !also.includes(name));
  if (unknown !== undefined) {
    throw new CodedError('REQUEST_MALFORMED', `request.expect.${unknown}: not known for this kind`, { field: unknown });
  }
  const stated = optionalText({ nonce }, 'nonce');
  const given = optionalText(collateral, 'nonce');
  if (stated !== undefined && given !== undefined && stated.toLowerCase() !== given.toLowerCase()) {
    throw malformed('nonce', 'another one than request.expect.nonce');
  }
  return nonceOf(stated ?? given);
}

function base64List(record: JsonRecord, name: string): Uint8Array[] {
  const value = record[name];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > STAPLED_MAX)
    throw malformed(name, `not a list of at most ${STAPLED_MAX}`);
  return value.map((item: Json) => {
    if (typeof item !== 'string') throw malformed(name, 'not base64 text');
    return fromBase64(item, `collateral.${name}`);
  });
}

/** OCSP responses and revocation lists beside the evidence, DER in base64. @throws CodedError COLLATERAL_MALFORMED */
export function revocationsOf(collateral: JsonRecord): Judged<NvidiaRevocations> {
  return loadNvidiaRevocations(base64List(collateral, 'ocsp'), base64List(collateral, 'crls'));
}

export function optionalBase64(record: JsonRecord, name: string): Uint8Array | undefined {
  const text = optionalText(record, name);
  return text === undefined ? undefined : fromBase64(text, `collateral.${name}`);
}

/** A policy belongs to composite evidence. @throws CodedError USAGE_INVALID */
export function refusePolicy(request: VerifyRequest): void {
  if (request.policy === null) return;
  throw new CodedError('USAGE_INVALID', 'a policy is applied to composite evidence, not to a device alone', {
    field: 'policy',
  });
}
