import { sha384 } from '#crypto';
import { type Bytes, utf8 } from '../../../core/index.ts';

/** The firmware of one device: what its report names, and so which manifests judge it. */
export type NvidiaFirmware =
  | Readonly<{
      kind: 'gpu';
      chip: 'GH100' | 'GB100';
      driverVersion: string;
      /** Dotted, upper case. */
      vbiosVersion: string;
      project: string;
      projectSku: string;
      chipSku: string;
    }>
  | Readonly<{ kind: 'switch'; chip: 'LS_10'; biosVersion: string }>;

/** Versions that nobody ships, so that no manifest of NVIDIA's is ever asked for. */
export const SIMULATED_H100: NvidiaFirmware & { kind: 'gpu' } = {
  kind: 'gpu',
  chip: 'GH100',
  driverVersion: '999.10.01',
  vbiosVersion: '96.00.F0.00.01',
  project: '1010',
  projectSku: '0200',
  chipSku: '882',
};
export const SIMULATED_B200: NvidiaFirmware & { kind: 'gpu' } = {
  kind: 'gpu',
  chip: 'GB100',
  driverVersion: '999.20.01',
  vbiosVersion: '97.00.F0.00.01',
  project: 'G525',
  projectSku: '0200',
  chipSku: '890',
};
export const SIMULATED_SWITCH: NvidiaFirmware = { kind: 'switch', chip: 'LS_10', biosVersion: '96.10.F0.00.01' };

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Indexes that NVIDIA's manifests of each kind judge, as read from its own files. */
const ACTIVE = {
  'GH100 driver': [7, ...range(21, 40)],
  'GH100 vbios': [...range(0, 6), ...range(8, 12)],
  'GB100 driver': [14, 40, 41, ...range(45, 50), ...range(52, 56), ...range(58, 61), 63],
  'GB100 vbios': [...range(0, 13), ...range(15, 20)],
  'LS_10 switch': range(0, 30),
} as const;

export type SimulatedRimRole = 'driver' | 'vbios' | 'switch';

export function activeIndexes(firmware: NvidiaFirmware, role: SimulatedRimRole): readonly number[] {
  return (ACTIVE as Readonly<Record<string, readonly number[]>>)[`${firmware.chip} ${role}`] ?? [];
}

/** The version that a manifest for this role is about. */
export function versionOf(firmware: NvidiaFirmware, role: SimulatedRimRole): string {
  if (firmware.kind === 'switch') return firmware.biosVersion;
  return role === 'driver' ? firmware.driverVersion : firmware.vbiosVersion;
}

/** What this firmware measures to at a golden index; zero where no manifest judges it. */
export function goldenValue(firmware: NvidiaFirmware, index: number): Bytes {
  const roles: readonly SimulatedRimRole[] = firmware.kind === 'switch' ? ['switch'] : ['driver', 'vbios'];
  const role = roles.find((one) => activeIndexes(firmware, one).includes(index));
  if (role === undefined) return new Uint8Array(48);
  return sha384(utf8(`simulated ${firmware.chip} ${role} ${versionOf(firmware, role)} measurement ${index}`));
}
