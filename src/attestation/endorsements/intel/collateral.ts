import { CodedError, type Json, parseStrictJson } from '../../../core/index.ts';

/**
 * Intel's endorsements for one platform, under the names that clients of Intel's provisioning service share. Each is
 * optional: what is missing is reported as not checked. Chains are PEM, leaf first. CRLs are hexadecimal, base64 or PEM.
 * `tcb_info` and `qe_identity` are the exact signed text; signatures are r ‖ s as 128 hexadecimal digits.
 */
export type IntelCollateral = Readonly<{
  [Field in (typeof INTEL_COLLATERAL_FIELDS)[number]]?: string | undefined;
}>;

export const INTEL_COLLATERAL_FIELDS = [
  'pck_certificate_chain',
  'pck_crl_issuer_chain',
  'root_ca_crl',
  'pck_crl',
  'tcb_info_issuer_chain',
  'tcb_info',
  'tcb_info_signature',
  'qe_identity_issuer_chain',
  'qe_identity',
  'qe_identity_signature',
] as const;

/**
 * Reads a collateral document: an object with these fields, each a string, or null for what the caller has not got.
 * Fields of other names are left alone: clients add some, and what is then missing is reported as missing.
 * @throws CodedError ENDORSEMENT_MALFORMED
 */
export function intelCollateralOf(value: Json): IntelCollateral {
  const malformed = (field: string, why: string) =>
    new CodedError('ENDORSEMENT_MALFORMED', `collateral.${field}: ${why}`, { field });
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('', 'not an object');
  const given = value as { readonly [field: string]: Json | undefined };
  const collateral: { [Field in (typeof INTEL_COLLATERAL_FIELDS)[number]]?: string } = {};
  for (const field of INTEL_COLLATERAL_FIELDS) {
    const content = given[field];
    if (typeof content === 'string') collateral[field] = content;
    else if (content !== undefined && content !== null) throw malformed(field, 'not a string');
  }
  return collateral;
}

/** {@link intelCollateralOf} of a JSON text. @throws CodedError ENDORSEMENT_MALFORMED, ENCODING_INVALID */
export function parseIntelCollateral(text: string): IntelCollateral {
  return intelCollateralOf(parseStrictJson(text, 'collateral'));
}
