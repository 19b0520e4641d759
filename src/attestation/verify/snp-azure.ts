import { rsaPkcs1Verify, sha256, sha384, sha512 } from '#crypto';
import { type Bytes, concat, equalBytes, isZero, rsaPublicKeyInfo, type UnixSeconds } from '../../core/index.ts';
import { type AmdEndorsements, judgeParse, type TrustAnchor } from '../endorsements/index.ts';
import { type HclHash, type ParsedHclReport, type ParsedSnpReport, parseSnpReport } from '../evidence/snp/index.ts';
import type { ParsedTpmQuote } from '../evidence/tpm/index.ts';
import { type Check, check, failed, notRun } from './check.ts';
import { after } from './judged-checks.ts';
import { requiredSnpChecks, verifySnpReport } from './snp.ts';
import { SNP_CHECKS, type SnpCheckName, type SnpVerdict, type SnpVerifyOptions } from './snp-types.ts';

/** After the checks of the report itself, in the order in which they are reported. */
export const AZURE_CHECKS = ['runtimeDataBound', 'vtpmQuoteSignature', 'vtpmNonce', 'vtpmPcrs'] as const;
export type AzureCheckName = (typeof AZURE_CHECKS)[number];

/** What the guest's vTPM adds to a report that was made at boot. */
export type VtpmEvidence = Readonly<{
  quote: ParsedTpmQuote;
  /** RSASSA-PKCS1-v1_5 with SHA-256, as long as the modulus. */
  signature: Uint8Array;
  /** Values of PCRs of the SHA-256 bank by number, 32 bytes each; the quoted ones must be there. */
  pcrs: ReadonlyMap<number, Uint8Array>;
}>;

export type AzureVerifyOptions = SnpVerifyOptions &
  Readonly<{
    /** The nonce that the vTPM's quote must answer; where one is expected, a quote is required. */
    expectNonce?: Uint8Array | undefined;
  }>;

/** `refused`: a check failed. `unavailable`: none failed, but one that is required could not be run. */
export type AzureVerdict = Readonly<{
  verdict: 'verified' | 'refused' | 'unavailable';
  checks: Readonly<Record<SnpCheckName | AzureCheckName, Check>>;
  snp: SnpVerdict;
  /** Values of the quoted PCRs where all of it holds: what vouches for the guest's own system. */
  pcrs: ReadonlyMap<number, Uint8Array> | null;
}>;

const PCR_BYTES = 32;
const HASH: Readonly<Record<HclHash, (data: Uint8Array) => Bytes>> = { sha256, sha384, sha512 };

/**
 * Whether the evidence of an Azure guest is genuine: the report as {@link verifySnpReport} judges it, the runtime data by
 * the hash in REPORT_DATA, the vTPM's quote by the attestation key in them (Microsoft, "Confidential VM Guest Attestation
 * Design Detail"). The report is made at boot by the paravisor, which it measures: only the quote is fresh, and only PCRs
 * speak of the guest's own system.
 * @param vtpm null where none is given: then nothing is fresh, and no PCR is known
 */
export async function verifyAzureGuest(
  hcl: ParsedHclReport,
  vtpm: VtpmEvidence | null,
  from: AmdEndorsements,
  anchors: readonly TrustAnchor[],
  now: UnixSeconds,
  options: AzureVerifyOptions = {},
): Promise<AzureVerdict> {
  const report = parseSnpReport(hcl.report);
  const snp = await verifySnpReport(report, from, anchors, now, options);
  const runtimeDataBound = bindsRuntimeData(report.reportData, hcl);
  const checks = { ...snp.checks, runtimeDataBound, ...(await vtpmChecks(hcl, vtpm, options.expectNonce)) };
  const all = [...SNP_CHECKS, ...AZURE_CHECKS];
  const hasFailed = all.some((name) => checks[name].outcome === 'failed');
  const required = requiredAzureChecks(report, options);
  const isOpen = all.some((name) => required.has(name) && checks[name].outcome !== 'passed');
  const verdict = hasFailed || snp.verdict === 'refused' ? 'refused' : isOpen ? 'unavailable' : 'verified';
  const isQuoted = verdict === 'verified' && vtpm !== null;
  const pcrs = isQuoted ? new Map(vtpm.quote.pcrs.map((pcr) => [pcr, vtpm.pcrs.get(pcr) as Uint8Array])) : null;
  return { verdict, checks, snp, pcrs };
}

/** The checks that must have passed for 'verified' under these options. */
export function requiredAzureChecks(
  report: ParsedSnpReport,
  options: AzureVerifyOptions,
): ReadonlySet<SnpCheckName | AzureCheckName> {
  const ofVtpm = options.expectNonce === undefined ? [] : AZURE_CHECKS;
  return new Set<SnpCheckName | AzureCheckName>([...requiredSnpChecks(report, options), 'runtimeDataBound', ...ofVtpm]);
}

/** The hash over the exact bytes; what REPORT_DATA has beyond it is zero. */
function bindsRuntimeData(reportData: Uint8Array, { hash, runtimeData }: ParsedHclReport): Check {
  const digest = HASH[hash](runtimeData);
  const isBound =
    equalBytes(reportData.subarray(0, digest.length), digest) && isZero(reportData.subarray(digest.length));
  return check(isBound, 'EVIDENCE_NOT_BOUND', 'REPORT_DATA is not the hash of the runtime data');
}

async function vtpmChecks(
  { attestationKey }: ParsedHclReport,
  vtpm: VtpmEvidence | null,
  nonce: Uint8Array | undefined,
): Promise<Record<Exclude<AzureCheckName, 'runtimeDataBound'>, Check>> {
  if (vtpm === null) {
    const unrun = notRun('no quote of the vTPM is given: the report alone is of the boot, and says nothing of now');
    return { vtpmQuoteSignature: unrun, vtpmNonce: unrun, vtpmPcrs: unrun };
  }
  const { quote, signature } = vtpm;
  const key = judgeParse('HCLAkPub', () => rsaPublicKeyInfo(attestationKey));
  const holds = key.state === 'ok' && (await rsaPkcs1Verify(key.value, 'sha256', quote.signedBytes, signature));
  return {
    vtpmQuoteSignature:
      key.state === 'failed'
        ? failed('EVIDENCE_MALFORMED', key.reason)
        : after(key, () =>
            check(
              holds,
              'EVIDENCE_SIGNATURE_INVALID',
              "the attestation key of the runtime data did not sign the vTPM's quote",
            ),
          ),
    vtpmNonce:
      nonce === undefined
        ? notRun('the caller expects no particular nonce')
        : check(
            equalBytes(quote.nonce, nonce),
            'EVIDENCE_EXPECTATION_MISMATCH',
            "the quote does not answer the caller's nonce",
          ),
    vtpmPcrs: pcrsCheck(vtpm),
  };
}

/** SHA-256 over the quoted values, end to end, ascending. */
function pcrsCheck({ quote, pcrs }: VtpmEvidence): Check {
  const values = quote.pcrs.map((pcr) => pcrs.get(pcr));
  if (values.some((value) => value?.length !== PCR_BYTES))
    return failed('EVIDENCE_NOT_BOUND', 'a quoted PCR is not given');
  const digest = sha256(concat(...(values as Uint8Array[])));
  return check(equalBytes(digest, quote.pcrDigest), 'EVIDENCE_NOT_BOUND', 'the PCRs are not those that were quoted');
}
