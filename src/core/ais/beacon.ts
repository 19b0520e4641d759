import { type Bytes, i32, u32, u64 } from '../bytes.ts';
import { decodeObject, encodeObject } from '../objects.ts';

/** The newest TON masterchain block and log head an enclave knows (AIS/1 section 3, item 3). */
export type Beacon = Readonly<{
  /** TON global id: -239 mainnet, -3 testnet. */
  network: number;
  /** Masterchain sequence number. */
  seqno: number;
  /** Root hash of that block, 32 bytes. */
  blockRootHash: Bytes;
  /** SHA-256 of the log's origin line, without newline. */
  logOriginSha256: Bytes;
  logSize: bigint;
  logRoot: Bytes;
}>;

const RULES = [
  { name: 'network', length: 4 },
  { name: 'seqno', length: 4 },
  { name: 'blockRootHash', length: 32 },
  { name: 'logOriginSha256', length: 32 },
  { name: 'logSize', length: 8 },
  { name: 'logRoot', length: 32 },
] as const;

export function encodeBeacon(beacon: Beacon): Bytes {
  return encodeObject([
    i32(beacon.network),
    u32(beacon.seqno),
    beacon.blockRootHash,
    beacon.logOriginSha256,
    u64(beacon.logSize),
    beacon.logRoot,
  ]);
}

/** @throws CodedError OBJECT_MALFORMED */
export function parseBeacon(object: Uint8Array): Beacon {
  const [network, seqno, blockRootHash, logOriginSha256, logSize, logRoot] = decodeObject(object, 'beacon', RULES) as [
    Bytes,
    Bytes,
    Bytes,
    Bytes,
    Bytes,
    Bytes,
  ];
  return {
    network: new DataView(network.buffer).getInt32(0, false),
    seqno: new DataView(seqno.buffer).getUint32(0, false),
    blockRootHash,
    logOriginSha256,
    logSize: new DataView(logSize.buffer).getBigUint64(0, false),
    logRoot,
  };
}
