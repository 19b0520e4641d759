import { equalBytes } from '../bytes.ts';
import type { UnixSeconds } from '../time.ts';
import { KEY_USAGE, type X509Certificate } from './certificate.ts';
import type { X509Crl } from './crl.ts';
import { EXTENSION } from './extensions.ts';

const UNDERSTOOD: ReadonlySet<string> = new Set([EXTENSION.basicConstraints, EXTENSION.keyUsage]);

/**
 * The first critical extension that path verification does not understand, or null.
 * @param also extensions that the caller judges itself
 */
export function unknownCriticalExtension(certificate: X509Certificate, also: readonly string[] = []): string | null {
  for (const [id, { critical }] of certificate.extensions) {
    if (critical && !UNDERSTOOD.has(id) && !also.includes(id)) return id;
  }
  return null;
}

/**
 * Why `issuer` cannot have issued `subject`, or null where everything but the signature fits: names by raw DER, key
 * identifiers where present, CA flag, path length, KeyUsage (RFC 5280 section 6.1). Dates and revocation are apart.
 * @param below CA certificates between `issuer` and the leaf, not counting the leaf
 */
export function whyNotIssuedBy(subject: X509Certificate, issuer: X509Certificate, below: number): string | null {
  const why = whyNotSignedUnder(subject, issuer);
  if (why !== null) return why;
  const { basicConstraints, keyUsage } = issuer;
  if (basicConstraints?.ca !== true) return 'the issuer is not a CA';
  if (basicConstraints.pathLength !== null && below > basicConstraints.pathLength) return 'the path is too long';
  if (keyUsage === null || !keyUsage.has(KEY_USAGE.keyCertSign)) return 'the issuer may not sign certificates';
  return null;
}

/** Why `subject` does not name `issuer` as the one that signed it, or null: by name, and by key identifier where present. */
export function whyNotSignedUnder(subject: X509Certificate, issuer: X509Certificate): string | null {
  if (!equalBytes(subject.issuer.der, issuer.subject.der)) return 'the issuer name is another';
  const { authorityKeyIdentifier } = subject;
  const { subjectKeyIdentifier } = issuer;
  if (authorityKeyIdentifier === null || subjectKeyIdentifier === null) return null;
  return equalBytes(authorityKeyIdentifier, subjectKeyIdentifier) ? null : 'the key identifiers differ';
}

/** Why `issuer` cannot have issued the list, or null where everything but the signature fits. */
export function whyNotCrlOf(crl: X509Crl, issuer: X509Certificate): string | null {
  if (!equalBytes(crl.issuer.der, issuer.subject.der)) return 'the CRL has another issuer';
  if (crl.authorityKeyIdentifier !== null && issuer.subjectKeyIdentifier !== null) {
    if (!equalBytes(crl.authorityKeyIdentifier, issuer.subjectKeyIdentifier)) return 'the CRL names another key';
  }
  if (issuer.keyUsage === null || !issuer.keyUsage.has(KEY_USAGE.cRLSign)) return 'the issuer may not sign CRLs';
  return null;
}

export function isCurrent(from: UnixSeconds, until: UnixSeconds, now: UnixSeconds): boolean {
  return from <= now && now <= until;
}
