import {
  ECDSA_WITH_SHA384,
  equalBytes,
  KEY_USAGE,
  parseCertificate,
  signedBy,
  unknownCriticalExtension,
  whyNotIssuedBy,
  type X509Certificate,
} from '../../../core/index.ts';
import { type Judged, judgeParse, ok, wrong } from '../judged.ts';
import { anchorFor, type TrustAnchor } from '../trust-anchor.ts';
import type { VerificationCache } from '../verification-cache.ts';

/** Leaf first, the pinned root last; every signature holds. Dates and revocation are judged apart. */
export type NvidiaChain = Readonly<{
  certificates: readonly X509Certificate[];
  leaf: X509Certificate;
  root: X509Certificate;
  anchor: TrustAnchor;
}>;

/** NVIDIA's manifest CAs write dates before 2050 as GeneralizedTime. @throws CodedError CERTIFICATE_MALFORMED */
export function parseNvidiaCertificate(der: Uint8Array): X509Certificate {
  return parseCertificate(der, { earlyGeneralizedTime: true });
}

/**
 * Verifies a chain in the order given: P-384 and ECDSA with SHA-384 throughout, names, key identifiers, CA flags, path
 * lengths, key usage, critical extensions, signatures, and a root that one of `anchors` pins by key (NVIDIA has two
 * root certificates over one key). Independent of time.
 * @param length certificates the chain must have
 */
export async function verifyNvidiaChain(
  der: readonly Uint8Array[],
  length: number,
  anchors: readonly TrustAnchor[],
  cache: VerificationCache,
): Promise<Judged<NvidiaChain>> {
  if (der.length !== length) {
    return wrong('EVIDENCE_CHAIN_INVALID', `${der.length} certificates where ${length} belong`);
  }
  const parsed = judgeParse('certificate chain', () => der.map(parseNvidiaCertificate));
  if (parsed.state !== 'ok') return parsed;
  const certificates = parsed.value;
  const leaf = certificates[0] as X509Certificate;
  if (leaf.basicConstraints?.ca === true) return wrong('EVIDENCE_CHAIN_INVALID', 'a CA where a leaf belongs');
  if (leaf.keyUsage?.has(KEY_USAGE.digitalSignature) !== true) {
    return wrong('EVIDENCE_CHAIN_INVALID', 'the leaf may not make signatures');
  }
  const links = await verifyAuthorities(certificates, anchors, cache);
  return links.state === 'ok' ? ok({ ...links.value, leaf }) : links;
}

/** Every link from a certificate up to its root; dates, revocation and whether the first is a CA are judged apart. */
export async function verifyAuthorities(
  certificates: readonly X509Certificate[],
  anchors: readonly TrustAnchor[],
  cache: VerificationCache,
): Promise<Judged<Omit<NvidiaChain, 'leaf'>>> {
  const root = certificates.at(-1);
  const anchor = root === undefined ? null : anchorFor(root.spkiSha256, anchors);
  if (root === undefined || anchor === null) {
    return wrong('EVIDENCE_CHAIN_INVALID', 'the chain does not end at a pinned root');
  }
  const isPinnedAsItIs = anchor.certificateSha256 !== undefined && equalBytes(anchor.certificateSha256, root.sha256);
  for (const [index, certificate] of certificates.entries()) {
    const position = `certificate ${index} (leaf is 0)`;
    const why = whyNotInProfile(certificate, certificate === root);
    if (why !== null) return wrong('EVIDENCE_CHAIN_INVALID', `${position}: ${why}`);
    const issuerIndex = Math.min(index + 1, certificates.length - 1);
    const issuer = certificates[issuerIndex] as X509Certificate;
    const whyNot = whyNotIssuedBy(certificate, issuer, Math.max(issuerIndex - 1, 0));
    if (whyNot !== null) return wrong('EVIDENCE_CHAIN_INVALID', `${position}: ${whyNot}`);
    // A root whose very bytes are pinned needs no signature by itself.
    if (certificate === root && isPinnedAsItIs) continue;
    if (!(await signedBy(certificate, issuer.publicKey, cache.verify))) {
      return wrong('EVIDENCE_CHAIN_INVALID', `${position}: its issuer did not sign it`);
    }
  }
  return ok({ certificates, root, anchor });
}

function whyNotInProfile(certificate: X509Certificate, isRoot: boolean): string | null {
  if (certificate.signatureAlgorithm !== ECDSA_WITH_SHA384) return 'not signed with ECDSA and SHA-384';
  if (certificate.publicKey?.curve !== 'P-384') return 'not a P-384 key';
  const unknown = unknownCriticalExtension(certificate);
  if (unknown !== null) return `unknown critical extension ${unknown}`;
  if (isRoot && !equalBytes(certificate.subject.der, certificate.issuer.der)) return 'not self-issued';
  return null;
}
