import { CodedError } from '../../core/index.ts';

export type LaunchTee = 'tdx' | 'sev-snp';

/** Everything that decides how a worker's guest is started. Paths are absolute. */
export type GuestShape = Readonly<{
  /** Of the guest and its unit: lower-case letters, digits and hyphens. */
  name: string;
  tee: LaunchTee;
  firmware: string;
  boot: Readonly<{ uki: string }> | Readonly<{ kernel: string; initrd: string | null; commandLine: string | null }>;
  rootDisk: string;
  modelDisk: string;
  vcpus: number;
  memoryMiB: number;
  /** SEV-SNP: QEMU's model, which is measured. */
  vcpuType: string;
  /** PCI addresses, `0000:17:00.0`. */
  gpus: readonly string[];
  qemu: string;
  /** TDX: where the quote generation service listens. */
  quoteSocket: string;
}>;

/** Where a guest's files are. */
export type GuestPlaces = Readonly<{
  /** Holds the configuration, the console and what `host status` reads. */
  folder: string;
  configuration: string;
  console: string;
  launch: string;
  qmp: string;
  unit: string;
}>;

const STATE = '/var/lib/chrysalis/guests';

export function placesOf(name: string, state: string = STATE): GuestPlaces {
  const folder = `${state}/${name}`;
  return {
    folder,
    configuration: `${folder}/configuration.json`,
    console: `${folder}/console.log`,
    launch: `${folder}/launch.json`,
    qmp: `${folder}/qmp.sock`,
    unit: `/etc/systemd/system/${unitOf(name)}`,
  };
}
export const DEFAULT_STATE = STATE;

export const unitOf = (name: string): string => `chrysalis-worker-${name}.service`;

/** @throws CodedError USAGE_INVALID */
export function requireShape(shape: GuestShape): void {
  const wrong = (flag: string, why: string) => new CodedError('USAGE_INVALID', `--${flag} ${why}`, { flag });
  if (!/^[a-z0-9][a-z0-9-]{0,47}$/.test(shape.name))
    throw wrong('name', 'has 1 to 48 lower-case letters, digits, hyphens');
  if (!Number.isInteger(shape.vcpus) || shape.vcpus < 1 || shape.vcpus > 512) throw wrong('vcpus', 'is 1 to 512');
  if (!Number.isInteger(shape.memoryMiB) || shape.memoryMiB < 512) throw wrong('memory', 'is 512M or more');
  if (!/^EPYC(-[A-Za-z0-9]+){0,2}$/.test(shape.vcpuType)) throw wrong('vcpu-type', 'is one of QEMU’s EPYC models');
  if (new Set(shape.gpus).size !== shape.gpus.length) throw wrong('gpu', 'names one GPU twice');
  for (const gpu of shape.gpus) {
    if (!/^[0-9a-f]{4}:[0-9a-f]{2}:[0-1][0-9a-f]\.[0-7]$/.test(gpu)) {
      throw wrong('gpu', `${gpu} is no PCI address as 0000:17:00.0`);
    }
  }
  const boot = 'uki' in shape.boot ? [shape.boot.uki] : [shape.boot.kernel, shape.boot.initrd ?? '/'];
  const paths = [shape.firmware, shape.rootDisk, shape.modelDisk, shape.qemu, shape.quoteSocket, ...boot];
  // A comma or a line feed would end an option of QEMU's, or a line of the unit.
  const strange = paths.find((path) => !/^\/[\w./+@:-]*$/.test(path));
  if (strange !== undefined) throw new CodedError('USAGE_INVALID', `${strange}: use a path of plain characters`);
}
