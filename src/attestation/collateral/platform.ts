import { CodedError, fromUtf8, parseCertificate, parsePem, toHex } from '../../core/index.ts';
import {
  CHAIN_CERTIFICATES_MAX,
  CHAIN_CHARACTERS_MAX,
  parsePckIdentity,
  type TrustAnchor,
  type VerificationCache,
  verifyPckChain,
} from '../endorsements/index.ts';
import type { ParsedTdxQuote } from '../evidence/tdx/index.ts';
import type { PckCa } from './intel-service.ts';

export type IntelPlatform = Readonly<{ fmspc: string; ca: PckCa }>;

const PLATFORM_CA = 'Intel SGX PCK Platform CA';

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
    const ca = issuer.subject.commonName === PLATFORM_CA ? 'platform' : 'processor';
    return { fmspc: toHex(parsePckIdentity(leaf, ca === 'platform').fmspc), ca };
  } catch (error) {
    if (error instanceof CodedError) return null;
    throw error;
  }
}
