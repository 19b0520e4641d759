import {
  missing,
  parseNvidiaReport,
  type TrustAnchor,
  VerificationCache,
  verifyNvidiaDevices,
} from '../attestation/index.ts';
import { type Bytes, CodedError, equalBytes, type Randomness, type UnixSeconds } from '../core/index.ts';

/** A GPU or a switch of this guest's own, reached through its measured driver. */
export type Device = Readonly<{
  /** 1 GPU, 2 switch. */
  kind: 1 | 2;
  /** Serial number of its leaf: what a boot measures of it. */
  id: Bytes;
  /** Certificates, DER, leaf first. */
  chain: readonly Bytes[];
  /** Asks it to sign a nonce of 32 bytes. */
  report: (nonce: Bytes) => Promise<Bytes>;
}>;

declare const checked: unique symbol; // not exported: only checkDevices makes the next type
/** Devices that this enclave has found genuine, in a genuine state and together one machine's. */
export type CheckedDevices = readonly Device[] & { readonly [checked]: true };

export const NO_DEVICES = [] as readonly Device[] as CheckedDevices;

/** What an enclave's image holds to check its devices by: NVIDIA's roots and the manifests of its own driver and VBIOS. */
export type DeviceTrust = Readonly<{
  deviceAnchors: readonly TrustAnchor[];
  manifestAnchors: readonly TrustAnchor[];
  /** By id. */
  manifests: ReadonlyMap<string, Uint8Array>;
}>;

/** Asks a device, and makes sure that it answers what it was asked: a binding of NVIDIA's once left the nonce out. */
export async function reportOf(device: Device, nonce: Bytes): Promise<Bytes> {
  const report = await device.report(nonce);
  if (equalBytes(parseNvidiaReport(report).requestNonce, nonce)) return report;
  throw new CodedError('DEVICES_REFUSED', 'a device answered another nonce than it was asked');
}

/**
 * What an enclave does before it measures its devices and uses them: a host could put anything on the bus. Revocation is
 * for those who rely on the worker to judge; an enclave has no network to ask with.
 * @throws CodedError DEVICES_REFUSED
 */
export async function checkDevices(
  devices: readonly Device[],
  trust: DeviceTrust,
  now: UnixSeconds,
  randomness: Randomness,
): Promise<CheckedDevices> {
  if (devices.length === 0) return NO_DEVICES;
  const nonce = randomness(32);
  const items = [];
  for (const device of devices) {
    items.push({ report: parseNvidiaReport(await reportOf(device, nonce)), certificates: device.chain });
  }
  const given = { rim: ({ id }: { id: string }) => trust.manifests.get(id), revocations: missing('not asked for') };
  const anchors = { device: trust.deviceAnchors, rim: trust.manifestAnchors };
  const context = { anchors, cache: new VerificationCache(), now };
  const verdict = await verifyNvidiaDevices(items, given, context, { revocation: 'off', expectNonce: nonce });
  if (verdict.verdict === 'verified') return devices as CheckedDevices;
  const checks = [verdict.checks, ...verdict.devices.map((one) => one.checks)];
  const failed = checks.flatMap((one) => Object.entries(one)).find(([, { outcome }]) => outcome === 'failed');
  const why = failed === undefined ? 'manifests are missing' : `${failed[0]} failed`;
  throw new CodedError('DEVICES_REFUSED', `the devices of this machine are not what they should be: ${why}`);
}
