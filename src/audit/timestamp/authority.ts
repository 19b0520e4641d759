import { sha1 } from '#crypto';
import {
  type Bytes,
  CodedError,
  DerReader,
  EXTENSION,
  equalBytes,
  fromHex,
  isCurrent,
  toHex,
  type UnixSeconds,
  unknownCriticalExtension,
  whyNotIssuedBy,
  type X509Certificate,
} from '../../core/index.ts';
import { HASHES, hashOf, readAlgorithm, signatureOutcome } from './signatures.ts';
import { type NamedCertificate, type ParsedTimeStamp, parseTimeStamp, type StampSigner } from './token.ts';

const TIME_STAMPING = '1.3.6.1.5.5.7.3.8';
const ANY_PURPOSE = '2.5.29.37.0';
const SHA_1 = '1.3.14.3.2.26';
/** Certificates from the signer's to the root's. */
const PATH_MAX = 5;
/** Whoever made the token chose the certificates in it: not more signatures than this are looked at. */
const SIGNATURES_MAX = 32;
const PURPOSES_MAX = 16;
/** Bits of KeyUsage, one of which a signer has to have where it has any. */
const MAY_SIGN = [0, 1] as const;

/** `unknown`: nothing is wrong with it, and nobody that was named vouches for it. @property at seconds, as the authority says */
export type StampVerdict =
  | Readonly<{ outcome: 'holds'; at: UnixSeconds; root: X509Certificate }>
  | Readonly<{ outcome: 'refused' | 'unknown'; why: string }>;

const refused = (why: string): StampVerdict => ({ outcome: 'refused', why });
const unknown = (why: string): StampVerdict => ({ outcome: 'unknown', why });

/**
 * Whether an RFC 3161 time stamp is over a message, and by an authority under one of these roots: one signer, whose
 * certificate is for time stamping alone, was in date at the time it states and leads to a root. Whether it was revoked is
 * not looked at.
 * @param response as the authority answered @param roots the auditor's
 */
export async function verifyTimeStamp(
  response: Uint8Array,
  message: Uint8Array,
  roots: readonly X509Certificate[],
): Promise<StampVerdict> {
  let stamp: ParsedTimeStamp;
  try {
    stamp = parseTimeStamp(response);
  } catch (error) {
    if (error instanceof CodedError) return refused(error.message);
    throw error;
  }
  const { imprint, info, signer, genTime: at } = stamp;
  const imprintHash = hashOf(imprint.hash);
  const hash = hashOf(signer.hash);
  if (imprintHash === null || hash === null) return unknown('its hash is none that this version computes');
  if (!equalBytes(imprint.digest, HASHES[imprintHash](message))) return refused('it is over something else');
  if (!equalBytes(signer.messageDigest, HASHES[hash](info))) return refused('what it says was altered');
  // Many authorities leave their certificate out where it is not asked for; whoever named it has it.
  const certificate = [...stamp.certificates, ...roots].find((one) => isNamedBy(signer, one));
  if (certificate === undefined) {
    return unknown(
      'the certificate of its signer is neither in it, or cannot be read, nor among those that were brought',
    );
  }
  const misnamed = whyMisnamed(signer.named, certificate);
  if (misnamed !== null) return misnamed;
  const signed = await signatureOutcome(certificate, signer.algorithm, hash, signer.signedBytes, signer.signature);
  if (signed === 'unsupported') return unknown('its signature is of a kind that this version does not verify');
  if (signed === 'fails') return refused('its signature does not hold');
  const unfit = whyNotForStamps(certificate);
  if (unfit !== null) return refused(`the certificate of its signer ${unfit}`);
  const path = new PathSearch(stamp.certificates, roots);
  const root = await path.rootOf(certificate, at);
  if (root !== null) return { outcome: 'holds', at, root };
  const late = await new PathSearch(stamp.certificates, roots).rootOf(certificate, null);
  if (late !== null) return refused('a certificate of its authority was not in date at the time it states');
  return unknown('its authority is under none of the roots that were brought');
}

function isNamedBy({ by }: StampSigner, certificate: X509Certificate): boolean {
  if ('serial' in by) return by.serial === certificate.serial && equalBytes(by.issuer, certificate.issuer.der);
  const { subjectKeyIdentifier } = certificate;
  return subjectKeyIdentifier !== null && equalBytes(by.keyIdentifier, subjectKeyIdentifier);
}

