import { parseStrictJson } from '../../core/index.ts';
import type { Tee } from '../evidence/composite/index.ts';
import { type AmdEndorsements, amdCollateralOf, loadAmdEndorsements } from './amd/load.ts';
import { parseIntelCollateral } from './intel/collateral.ts';
import { type IntelEndorsements, loadIntelEndorsements } from './intel/load.ts';
import type { TrustAnchor } from './trust-anchor.ts';

/** Vendors' endorsements, each parsed once and used for many bundles; those of another CPU's vendor say nothing. */
export type CpuEndorsements = Readonly<{ intel?: IntelEndorsements; amd?: AmdEndorsements }>;

/**
 * Reads the collateral that travels beside a bundle: for `tdx` Intel's document, for `sev-snp` AMD's certificates and CRLs
 * (`amdCollateralOf`).
 * @param text JSON
 * @throws CodedError ENCODING_INVALID, ENDORSEMENT_MALFORMED, CERTIFICATE_MALFORMED, CRL_MALFORMED, EVIDENCE_TOO_LARGE
 */
export async function loadCpuEndorsements(
  tee: Tee,
  text: string,
  trustAnchors: readonly TrustAnchor[],
): Promise<CpuEndorsements> {
  if (tee === 'sev-snp') return { amd: loadAmdEndorsements(amdCollateralOf(parseStrictJson(text, 'collateral'))) };
  return { intel: await loadIntelEndorsements(parseIntelCollateral(text), trustAnchors) };
}
