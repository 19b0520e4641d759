import { sha256 } from '#crypto';
import {
  ECDSA_WITH_SHA256,
  equalBytes,
  KEY_USAGE,
  parsePem,
  signedBy,
  toHex,
  unknownCriticalExtension,
  utf8,
  whyNotIssuedBy,
  type X509Certificate,
} from '../../../core/index.ts';
import { type Judged, judgeParse, ok, wrong } from '../judged.ts';
import { anchorFor, type TrustAnchor } from '../trust-anchor.ts';
import type { VerificationCache } from '../verification-cache.ts';
import { type PckIdentity, parsePckIdentity } from './pck.ts';

export const CHAIN_CERTIFICATES_MAX = 8;
export const CHAIN_CHARACTERS_MAX = 64 * 1024;

const PLATFORM_CA = 'Intel SGX PCK Platform CA';
const PROCESSOR_CA = 'Intel SGX PCK Processor CA';

/** What a chain's first certificate is for; told by its subject's common name, so that one never stands in for another. */
export type IntelPurpose = 'pckLeaf' | 'pckCa' | 'tcbSigner';

/** Leaf first, the pinned root last; every signature holds. Dates and revocation are judged apart. */
export type IntelChain = Readonly<{
  certificates: readonly X509Certificate[];
  leaf: X509Certificate;
  root: X509Certificate;
  anchor: TrustAnchor;
}>;
export type PckChain = IntelChain & Readonly<{ issuer: X509Certificate; identity: PckIdentity }>;

type Profile = Readonly<{ names: readonly (readonly string[])[]; leafIsCa: boolean }>;
/** Common names by position, without the root, which is judged by its key. */
const PROFILE: Readonly<Record<IntelPurpose, Profile>> = {
  pckLeaf: { names: [['Intel SGX PCK Certificate'], [PLATFORM_CA, PROCESSOR_CA]], leafIsCa: false },
  pckCa: { names: [[PLATFORM_CA, PROCESSOR_CA]], leafIsCa: true },
  tcbSigner: { names: [['Intel SGX TCB Signing']], leafIsCa: false },
};

/**
 * Verifies a PEM chain of Intel's attestation hierarchy (Intel SGX PCK certificate and CRL profile), leaf first, up to a
 * pinned root: purposes, algorithms, names, key identifiers, CA flags, path lengths, key usage, critical extensions,
 * signatures (the root's own unless its very bytes are pinned). Independent of time.
 * @param rootHint completes a chain that ends below the root; it is trusted no more than one in the chain
 */
export async function verifyIntelChain(
  pem: string,
  purpose: IntelPurpose,
  anchors: readonly TrustAnchor[],
  cache: VerificationCache,
  rootHint: X509Certificate | null = null,
): Promise<Judged<IntelChain>> {
  if (pem.length > CHAIN_CHARACTERS_MAX) return wrong('EVIDENCE_TOO_LARGE', 'the certificate chain is too long');
  const hint = rootHint === null ? '' : toHex(rootHint.sha256);
  const key = `${purpose} ${hint} ${toHex(sha256(utf8(pem)))} ${anchors.map(anchorKey).join()}`;
  const known = cache.chains.get(key) as IntelChain | undefined;
  if (known !== undefined) return ok(known);
  const parsed = judgeParse('certificate chain', () =>
    parsePem(pem, 'CERTIFICATE', CHAIN_CERTIFICATES_MAX, 'certificate chain').map(cache.certificate),
  );
  if (parsed.state !== 'ok') return parsed;
  const { names, leafIsCa } = PROFILE[purpose];
  const certificates = parsed.value;
  if (certificates.length === names.length && rootHint !== null) certificates.push(rootHint);
  if (certificates.length !== names.length + 1) {
    return wrong('EVIDENCE_CHAIN_INVALID', `${certificates.length} certificates where ${names.length + 1} belong`);
  }
  const leaf = certificates[0] as X509Certificate;
  const root = certificates[names.length] as X509Certificate;
  const anchor = anchorFor(root.spkiSha256, anchors);
  const why = await whyNotAChain(certificates, names, leafIsCa, isPinned(root, anchor) ? root : null, cache);
  if (why !== null) return wrong('EVIDENCE_CHAIN_INVALID', why);
  if (anchor === null) return wrong('EVIDENCE_CHAIN_INVALID', 'the chain does not end at a pinned root');
  const chain: IntelChain = { certificates, leaf, root, anchor };
  cache.chains.set(key, chain);
  return ok(chain);
}

