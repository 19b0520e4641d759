import { type Bytes, concat, u16, u64 } from '../bytes.ts';
import { CodedError } from '../errors.ts';
import { decodeObject, encodeObject, labelledDigest } from '../objects.ts';
import type { UnixMs } from '../time.ts';

/** The keys of one enclave boot, committed to by its Evidence (AIS/1 section 2). */
export type Keyset = Readonly<{
  /** IK, Ed25519, 32 bytes: signs only `epoch-cert` and `live`. */
  identityKey: Bytes;
  /** RK, Ed25519, 32 bytes: signs only `receipt`. */
  receiptKey: Bytes;
  /** SHA-256 of the SPKI of TK, the key of the worker's own TLS endpoint. */
  transportSpkiSha256: Bytes;
  /** Protocol versions, u16 each. */
  versions: readonly number[];
  /** HPKE KEM ids, u16 each, best first. */
  suites: readonly number[];
  /** TON account that is paid for this worker's receipts. */
  payee: Readonly<{ workchain: number; account: Bytes }>;
  /** The worker reboots before it. */
  notAfter: UnixMs;
}>;

const SUITES_MAX = 8;

const RULES = [
  { name: 'identityKey', length: 32 },
  { name: 'receiptKey', length: 32 },
  { name: 'transportSpkiSha256', length: 32 },
  { name: 'versions', length: { multipleOf: 2 } },
  { name: 'suites', length: { multipleOf: 2 } },
  { name: 'payee', length: 33 },
  { name: 'notAfter', length: 8 },
] as const;

/** As {@link RULES} has them. */
const fieldsOf = (keyset: Keyset): Bytes[] => [
  keyset.identityKey,
  keyset.receiptKey,
  keyset.transportSpkiSha256,
  encodeU16List(keyset.versions),
  encodeU16List(keyset.suites),
  concat(Uint8Array.of(keyset.payee.workchain & 0xff), keyset.payee.account),
  u64(keyset.notAfter),
];

export function encodeKeyset(keyset: Keyset): Bytes {
  return encodeObject(fieldsOf(keyset));
}

/** @throws CodedError OBJECT_MALFORMED: also for an empty or repeating list of versions or suites */
export function parseKeyset(object: Uint8Array): Keyset {
  const [identityKey, receiptKey, transportSpkiSha256, versions, suites, payee, notAfter] = decodeObject(
    object,
    'keyset',
    RULES,
  ) as [Bytes, Bytes, Bytes, Bytes, Bytes, Bytes, Bytes];
  const workchain = ((payee[0] as number) << 24) >> 24;
  return {
    identityKey,
    receiptKey,
    transportSpkiSha256,
    versions: decodeU16List(versions, 'keyset.versions'),
    suites: decodeU16List(suites, 'keyset.suites'),
    payee: { workchain, account: payee.slice(1) },
    notAfter: decodeMs(notAfter, 'keyset.notAfter'),
  };
}

/** `keyset_digest = H("keyset", fields)`. @param object as encoded; parse it first */
export function keysetDigest(keyset: Keyset): Bytes {
  return labelledDigest('keyset', ...fieldsOf(keyset));
}

/** `worker_id = H("worker-id", IK_pub)`, 32 bytes. */
export function workerId(identityKey: Uint8Array): Bytes {
  return labelledDigest('worker-id', identityKey);
}

/** `H("ek", u16 kem, EK_pub)`: what the Evidence says of one epoch key. */
export function epochKeyDigest(kem: number, publicKey: Uint8Array): Bytes {
  return labelledDigest('ek', u16(kem), publicKey);
}

export function encodeU16List(list: readonly number[]): Bytes {
  return concat(...list.map(u16));
}

/** 1 to 8 different values. @throws CodedError OBJECT_MALFORMED */
export function decodeU16List(bytes: Uint8Array, structure: string): number[] {
  const list: number[] = [];
  for (let i = 0; i + 1 < bytes.length; i += 2) list.push((bytes[i] as number) * 256 + (bytes[i + 1] as number));
  if (bytes.length % 2 !== 0 || list.length === 0 || list.length > SUITES_MAX || new Set(list).size !== list.length) {
    throw new CodedError('OBJECT_MALFORMED', `${structure}: 1 to ${SUITES_MAX} different values`, { structure });
  }
  return list;
}

/** A time beyond 2^53 ms is nobody's clock. @throws CodedError OBJECT_MALFORMED */
export function decodeMs(bytes: Uint8Array, structure: string): UnixMs {
  const value = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, false);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new CodedError('OBJECT_MALFORMED', `${structure}: time out of range`, { structure });
  }
  return Number(value);
}
