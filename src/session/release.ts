import { aeadKey, aeadOpen, aeadSeal, type KemPrivateKey } from '#crypto';
import { type Bytes, CodedError, encodeObject, labelledDigest, utf8 } from '../core/index.ts';
import { KEM_BYTES, KEM_XWING, setupReceiver, setupSender } from './hpke.ts';

/** A secret that is released, in bytes: a key, or what opens a disk. */
export const RELEASED_SECRET_BYTES_MAX = 1024;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What both ends must agree on before the secret opens: an answer to another question gives another key. */
export type ReleaseContext = Readonly<{
  secret: string;
  /** The service's challenge, 32 bytes. */
  nonce: Uint8Array;
  /** ED of the evidence that was judged, 32 bytes. */
  evidenceDigest: Uint8Array;
  /** The owner's policy, 32 bytes. */
  policyDigest: Uint8Array;
}>;

export type WrappedSecret = Readonly<{ enc: Bytes; sealed: Bytes }>;

/** A release service's leaf input: no evidence made for a router or a client answers it. */
export function releaseNonceInput(secret: string, nonce: Uint8Array): Bytes {
  return labelledDigest('release-challenge', utf8(secret), nonce);
}

/** `info = LP("ais/1 release") ‖ LP(secret name) ‖ LP(nonce) ‖ LP(ED) ‖ LP(policy digest)`. */
function releaseInfo({ secret, nonce, evidenceDigest, policyDigest }: ReleaseContext): Bytes {
  return encodeObject([utf8('ais/1 release'), utf8(secret), nonce, evidenceDigest, policyDigest]);
}

/**
 * Wraps a secret to an attested X-Wing key: HPKE (export-only) and AES-256-GCM under a key exported once.
 * @param secret 1 to 1024 bytes
 * @throws CodedError KEY_REFUSED for a public key that is malformed
 */
export async function wrapReleased(
  publicKey: Uint8Array,
  context: ReleaseContext,
  secret: Uint8Array,
): Promise<WrappedSecret> {
  if (secret.length === 0 || secret.length > RELEASED_SECRET_BYTES_MAX) {
    throw new CodedError('INVARIANT_BROKEN', 'a released secret has 1 to 1024 bytes', { bytes: secret.length });
  }
  const { enc, exporter } = await setupSender(KEM_XWING, publicKey, releaseInfo(context));
  const key = exporter.export('release-key', 32);
  exporter.erase();
  // One key for one message: the nonce is constant.
  const sealed = aeadSeal(aeadKey(key), new Uint8Array(NONCE_BYTES), new Uint8Array(0), secret);
  key.fill(0);
  return { enc, sealed };
}

/**
 * Opens what {@link wrapReleased} made for this key and context.
 * @throws CodedError OPEN_FAILED for anything else, a wrong length included
 */
export async function openReleased(
  key: KemPrivateKey,
  context: ReleaseContext,
  { enc, sealed }: WrappedSecret,
): Promise<Bytes> {
  const failed = () => new CodedError('OPEN_FAILED', 'the released secret does not open: it answers another question');
  const fits = sealed.length > TAG_BYTES && sealed.length <= RELEASED_SECRET_BYTES_MAX + TAG_BYTES;
  if (key.kem !== KEM_XWING || enc.length !== KEM_BYTES[KEM_XWING].enc || !fits) throw failed();
  const exporter = await setupReceiver(key, enc, releaseInfo(context));
  if (exporter === null) throw failed();
  const opening = exporter.export('release-key', 32);
  exporter.erase();
  const secret = aeadOpen(aeadKey(opening), new Uint8Array(NONCE_BYTES), new Uint8Array(0), sealed);
  opening.fill(0);
  if (secret === null) throw failed();
  return secret;
}

/** What a worker and a release service say to each other, free of any transport. */
export type ReleaseAsk = Readonly<{
  secret: string;
  nonce: Bytes;
  bundle: Bytes;
  nonceProof: Bytes;
  /** X-Wing, 1216 bytes. */
  publicKey: Bytes;
  /** Of the key that signed the quote, DER; hints, where the quote holds none itself. */
  certificates: readonly Bytes[];
}>;

export type ReleaseAnswer =
  | (WrappedSecret & Readonly<{ outcome: 'released'; policyDigest: Bytes; logIndex: number }>)
  | Readonly<{
      outcome: 'refused';
      code: string;
      message: string;
      failedChecks: readonly string[];
      /** 0: the same image will not be given it. */
      retryAfterMs: number;
    }>;