/** A PCK leaf's chain, with what the leaf says of its platform. */
export async function verifyPckChain(
  pem: string,
  anchors: readonly TrustAnchor[],
  cache: VerificationCache,
  rootHint: X509Certificate | null = null,
): Promise<Judged<PckChain>> {
  const chain = await verifyIntelChain(pem, 'pckLeaf', anchors, cache, rootHint);
  if (chain.state !== 'ok') return chain;
  const known = cache.pckChains.get(chain.value) as PckChain | undefined;
  if (known !== undefined) return ok(known);
  const issuer = chain.value.certificates[1] as X509Certificate;
  const identity = judgeParse('PCK certificate', () =>
    parsePckIdentity(chain.value.leaf, issuer.subject.commonName === PLATFORM_CA),
  );
  if (identity.state !== 'ok') return identity;
  const pckChain: PckChain = { ...chain.value, issuer, identity: identity.value };
  cache.pckChains.set(chain.value, pckChain);
  return ok(pckChain);
}

/** These bytes are the ones pinned, so that a signature by the key in them would say nothing more. */
const isPinned = (root: X509Certificate, anchor: TrustAnchor | null) =>
  anchor?.certificateSha256 !== undefined && equalBytes(anchor.certificateSha256, root.sha256);

function anchorKey({ kind, spkiSha256, certificateSha256, name }: TrustAnchor): string {
  return `${kind}:${toHex(spkiSha256)}:${certificateSha256 === undefined ? '' : toHex(certificateSha256)}:${name}`;
}

async function whyNotAChain(
  certificates: readonly X509Certificate[],
  names: Profile['names'],
  leafIsCa: boolean,
  pinnedRoot: X509Certificate | null,
  cache: VerificationCache,
): Promise<string | null> {
  for (const [index, certificate] of certificates.entries()) {
    const position = index === 0 ? 'the leaf' : index === names.length ? 'the root' : 'the intermediate CA';
    const isLeaf = index === 0 && !leafIsCa;
    const why = whyNotInProfile(certificate, isLeaf, names[index] ?? null);
    if (why !== null) return `${position}: ${why}`;
    const issuerIndex = Math.min(index + 1, names.length);
    const issuer = certificates[issuerIndex] as X509Certificate;
    const whyNot = whyNotIssuedBy(certificate, issuer, issuerIndex - 1 + (leafIsCa ? 1 : 0));
    if (whyNot !== null) return `${position}: ${whyNot}`;
    if (certificate !== pinnedRoot && !(await signedBy(certificate, issuer.publicKey, cache.verify)))
      return `${position}: its issuer did not sign it`;
  }
  return null;
}

function whyNotInProfile(
  certificate: X509Certificate,
  isLeaf: boolean,
  names: readonly string[] | null,
): string | null {
  const { commonName } = certificate.subject;
  if (names !== null && (commonName === null || !names.includes(commonName)))
    return 'its common name has another purpose';
  if (certificate.signatureAlgorithm !== ECDSA_WITH_SHA256) return 'not signed with ECDSA and SHA-256';
  if (certificate.publicKey?.curve !== 'P-256') return 'not a P-256 key';
  const unknown = unknownCriticalExtension(certificate);
  if (unknown !== null) return `unknown critical extension ${unknown}`;
  if (isLeaf && certificate.basicConstraints?.ca === true) return 'a CA where a leaf belongs';
  if (isLeaf && certificate.keyUsage?.has(KEY_USAGE.digitalSignature) !== true) return 'may not make signatures';
  if (names === null && !equalBytes(certificate.subject.der, certificate.issuer.der)) return 'not self-issued';
  return null;
}
