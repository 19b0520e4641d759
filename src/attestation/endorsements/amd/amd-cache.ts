import { rsaPssVerify, sha256 } from '#crypto';
import {
  type CertificateProfile,
  concat,
  parseCertificate,
  type RsaPssVerifier,
  signedByRsaPss,
  toHex,
  utf8,
  type X509Certificate,
} from '../../../core/index.ts';
import { BoundedMap } from '../verification-cache.ts';
import type { AmdChain } from './chain.ts';

/** How AMD writes certificates apart from DER. */
export const AMD_CERTIFICATE_PROFILE: CertificateProfile = { wholeByteKeyUsage: true };

export const AMD_CACHE_ENTRIES_MAX = 2048;

/**
 * Remembers work whose answer can never change, by content: certificates that were parsed, RSA signatures that held
 * (never one that failed) and the chains that they make. Anchors, time, revocation and policy are judged anew each time.
 */
export class AmdCache {
  readonly #signatures = new BoundedMap<true>(AMD_CACHE_ENTRIES_MAX);
  readonly #certificates = new BoundedMap<X509Certificate>(AMD_CACHE_ENTRIES_MAX);

  /** The chain that a leaf was last found in, by its SHA-256; whether its root is trusted is for the caller of the moment. */
  readonly chains = new BoundedMap<AmdChain>(AMD_CACHE_ENTRIES_MAX);

  /** `parseCertificate`, once per certificate. @throws CodedError CERTIFICATE_MALFORMED */
  readonly certificate = (der: Uint8Array): X509Certificate => {
    const key = toHex(sha256(der));
    const known = this.#certificates.get(key);
    if (known !== undefined) return known;
    const parsed = parseCertificate(der, AMD_CERTIFICATE_PROFILE);
    this.#certificates.set(key, parsed);
    return parsed;
  };

  /** Whether the issuer's key signed the certificate, AMD's way; once per certificate and key. */
  readonly issued = async (subject: X509Certificate, issuer: X509Certificate): Promise<boolean> => {
    const key = `${toHex(subject.sha256)} ${toHex(issuer.spkiSha256)}`;
    if (this.#signatures.get(key) === true) return true;
    const holds = await signedByRsaPss(subject, issuer.spki);
    if (holds) this.#signatures.set(key, true);
    return holds;
  };

  /** `rsaPssVerify`, once per key, message and signature. */
  readonly verify: RsaPssVerifier = async (spki, hash, saltLength, message, signature) => {
    const lengths = utf8(`${hash}:${saltLength}:${spki.length}:${signature.length}:`);
    const key = toHex(sha256(concat(lengths, spki, signature, message)));
    if (this.#signatures.get(key) === true) return true;
    const holds = await rsaPssVerify(spki, hash, saltLength, message, signature);
    if (holds) this.#signatures.set(key, true);
    return holds;
  };
}
