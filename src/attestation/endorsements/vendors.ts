import { CodedError, type Json, parseStrictJson } from '../../core/index.ts';
import type { Tee } from '../evidence/composite/index.ts';
import { type AmdEndorsements, amdCollateralOf, loadAmdEndorsements } from './amd/load.ts';
import { intelCollateralOf } from './intel/collateral.ts';
import { type IntelEndorsements, loadIntelEndorsements } from './intel/load.ts';
import { loadNvidiaCollateral, type NvidiaCollateral } from './nvidia/load.ts';
import type { TrustAnchor } from './trust-anchor.ts';
import type { VerificationCache } from './verification-cache.ts';

/**
 * Vendors' endorsements, each parsed once and used for many bundles; those of another CPU's vendor say nothing. `nvidia`
 * is for the devices of a bundle, beside those of its CPU's vendor.
 */
export type VendorEndorsements = Readonly<{
  intel?: IntelEndorsements;
  amd?: AmdEndorsements;
  nvidia?: NvidiaCollateral;
}>;

/**
 * Reads the collateral that travels beside a bundle: for `tdx` Intel's document, for `sev-snp` AMD's certificates and CRLs
 * (`amdCollateralOf`), and in either, for bundles with devices, a member `nvidia` (`loadNvidiaCollateral`).
 * @param text JSON
 * @throws CodedError ENCODING_INVALID, ENDORSEMENT_MALFORMED, CERTIFICATE_MALFORMED, CRL_MALFORMED, EVIDENCE_TOO_LARGE
 */
export async function loadVendorEndorsements(
  tee: Tee,
  text: string,
  trustAnchors: readonly TrustAnchor[],
  nvidiaCache?: VerificationCache,
): Promise<VendorEndorsements> {
  const { cpu, nvidia } = splitCollateral(parseStrictJson(text, 'collateral'));
  const devices = nvidia === undefined ? {} : { nvidia: loadNvidiaCollateral(nvidia, nvidiaCache) };
  if (tee === 'sev-snp') return { amd: loadAmdEndorsements(amdCollateralOf(cpu)), ...devices };
  return { intel: await loadIntelEndorsements(intelCollateralOf(cpu), trustAnchors), ...devices };
}

/**
 * The certificates of the CPU's vendor in that text, for a caller with collateral of its own: evidence that holds none
 * needs its signer's. Hints, none verified; none where the text can't be read.
 */
export function certificatesIn(tee: Tee, text: string): readonly Uint8Array[] {
  if (tee === 'tdx') return [];
  try {
    return amdCollateralOf(splitCollateral(parseStrictJson(text, 'collateral')).cpu).certs ?? [];
  } catch (error) {
    if (error instanceof CodedError) return [];
    throw error;
  }
}

/** @throws CodedError ENDORSEMENT_MALFORMED for what is no object */
function splitCollateral(value: Json): { cpu: Json; nvidia: Json | undefined } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CodedError('ENDORSEMENT_MALFORMED', 'collateral: not an object');
  }
  const { nvidia, ...cpu } = value as Readonly<Record<string, Json>>;
  return { cpu, nvidia };
}

/** The text that {@link loadVendorEndorsements} reads: the CPU vendor's members, and NVIDIA's where there are devices. */
export function joinCollateral(cpu: string, nvidia: Json | null): string {
  if (nvidia === null) return cpu;
  return JSON.stringify({ ...(parseStrictJson(cpu, 'collateral') as Readonly<Record<string, Json>>), nvidia });
}
