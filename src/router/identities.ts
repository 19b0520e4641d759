import { createPublicKey, verify } from 'node:crypto';
import { sha256 } from '#crypto';
import {
  type Bytes,
  type Clock,
  CodedError,
  DerReader,
  ECDSA_WITH_SHA256,
  EXTENSION,
  extensionReader,
  fromUtf8,
  isCurrent,
  KEY_USAGE,
  parseCertificate,
  parseCrl,
  toHex,
  unknownCriticalExtension,
  whyNotCrlOf,
  whyNotIssuedBy,
  type X509Certificate,
  type X509Crl,
} from '../core/index.ts';

/** What an account may do: which payment channels are its own, raw addresses; `any` for one that settles them itself. */
export type ClientAccount = Readonly<{ channels: 'any' | ReadonlySet<string> }>;
export type ClientAccounts = ReadonlyMap<string, ClientAccount>;

export type IdentityTerms = Readonly<{
  /** Certificate of the CA that issues clients' certificates, DER. */
  authority: Bytes;
  /** Its newest revocation list, DER. */
  revocations: () => Bytes;
  accounts: () => ClientAccounts;
  /** Whether those without a certificate are served too, each with whatever channels it delegates from. */
  anonymous: boolean;
  now: Clock;
}>;

/** Decides who a client is by the certificate that its connection proved it has the key of. */
export type Identities = Readonly<{
  /**
   * The account of a client, null where it has no certificate and none is needed.
   * @param certificate DER, as TLS proved it; null without one
   * @param channel that is spoken of, a raw address
   * @throws CodedError IDENTITY_REFUSED (`facts.check` names what failed), IDENTITY_UNKNOWN where no current revocation
   *   list is there, CHANNEL_REFUSED for a channel of somebody else
   */
  admit(certificate: Uint8Array | null, channel: string | null): string | null;
}>;

/** The name of an account in a certificate: one URI among its subject alternative names. */
export const ACCOUNT_URI = 'urn:chrysalis:account:';
export const ACCOUNT_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
const URI_TAG = 0x86;
const NAMES_MAX = 16;
const KNOWN_MAX = 10_000;

type Known = Readonly<{ certificate: X509Certificate; account: string }>;

const refused = (check: string, why: string) =>
  new CodedError('IDENTITY_REFUSED', `the client’s certificate: ${why}`, { check });

/** @throws CodedError CONFIG_INVALID for an authority that cannot be one */
export function createIdentities(terms: IdentityTerms): Identities {
  const authority = authorityOf(terms.authority);
  const known = new Map<string, Known>();
  let list: Readonly<{ der: Bytes; crl: X509Crl }> | null = null;

  const revocations = (): X509Crl => {
    const der = terms.revocations();
    if (list?.der !== der) list = { der, crl: crlOf(der, authority) };
    return list.crl;
  };

  const identify = (der: Uint8Array): Known => {
    const key = toHex(sha256(der));
    const before = known.get(key);
    if (before !== undefined) return before;
    const found = identified(der, authority);
    if (known.size >= KNOWN_MAX) known.delete(known.keys().next().value as string);
    known.set(key, found);
    return found;
  };

  return {
    admit(der, channel) {
      if (der === null) {
        if (terms.anonymous) return null;
        throw refused('present', 'there is none');
      }
      const { certificate, account } = identify(der);
      const now = Math.floor(terms.now() / 1000);
      if (!isCurrent(authority.notBefore, authority.notAfter, now))
        throw refused('issuer', 'its issuer is not current');
      if (!isCurrent(certificate.notBefore, certificate.notAfter, now)) throw refused('current', 'not current');
      const crl = revocations();
      if (!isCurrent(crl.thisUpdate, crl.nextUpdate, now)) {
        throw new CodedError('IDENTITY_UNKNOWN', 'no current revocation list of clients’ certificates is at hand');
      }
      if (crl.revoked.has(certificate.serial)) throw refused('revoked', 'revoked');
      const may = terms.accounts().get(account);
      if (may === undefined) throw refused('account', 'its account is not known here');
      if (channel !== null && may.channels !== 'any' && !may.channels.has(channel)) {
        throw new CodedError('CHANNEL_REFUSED', 'this channel belongs to another account');
      }
      return account;
    },
  };
}

