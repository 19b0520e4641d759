import {
  type Bytes,
  CodedError,
  compareBytes,
  concat,
  decodeObject,
  encodeObject,
  labelledDigest,
  lengthPrefixed,
  u8,
} from '../../../core/index.ts';
import { readLengthPrefixed } from './list.ts';

/** A GPU or a switch as the device vouches for itself (AIS/1 section 3, item 2). */
export type DeviceEvidence = Readonly<{
  /** 1 GPU, 2 switch. */
  kind: 1 | 2;
  /** The signed SPDM measurement exchange, as the device answered it. */
  report: Bytes;
  /** Certificates, DER, leaf first. */
  chain: readonly Bytes[];
}>;

/** Eight GPUs and their switches, with room for the next generation's. */
export const DEVICES_MAX = 32;
export const DEVICE_REPORT_BYTES_MAX = 64 * 1024;
export const DEVICE_CERTIFICATES_MAX = 8;
export const DEVICE_CERTIFICATE_BYTES_MAX = 4096;

function encodeChain(device: DeviceEvidence): Bytes {
  return concat(...device.chain.map(lengthPrefixed));
}

/** `d = H("device", u8 kind, report, chain)`, 32 bytes; chain = LP(DER) of each certificate, leaf first. */
export function deviceDigest(device: DeviceEvidence): Bytes {
  return labelledDigest('device', u8(device.kind), device.report, encodeChain(device));
}

/** `g = H("gpu-nonce", keyset_digest, N, u8 device count)`, the SPDM nonce that each device must sign. */
export function gpuNonce(keysetDigest: Uint8Array, nonceRoot: Uint8Array, deviceCount: number): Bytes {
  return labelledDigest('gpu-nonce', keysetDigest, nonceRoot, u8(deviceCount));
}

/**
 * `G = H("gpu-set", d_1, …)` over the digests in ascending order; no device gives `H("gpu-set")`.
 * @param digests 32 bytes each, in any order
 * @throws CodedError OBJECT_MALFORMED where two are equal or there are more than 32
 */
export function gpuSetDigest(digests: readonly Uint8Array[]): Bytes {
  return labelledDigest('gpu-set', ...sortedDigests(digests));
}

/** Ascending. @throws CodedError OBJECT_MALFORMED where two are equal, one is not 32 bytes long, or there are too many */
export function sortedDigests(digests: readonly Uint8Array[]): Uint8Array[] {
  const sorted = [...digests].sort(compareBytes);
  const repeats = sorted.some((digest, index) => index > 0 && compareBytes(digest, sorted[index - 1] as Bytes) === 0);
  if (repeats || sorted.length > DEVICES_MAX || sorted.some((digest) => digest.length !== 32)) {
    throw new CodedError('OBJECT_MALFORMED', `devices: at most ${DEVICES_MAX}, no two alike`, {
      devices: sorted.length,
    });
  }
  return sorted;
}

/** The bundle's `devices` field: LP(device object) of each, ascending by device digest (docs/evidence-binding.md). */
export function encodeDevices(devices: readonly DeviceEvidence[]): Bytes {
  const byDigest = devices.map((device) => ({ device, digest: deviceDigest(device) }));
  byDigest.sort((a, b) => compareBytes(a.digest, b.digest));
  return concat(
    ...byDigest.map(({ device }) =>
      lengthPrefixed(encodeObject([u8(device.kind), device.report, encodeChain(device)])),
    ),
  );
}

const DEVICE_RULES = [
  { name: 'kind', length: 1 },
  { name: 'report', length: 'any' },
  { name: 'chain', length: 'any' },
] as const;

const DEVICE_OBJECT_BYTES_MAX =
  13 + DEVICE_REPORT_BYTES_MAX + DEVICE_CERTIFICATES_MAX * (4 + DEVICE_CERTIFICATE_BYTES_MAX);

/** @throws CodedError OBJECT_MALFORMED: also for an unknown kind, an empty report or chain, and a wrong order */
export function parseDevices(field: Uint8Array): DeviceEvidence[] {
  const objects = readLengthPrefixed(field, 'evidence.devices', {
    itemsMax: DEVICES_MAX,
    itemBytesMax: DEVICE_OBJECT_BYTES_MAX,
  });
  const devices = objects.map(parseDevice);
  const digests = devices.map(deviceDigest);
  for (let i = 1; i < digests.length; i++) {
    if (compareBytes(digests[i] as Bytes, digests[i - 1] as Bytes) > 0) continue;
    throw new CodedError('OBJECT_MALFORMED', 'evidence.devices: not ascending by digest', { device: i });
  }
  return devices;
}

function parseDevice(object: Bytes): DeviceEvidence {
  const [kind, report, chain] = decodeObject(object, 'evidence.device', DEVICE_RULES) as [Bytes, Bytes, Bytes];
  const certificates = readLengthPrefixed(chain, 'evidence.device.chain', {
    itemsMax: DEVICE_CERTIFICATES_MAX,
    itemBytesMax: DEVICE_CERTIFICATE_BYTES_MAX,
  });
  const malformed = (field: string, why: string) =>
    new CodedError('OBJECT_MALFORMED', `evidence.device.${field}: ${why}`, { field });
  if (kind[0] !== 1 && kind[0] !== 2) throw malformed('kind', 'neither a GPU (1) nor a switch (2)');
  if (report.length === 0 || report.length > DEVICE_REPORT_BYTES_MAX) throw malformed('report', 'empty or too long');
  if (certificates.length === 0) throw malformed('chain', 'no certificate');
  return { kind: kind[0], report, chain: certificates };
}
