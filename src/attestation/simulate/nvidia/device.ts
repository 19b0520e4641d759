import { type Bytes, CodedError, fromBase64, fromHex } from '../../../core/index.ts';
import type { TrustAnchor } from '../../endorsements/index.ts';
import { simulatedKey } from '../keys.ts';
import { serialOf } from './certificates.ts';
import type { NvidiaFirmware } from './firmware.ts';
import { deviceReport, type NvidiaReportFields } from './report.ts';

/** What one simulated GPU or switch holds: its own keys and certificates, none of the vendor's. JSON. */
export type NvidiaDeviceState = Readonly<{
  kind: 'chrysalis-simulated-nvidia-device';
  version: 1;
  name: string;
  firmware: NvidiaFirmware;
  /** 32 bytes, hexadecimal: the key that signs reports derives from it. */
  leafSecret: string;
  /** 48 bytes, hexadecimal. */
  fwid: string;
  /** 16 upper-case hexadecimal digits. */
  pdi: string;
  /** Leaf first, DER in base64. */
  chain: readonly string[];
}>;

/** The devices of one simulated host, with what its image would check them by. JSON. */
export type SimulatedDevicesState = Readonly<{
  kind: 'chrysalis-simulated-devices';
  version: 1;
  devices: readonly NvidiaDeviceState[];
  /** By id, base64. */
  manifests: Readonly<Record<string, string>>;
  trustAnchors: readonly Readonly<{ spkiSha256: string; name: string; purpose?: TrustAnchor['purpose'] }>[];
}>;

export type SimulatedNvidiaDevice = Readonly<{
  name: string;
  kind: 'gpu' | 'switch';
  /** Serial number of its leaf. */
  id: Bytes;
  firmware: NvidiaFirmware;
  pdi: string;
  /** Leaf first, DER. */
  chain: readonly Bytes[];
  /** @param nonce what the requester asks with, 32 bytes @param responderNonce the device's own, 32 bytes */
  report: (nonce: Uint8Array, responderNonce: Uint8Array, fields?: NvidiaReportFields) => Bytes;
}>;

/** @throws CodedError CONFIG_INVALID for a state of another kind or version, ENCODING_INVALID for bad fields */
export function openSimulatedNvidiaDevice(state: NvidiaDeviceState): SimulatedNvidiaDevice {
  if (state.kind !== 'chrysalis-simulated-nvidia-device' || state.version !== 1) {
    throw new CodedError('CONFIG_INVALID', 'not the state of a simulated NVIDIA device');
  }
  const { name, firmware, pdi } = state;
  const leaf = simulatedKey(fromHex(state.leafSecret, 'leafSecret'), 'P-384');
  const device = { leaf, firmware, pdi, fwid: fromHex(state.fwid, 'fwid') };
  return {
    name,
    kind: firmware.kind,
    id: serialOf(leaf),
    firmware,
    pdi,
    chain: state.chain.map((der) => fromBase64(der, 'chain')),
    report: (nonce, responderNonce, fields = {}) => deviceReport(device, { nonce, responderNonce }, fields),
  };
}