function authorityOf(der: Bytes): X509Certificate {
  const authority = parseCertificate(der);
  const why = whyNotIssuedBy(authority, authority, 0);
  if (why !== null || !signedBy(authority, authority)) {
    throw new CodedError(
      'CONFIG_INVALID',
      `the clients’ CA is no self-signed CA: ${why ?? 'the signature is another’s'}`,
    );
  }
  return authority;
}

function crlOf(der: Bytes, authority: X509Certificate): X509Crl {
  const crl = parseCrl(der);
  const why = whyNotCrlOf(crl, authority) ?? (signedBy(crl, authority) ? null : 'it is signed by another');
  if (why !== null) throw new CodedError('IDENTITY_UNKNOWN', `the revocation list of clients’ certificates: ${why}`);
  return crl;
}

/** Everything of a certificate that does not change with time. */
function identified(der: Uint8Array, authority: X509Certificate): Known {
  const { certificate, uses, accounts } = readable(der);
  const why = whyNotIssuedBy(certificate, authority, 0);
  if (why !== null || !signedBy(certificate, authority)) throw refused('issuer', 'another CA issued it');
  if (certificate.basicConstraints?.ca === true) throw refused('usage', 'it is a CA’s');
  if (certificate.keyUsage?.has(KEY_USAGE.digitalSignature) !== true) throw refused('usage', 'it may not sign');
  if (unknownCriticalExtension(certificate, [EXTENSION.extendedKeyUsage, SUBJECT_ALTERNATIVE_NAME]) !== null) {
    throw refused('usage', 'it has a critical extension that is not known');
  }
  if (!uses.includes(CLIENT_AUTH)) throw refused('usage', 'it is not for clients');
  const [account] = accounts;
  if (account === undefined || accounts.length > 1 || !ACCOUNT_NAME.test(account)) {
    throw refused('account', 'it names no account, or several');
  }
  return { certificate, account };
}

function readable(der: Uint8Array) {
  try {
    const certificate = parseCertificate(der);
    return { certificate, uses: usesOf(certificate), accounts: accountsOf(certificate) };
  } catch {
    throw refused('encoding', 'it cannot be read');
  }
}

function usesOf(certificate: X509Certificate): string[] {
  const uses: string[] = [];
  const outer = extensionReader(reader(certificate), certificate.extensions, EXTENSION.extendedKeyUsage);
  if (outer === null) return uses;
  const list = outer.sequence('extKeyUsage');
  outer.end();
  while (!list.done && uses.length < NAMES_MAX) uses.push(list.oid('keyPurposeId'));
  list.end();
  return uses;
}

function accountsOf(certificate: X509Certificate): string[] {
  const outer = extensionReader(reader(certificate), certificate.extensions, SUBJECT_ALTERNATIVE_NAME);
  const names: string[] = [];
  if (outer !== null) {
    const list = outer.sequence('subjectAltName');
    outer.end();
    while (!list.done && names.length < NAMES_MAX) {
      if (list.peekTag() === URI_TAG) names.push(fromUtf8(list.content('uniformResourceIdentifier', URI_TAG)));
      else list.any('generalName');
    }
    list.end();
  }
  return names.filter((name) => name.startsWith(ACCOUNT_URI)).map((name) => name.slice(ACCOUNT_URI.length));
}

const reader = (certificate: X509Certificate) => new DerReader(certificate.der, 'x509');

/** ECDSA with SHA-256 by a key on P-256, at once: a request waits for it. */
function signedBy(
  signed: Pick<X509Certificate, 'tbs' | 'signatureAlgorithm' | 'signature'>,
  by: X509Certificate,
): boolean {
  if (signed.signatureAlgorithm !== ECDSA_WITH_SHA256 || by.publicKey?.curve !== 'P-256') return false;
  const key = createPublicKey({ key: Buffer.from(by.spki), format: 'der', type: 'spki' });
  return verify('sha256', signed.tbs, key, signed.signature);
}
