import { equalBytes, signedByRsaPss, type UnixSeconds, whyNotCrlOf, type X509Crl } from '../../core/index.ts';
import { type AmdChain, type AmdEndorsements, type Judged, missing, ok, wrong } from '../endorsements/index.ts';
import { type Check, failed, PASSED } from './check.ts';
import type { SnpVerifyOptions } from './snp-types.ts';
import type { CrlFloor } from './tdx-types.ts';

/** Every list that the ARK of the chain signed: AMD publishes one under two addresses, and a newer may be beside an older. */
export type ArkCrls = readonly X509Crl[];

/**
 * The CRLs of this chain's ARK, with their signatures verified by the pinned key. Lists of other ARKs are left alone
 * where one of this ARK is given, and refused where they stand in its place.
 */
export async function arkCrlsOf(from: AmdEndorsements, chain: Judged<AmdChain>): Promise<Judged<ArkCrls>> {
  if (from.crls.length === 0) return missing('no CRL of the ARK is given');
  if (chain.state !== 'ok') return missing('the ARK is not established');
  const { root } = chain.value;
  const mine = from.crls.filter(({ issuer }) => equalBytes(issuer.der, root.subject.der));
  if (mine.length === 0) return wrong('ENDORSEMENT_CHAIN_INVALID', 'the CRL is of another issuer than this ARK');
  for (const crl of mine) {
    const why = whyNotCrlOf(crl, root);
    if (why !== null) return wrong('ENDORSEMENT_CHAIN_INVALID', `the CRL: ${why}`);
    if (!(await signedByRsaPss(crl, root.spki, from.cache.verify))) {
      return wrong('ENDORSEMENT_SIGNATURE_INVALID', 'the ARK did not sign its CRL');
    }
  }
  return ok(mine);
}

/** In date (thisUpdate ≤ now < nextUpdate), and not older than the newest list of this ARK that the caller knows. */
export function crlsCurrent(
  crls: ArkCrls,
  { root }: AmdChain,
  now: UnixSeconds,
  floors: SnpVerifyOptions['crlFloors'],
): Check {
  const mine = (floors ?? []).filter(({ issuerSpkiSha256 }) => equalBytes(issuerSpkiSha256, root.spkiSha256));
  for (const crl of crls) {
    if (now < crl.thisUpdate) return failed('ENDORSEMENT_NOT_CURRENT', 'the CRL is of the future: thisUpdate');
    if (now >= crl.nextUpdate) return failed('ENDORSEMENT_NOT_CURRENT', 'the CRL is past its nextUpdate');
    const isOlder = (floor: CrlFloor) =>
      crl.thisUpdate < floor.thisUpdate || BigInt(`0x${crl.crlNumber}`) < BigInt(`0x${floor.crlNumber}`);
    if (mine.some(isOlder)) return failed('ENDORSEMENT_ROLLED_BACK', 'the CRL is older than one the caller has seen');
  }
  return PASSED;
}

/**
 * By serial number: what the ARK issued, so the ASK or ASVK and itself; and the leaf, which AMD says it replaces instead
 * of revoking it (all leaves have the serial 0): where a list says otherwise, that is believed.
 */
export function chainNotRevoked(crls: ArkCrls, { leaf, intermediate, root, signer }: AmdChain): Check {
  const chain = { ARK: root, [signer === 'VCEK' ? 'ASK' : 'ASVK']: intermediate, [signer]: leaf };
  for (const [name, { serial }] of Object.entries(chain)) {
    if (!crls.some(({ revoked }) => revoked.has(serial))) continue;
    return failed('EVIDENCE_CHAIN_REVOKED', `the ${name} is revoked`);
  }
  return PASSED;
}

/** What a caller may keep of CRLs whose signatures hold. */
export function arkCrlFloors(crls: Judged<ArkCrls>, chain: Judged<AmdChain>): CrlFloor[] {
  if (crls.state !== 'ok' || chain.state !== 'ok') return [];
  const { spkiSha256: issuerSpkiSha256 } = chain.value.root;
  return crls.value.map(({ thisUpdate, crlNumber }) => ({ issuerSpkiSha256, thisUpdate, crlNumber }));
}
