import {
  type AzureVerdict,
  type ParsedHclReport,
  parseTpmQuote,
  TPM_PCRS,
  type VtpmEvidence,
} from '../../attestation/index.ts';
import { CodedError, fromBase64, fromHex, fromUtf8, type Json, parseStrictJson, toHex } from '../../core/index.ts';

const PCR_BYTES = 32;
const FIELDS = ['quote', 'signature', 'pcrs'];

type JsonRecord = Readonly<Record<string, Json>>;

function recordOf(value: Json | undefined, field: string): JsonRecord {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonRecord;
  throw malformed(field, 'not an object');
}

function malformed(field: string, why: string): CodedError {
  return new CodedError('COLLATERAL_MALFORMED', `collateral.${field}: ${why}`, { field });
}

/**
 * Takes `{"vtpm": {"quote": base64, "signature": base64, "pcrs": {"0": hex, …}}}` out of a collateral document: the quote
 * is TPMS_ATTEST, the signature RSASSA-PKCS1-v1_5 with SHA-256 alone, PCRs are those of the SHA-256 bank.
 * @returns the rest of the document, for AMD's part of it
 * @throws CodedError COLLATERAL_MALFORMED, ENCODING_INVALID, EVIDENCE_*
 */
export function takeVtpm(collateral: Json): Readonly<{ vtpm: VtpmEvidence | null; rest: Json }> {
  if (typeof collateral !== 'object' || collateral === null || Array.isArray(collateral)) {
    return { vtpm: null, rest: collateral };
  }
  const { vtpm, ...rest } = collateral as JsonRecord;
  return { vtpm: vtpm === undefined || vtpm === null ? null : vtpmOf(recordOf(vtpm, 'vtpm')), rest };
}

function vtpmOf(given: JsonRecord): VtpmEvidence {
  for (const name of Object.keys(given))
    if (!FIELDS.includes(name)) throw malformed(`vtpm.${name}`, 'an unknown field');
  const { quote, signature } = given;
  if (typeof quote !== 'string') throw malformed('vtpm.quote', 'not base64 text');
  if (typeof signature !== 'string') throw malformed('vtpm.signature', 'not base64 text');
  return {
    quote: parseTpmQuote(fromBase64(quote, 'collateral.vtpm.quote')),
    signature: fromBase64(signature, 'collateral.vtpm.signature'),
    pcrs: pcrsOf(recordOf(given.pcrs, 'vtpm.pcrs')),
  };
}

function pcrsOf(given: JsonRecord): ReadonlyMap<number, Uint8Array> {
  const pcrs = new Map<number, Uint8Array>();
  for (const [name, value] of Object.entries(given)) {
    const pcr = Number(name);
    if (!/^(?:0|[1-9]\d?)$/.test(name) || pcr >= TPM_PCRS) throw malformed('vtpm.pcrs', 'a PCR is a number below 24');
    if (typeof value !== 'string' || value.length !== 2 * PCR_BYTES) throw malformed('vtpm.pcrs', 'not 32 bytes');
    pcrs.set(pcr, fromHex(value, 'collateral.vtpm.pcrs'));
  }
  return pcrs;
}

/** What the blob proves beyond its report; given for verified evidence alone. */
export function azureClaims(hcl: ParsedHclReport, { pcrs }: AzureVerdict): JsonRecord {
  return {
    azure: {
      runtimeData: parseStrictJson(fromUtf8(hcl.runtimeData, 'runtimeData'), 'runtimeData'),
      attestationKey: toHex(hcl.attestationKey),
      pcrs: pcrs === null ? null : Object.fromEntries([...pcrs].map(([pcr, value]) => [String(pcr), toHex(value)])),
    },
  };
}