/** RFC 3161 section 2.4.1: the signature says which certificate it is of. */
function whyMisnamed(named: readonly NamedCertificate[], { der }: X509Certificate): StampVerdict | null {
  if (named.length === 0) return refused('its signer does not say which certificate is its own');
  for (const { hash, digest } of named) {
    const known = hashOf(hash);
    if (known === null && hash !== SHA_1) return unknown('it names its certificate by a hash that is not known here');
    const own: Bytes = known === null ? sha1(der) : HASHES[known](der);
    if (!equalBytes(own, digest)) return refused('its signer says that another certificate is its own');
  }
  return null;
}

/** RFC 3161 section 2.3: for time stamping, for nothing else, and critically so. */
function whyNotForStamps(certificate: X509Certificate): string | null {
  const { basicConstraints, keyUsage, extensions } = certificate;
  const purposes = purposesOf(certificate);
  if (purposes === null || !purposes.includes(TIME_STAMPING)) return 'is not for time stamping';
  if (purposes.length > 1 || extensions.get(EXTENSION.extendedKeyUsage)?.critical !== true) {
    return 'is not for time stamping alone';
  }
  if (basicConstraints?.ca === true) return 'is that of a CA';
  if (keyUsage !== null && !MAY_SIGN.some((bit) => keyUsage.has(bit))) return 'may not make signatures';
  const critical = unknownCriticalExtension(certificate, [EXTENSION.extendedKeyUsage]);
  return critical === null ? null : `has the unknown critical extension ${critical}`;
}

/** Null where there is no such extension, or none that can be read. */
function purposesOf({ extensions }: X509Certificate): readonly string[] | null {
  const value = extensions.get(EXTENSION.extendedKeyUsage)?.value;
  if (value === undefined) return null;
  try {
    const outer = new DerReader(value, 'extKeyUsage');
    const list = outer.sequence('extKeyUsage');
    outer.end();
    const purposes: string[] = [];
    while (!list.done && purposes.length < PURPOSES_MAX) purposes.push(list.oid('purpose'));
    return list.done ? purposes : null;
  } catch (error) {
    if (error instanceof CodedError) return null;
    throw error;
  }
}

/** An intermediate CA that is for some purposes is for those alone. */
function mayIssueStamps(certificate: X509Certificate): boolean {
  if (unknownCriticalExtension(certificate, [EXTENSION.extendedKeyUsage]) !== null) return false;
  if (!certificate.extensions.has(EXTENSION.extendedKeyUsage)) return true;
  const purposes = purposesOf(certificate);
  return purposes?.some((purpose) => purpose === TIME_STAMPING || purpose === ANY_PURPOSE) === true;
}

/** Looks for a way from a certificate to a root (RFC 5280 section 6.1), through the certificates that came along. */
class PathSearch {
  readonly #given: readonly X509Certificate[];
  readonly #roots: readonly X509Certificate[];
  #signatures = 0;

  constructor(given: readonly X509Certificate[], roots: readonly X509Certificate[]) {
    this.#given = given;
    this.#roots = roots;
  }

  /** @param at when all of the way must be in date; null where that is not asked */
  async rootOf(leaf: X509Certificate, at: UnixSeconds | null): Promise<X509Certificate | null> {
    return this.#from(leaf, at, 0);
  }

  async #from(subject: X509Certificate, at: UnixSeconds | null, below: number): Promise<X509Certificate | null> {
    if (at !== null && !isCurrent(subject.notBefore, subject.notAfter, at)) return null;
    const isRoot = this.#roots.find((root) => equalBytes(root.sha256, subject.sha256));
    if (isRoot !== undefined) return isRoot;
    if (below + 1 >= PATH_MAX) return null;
    for (const issuer of [...this.#roots, ...this.#given]) {
      if (whyNotIssuedBy(subject, issuer, below) !== null || !mayIssueStamps(issuer)) continue;
      if (++this.#signatures > SIGNATURES_MAX || !(await issued(issuer, subject))) continue;
      const root = await this.#from(issuer, at, below + 1);
      if (root !== null) return root;
    }
    return null;
  }
}

async function issued(issuer: X509Certificate, subject: X509Certificate): Promise<boolean> {
  const reader = new DerReader(fromHex(subject.signatureAlgorithm), 'signatureAlgorithm');
  const algorithm = readAlgorithm(reader, 'signatureAlgorithm');
  return (await signatureOutcome(issuer, algorithm, null, subject.tbs, subject.signature)) === 'holds';
}

/** How a report names a root. */
export function rootName({ subject, sha256 }: X509Certificate): string {
  return `${subject.commonName ?? 'unnamed'} ${toHex(sha256)}`;
}
