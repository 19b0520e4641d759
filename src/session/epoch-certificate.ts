import type { KemId } from '#crypto';
import {
  type Beacon,
  type Bytes,
  decodeMs,
  decodeObject,
  encodeBeacon,
  encodeObject,
  objectDigest,
  parseBeacon,
  type UnixMs,
  u16,
  u32,
  u64,
} from '../core/index.ts';
import { isKnownKem, KEM_BYTES } from './hpke.ts';
import { exactly, malformed, readUint, verifyDigest } from './objects.ts';

/** What IK signs each epoch: one KEM key, for ten minutes at most (AIS/1 section 4). */
export type EpochCertificate = Readonly<{
  version: number;
  workerId: Bytes;
  /** 0 at boot, then +1. */
  epoch: number;
  notBefore: UnixMs;
  notAfter: UnixMs;
  kem: KemId;
  /** EK: 1216 bytes (X-Wing) or 32 (X25519). */
  publicKey: Bytes;
  /** ED: digest of the evidence that this certificate speaks under. */
  evidenceDigest: Bytes;
  /** Bound of a header's sealed_bytes. */
  requestBytesMax: number;
  outputTokensMax: number;
  /** Newest known to the enclave. */
  beacon: Beacon;
}>;

/** A client refuses a longer validity. */
export const EPOCH_MS_MAX = 600_000;
/** How long an epoch's keys outlive its certificates, for requests and streams under way. */
export const EPOCH_OVERLAP_MS = 120_000;

const RULES = [
  { name: 'version', length: 2 },
  { name: 'workerId', length: 32 },
  { name: 'epoch', length: 4 },
  { name: 'notBefore', length: 8 },
  { name: 'notAfter', length: 8 },
  { name: 'kem', length: 2 },
  { name: 'publicKey', length: [32, 1216] },
  { name: 'evidenceDigest', length: 32 },
  { name: 'requestBytesMax', length: 4 },
  { name: 'outputTokensMax', length: 4 },
  { name: 'beacon', length: 'any' },
] as const;

export function encodeEpochCertificate(certificate: EpochCertificate): Bytes {
  return encodeObject([
    u16(certificate.version),
    exactly(32, 'workerId', certificate.workerId),
    u32(certificate.epoch),
    u64(certificate.notBefore),
    u64(certificate.notAfter),
    u16(certificate.kem),
    exactly(KEM_BYTES[certificate.kem].publicKey, 'publicKey', certificate.publicKey),
    exactly(32, 'evidenceDigest', certificate.evidenceDigest),
    u32(certificate.requestBytesMax),
    u32(certificate.outputTokensMax),
    encodeBeacon(certificate.beacon),
  ]);
}

/** Structure only: rely on nothing in it before {@link verifyOffer}. @throws CodedError OBJECT_MALFORMED, unknown KEM included */
export function parseEpochCertificate(object: Uint8Array): EpochCertificate {
  const f = decodeObject(object, 'epochCertificate', RULES) as [
    ...[Bytes, Bytes, Bytes, Bytes, Bytes, Bytes],
    ...[Bytes, Bytes, Bytes, Bytes, Bytes],
  ];
  const kem = readUint(f[5]);
  if (!isKnownKem(kem)) throw malformed('epochCertificate', 'kem', 'unknown');
  if (f[6].length !== KEM_BYTES[kem].publicKey) throw malformed('epochCertificate', 'publicKey', 'not of this KEM');
  return {
    version: readUint(f[0]),
    workerId: f[1],
    epoch: readUint(f[2]),
    notBefore: decodeMs(f[3], 'epochCertificate.notBefore'),
    notAfter: decodeMs(f[4], 'epochCertificate.notAfter'),
    kem,
    publicKey: f[6],
    evidenceDigest: f[7],
    requestBytesMax: readUint(f[8]),
    outputTokensMax: readUint(f[9]),
    beacon: parseBeacon(f[10]),
  };
}

/** `ec_digest = H("epoch-cert", EC fields)`. @param object as it travels */
export function epochCertificateDigest(object: Uint8Array): Bytes {
  return objectDigest('epoch-cert', object);
}

/**
 * True where the attested identity key signed this certificate: what a router checks of it beside the evidence. A
 * client checks more: {@link verifyOffer}.
 * @param object as it travels
 */
export function verifyEpochSignature(
  identityKey: Uint8Array,
  object: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  return verifyDigest(identityKey, epochCertificateDigest(object), signature);
}
