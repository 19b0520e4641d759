import { CodedError, fromUtf8, isZero, parseCertificate, parsePem, toHex } from '../../core/index.ts';
import {
  CHAIN_CERTIFICATES_MAX,
  CHAIN_CHARACTERS_MAX,
  parsePckIdentity,
  type TrustAnchor,
  type VerificationCache,
  verifyPckChain,
} from '../endorsements/index.ts';
import { type ParsedSnpReport, productLine, readTcb, type SnpLine, snpLineOfCpu } from '../evidence/snp/index.ts';
import type { ParsedTdxQuote } from '../evidence/tdx/index.ts';
import { INTEL_CA_NAME, type PckCa } from './intel-service.ts';
import type { AmdAsk } from './service.ts';

export type IntelPlatform = Readonly<{ fmspc: string; ca: PckCa }>;

/**
 * Whose collateral a quote needs, by the PCK chain in it (certification data of type 5); null where it has none that ends
 * at one of these roots. The chain is verified first, so that nobody makes us ask vendors about platforms that are
 * nobody's; whether the quote is genuine is not known from it.
 */
export async function intelPlatformOf(
  quote: ParsedTdxQuote,
  anchors: readonly TrustAnchor[],
  cache: VerificationCache,
): Promise<IntelPlatform | null> {
  const platform = claimedIntelPlatform(quote);
  if (platform === null) return null;
  const chain = await verifyPckChain(fromUtf8(quote.certificationData), anchors, cache);
  return chain.state === 'ok' ? platform : null;
}

/** What a quote says of its platform, verified by nobody: good to look up what is held anyway. */
export function claimedIntelPlatform(quote: ParsedTdxQuote): IntelPlatform | null {
  if (quote.certificationType !== 5 || quote.certificationData.length > CHAIN_CHARACTERS_MAX) return null;
  try {
    const pem = fromUtf8(quote.certificationData, 'certification data');
    const [leaf, issuer] = parsePem(pem, 'CERTIFICATE', CHAIN_CERTIFICATES_MAX).map((der) => parseCertificate(der));
    if (leaf === undefined || issuer === undefined) return null;
    const ca = issuer.subject.commonName === INTEL_CA_NAME.platform ? 'platform' : 'processor';
    return { fmspc: toHex(parsePckIdentity(leaf, ca === 'platform').fmspc), ca };
  } catch (error) {
    if (error instanceof CodedError) return null;
    throw error;
  }
}

/**
 * Which of AMD's documents a report is judged with, by what it says of itself: whether it is genuine is not known from
 * it. The key distribution service has VCEKs alone, by chip; a VLEK comes from the cloud provider, and a report with a
 * masked chip comes with its certificate.
 * @param stated the product line, for reports of version 2, which do not say it
 * @throws CodedError USAGE_INVALID where nobody says the line; EVIDENCE_UNSUPPORTED for a processor of no known line;
 *   EVIDENCE_MALFORMED where reserved bytes of the TCB are set
 */
export function claimedAmdPlatform(report: ParsedSnpReport, stated: SnpLine | null): AmdAsk {
  const { cpuid, chipId, reportedTcb, signer } = report;
  const line = cpuid === null ? stated : snpLineOfCpu(cpuid.family, cpuid.model);
  if (line === null) {
    if (cpuid === null) throw new CodedError('USAGE_INVALID', 'a report of version 2 does not say its product line');
    throw new CodedError('EVIDENCE_UNSUPPORTED', 'the processor is of no known product line');
  }
  if (signer === 'VLEK') return { line, key: 'vlek', leaf: null };
  const tcb = readTcb(reportedTcb, line);
  if (tcb === null) throw new CodedError('EVIDENCE_MALFORMED', `reserved bytes of a TCB of ${line} are set`);
  if (isZero(chipId)) return { line, key: 'vcek', leaf: null };
  return { line, key: 'vcek', leaf: { hwid: chipId.subarray(0, productLine(line).hwidBytes), tcb } };
}
