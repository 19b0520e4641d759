import { sha256, sha384 } from '#crypto';
import {
  type AcpiDigests,
  FIRMWARE_BYTES_MAX,
  type IdBlock,
  PE_BYTES_MAX,
  type QemuRules,
  qemuRules,
  readIdBlock,
  signatureOfModel,
  type TdBoot,
  VCPUS_MAX,
  type Vmm,
} from '../../attestation/index.ts';
import { CodedError, fromHex, type Json, toHex } from '../../core/index.ts';
import { readBounded } from '../compose/files.ts';

export type Tee = 'sev-snp' | 'tdx';

export type ImageFlags = Readonly<{
  tee: Tee;
  name: string;
  firmware: string;
  kernel?: string;
  initrd?: string;
  cmdline?: string;
  uki?: string;
  vcpus?: string;
  vcpuType?: readonly string[];
  guestFeatures?: string;
  vmm?: Vmm;
  hostData?: string;
  idBlock?: string;
  idAuth?: string;
  memory?: string;
  qemuVersion?: string;
  acpiLoader?: string;
  acpiRsdp?: string;
  acpiTables?: string;
  mrConfigId?: string;
  mrOwner?: string;
  mrOwnerConfig?: string;
  json?: boolean;
}>;

type FlagName = keyof ImageFlags;
const OF_SNP: readonly FlagName[] = ['vcpus', 'vcpuType', 'guestFeatures', 'vmm', 'hostData', 'idBlock', 'idAuth'];
const OF_TDX: readonly FlagName[] = [
  ...(['uki', 'memory', 'qemuVersion', 'acpiLoader', 'acpiRsdp', 'acpiTables'] as const),
  ...(['mrConfigId', 'mrOwner', 'mrOwnerConfig'] as const),
];
/** A policy's list of images has no more. */
const IMAGES_MAX = 256;
const NAME_CHARS_MAX = 64;
const ID_FILE_BYTES_MAX = 4096;
/** Blobs of fw_cfg; the tables of a large machine have a few hundred KiB. */
const ACPI_BYTES_MAX = 4 * 1024 * 1024;

function wrong(flag: string, why: string): CodedError {
  return new CodedError('USAGE_INVALID', `--${flag} ${why}`, { flag });
}

const spelled = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** A flag that would change nothing must not look as if it had. @throws CodedError USAGE_INVALID */
export function requireFlagsOf({ tee, ...flags }: ImageFlags): void {
  for (const name of tee === 'tdx' ? OF_SNP : OF_TDX) {
    if ((flags as Readonly<Record<string, unknown>>)[name] !== undefined) {
      throw wrong(spelled(name), `does not apply to ${tee}`);
    }
  }
  if (flags.uki !== undefined && (flags.kernel ?? flags.initrd ?? flags.cmdline) !== undefined) {
    throw wrong('uki', 'has kernel, initial RAM disk and command line in it: give none beside it');
  }
  if (flags.kernel === undefined && (flags.initrd ?? flags.cmdline) !== undefined) {
    throw wrong('kernel', 'is missing beside --initrd or --cmdline');
  }
  if (!/^[\x20-\x7e]+$/.test(flags.name) || flags.name.length > NAME_CHARS_MAX) {
    throw wrong('name', `is 1 to ${NAME_CHARS_MAX} printable characters`);
  }
}

/** @throws CodedError USAGE_INVALID for a file that is larger, CONFIG_INVALID for one that cannot be read */
export function readFileOf(flag: string, path: string, bytesMax: number): Uint8Array {
  const bytes = readBounded(path, bytesMax);
  if (bytes === null) throw wrong(flag, `is a file of more than ${bytesMax} bytes`);
  return bytes;
}

export const readFirmware = (path: string) => readFileOf('firmware', path, FIRMWARE_BYTES_MAX);
export const readImage = (flag: string, path: string) => readFileOf(flag, path, PE_BYTES_MAX);

export type DirectBoot = Readonly<{ kernel: Uint8Array; initrd: Uint8Array | null; commandLine: string }>;

/** What `-kernel`, `-initrd` and `-append` give; null without a kernel. */
export function directBootOf({ kernel, initrd, cmdline }: ImageFlags): DirectBoot | null {
  if (kernel === undefined) return null;
  return {
    kernel: readImage('kernel', kernel),
    initrd: initrd === undefined ? null : readImage('initrd', initrd),
    commandLine: cmdline ?? '',
  };
}

export type SnpShapes = Readonly<{
  vmm: Vmm;
  guestFeatures: bigint;
  types: readonly Readonly<{ name: string; signature: number }>[];
  counts: readonly number[];
}>;

/** @throws CodedError USAGE_INVALID */
export function snpShapesOf(flags: ImageFlags): SnpShapes {
  const vmm = flags.vmm ?? 'qemu';
  const features = flags.guestFeatures ?? '0x1';
  if (!/^0x[0-9a-f]{1,16}$/.test(features)) throw wrong('guest-features', 'is a number as 0x1 (SEV_FEATURES)');
  if (flags.vcpus === undefined) throw wrong('vcpus', 'is missing: the digest goes by the number of vCPUs');
  const names = flags.vcpuType ?? [];
  if (names.length === 0 && vmm === 'qemu') throw wrong('vcpu-type', 'is missing: what QEMU has after -cpu');
  const types = vmm === 'qemu' ? names.map((name) => ({ name, signature: signatureOfModel(name) })) : [OF_OTHER_VMM];
  if (vmm !== 'qemu' && names.length > 0) throw wrong('vcpu-type', `is in no digest of ${vmm}`);
  const counts = countsOf(flags.vcpus);
  if (counts.length * types.length > IMAGES_MAX) throw wrong('vcpus', `and types make more than ${IMAGES_MAX} images`);
  return { vmm, guestFeatures: BigInt(features), types, counts };
}

/** Amazon and Google start vCPUs with a register value of their own in place of the type. */
const OF_OTHER_VMM = { name: 'any type', signature: 0 };

/** `4`, `1-8` or `1,2,16-18`, ascending, each once. */
function countsOf(text: string): readonly number[] {
  const counts = new Set<number>();
  for (const item of text.split(',')) {
    const [, from, to = from] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(item) ?? [];
    const [first, last] = [Number(from), Number(to)];
    const isRange = first >= 1 && first <= last && last <= VCPUS_MAX;
    if (from === undefined || !isRange) throw wrong('vcpus', `is a list as 1,2,4-8, up to ${VCPUS_MAX}`);
    for (let count = first; count <= last; count++) counts.add(count);
  }
  return [...counts].sort((a, b) => a - b);
}

/** @throws CodedError USAGE_INVALID, IMAGE_MALFORMED, IMAGE_UNSUPPORTED */
export async function idBlockOf({ idBlock, idAuth }: ImageFlags): Promise<IdBlock | null> {
  if (idBlock === undefined && idAuth === undefined) return null;
  if (idBlock === undefined || idAuth === undefined) throw wrong('id-block', 'and --id-auth come together');
  const read = (flag: string, path: string) => readFileOf(flag, path, ID_FILE_BYTES_MAX);
  return readIdBlock(read('id-block', idBlock), read('id-auth', idAuth));
}

export type TdShape = Readonly<{
  memoryBytes: number;
  rules: QemuRules;
  boot: TdBoot;
  acpi: AcpiDigests | null;
}>;

/** @throws CodedError USAGE_INVALID */
export function tdShapeOf(flags: ImageFlags): TdShape {
  const direct = directBootOf(flags);
  if (direct === null && flags.uki === undefined) throw wrong('kernel', 'or --uki is missing: what QEMU boots');
  if (flags.memory === undefined) throw wrong('memory', 'is missing: RTMR0 goes by it');
  if (flags.qemuVersion === undefined) throw wrong('qemu-version', 'is missing: MRTD and RTMR1 go by it');
  return {
    memoryBytes: memoryOf(flags.memory),
    rules: qemuRules(flags.qemuVersion),
    boot: direct === null ? { kind: 'uki', image: readImage('uki', flags.uki ?? '') } : { kind: 'linux', ...direct },
    acpi: acpiOf(flags),
  };
}

const UNITS: Readonly<Record<string, number>> = { M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** As QEMU's `-m` takes it: `4096M`, `64G`. */
function memoryOf(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,8})([MGT])$/.exec(text) ?? [];
  if (digits === undefined) throw wrong('memory', 'is a size as 65536M or 64G');
  return Number(digits) * (UNITS[unit] as number);
}

function acpiOf({ acpiLoader, acpiRsdp, acpiTables }: ImageFlags): AcpiDigests | null {
  const given = [acpiLoader, acpiRsdp, acpiTables];
  if (given.every((one) => one === undefined)) return null;
  if (acpiLoader === undefined || acpiRsdp === undefined || acpiTables === undefined) {
    throw wrong('acpi-loader', '--acpi-rsdp and --acpi-tables come together');
  }
  const digest = (flag: string, value: string) => {
    const [, hex] = /^sha384:([0-9a-f]{96})$/.exec(value) ?? [];
    return hex === undefined ? sha384(readFileOf(flag, value, ACPI_BYTES_MAX)) : fromHex(hex);
  };
  return {
    loader: digest('acpi-loader', acpiLoader),
    rsdp: digest('acpi-rsdp', acpiRsdp),
    tables: digest('acpi-tables', acpiTables),
  };
}

/** A value that the launcher sets, of exactly so many bytes; zero where it is not given. */
export function hexOf(flag: string, value: string | undefined, bytes: number): string {
  if (value === undefined) return '00'.repeat(bytes);
  if (!new RegExp(`^[0-9a-f]{${2 * bytes}}$`).test(value)) {
    throw wrong(flag, `is ${2 * bytes} lower-case hexadecimal digits`);
  }
  return value;
}

/** What was measured, so that another can find the same files: SHA-256 of each, and the texts and numbers as given. */
export function inputsDocument(flags: ImageFlags): Json {
  const files = ['firmware', 'kernel', 'initrd', 'uki'] as const;
  const hashed = files.flatMap((name) => {
    const path = flags[name];
    return path === undefined ? [] : [[name, { sha256: toHex(sha256(readImage(name, path))) }] as const];
  });
  const texts = ['cmdline', 'vcpus', 'guestFeatures', 'vmm', 'memory', 'qemuVersion'] as const;
  const said = texts.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]] as const]));
  return { ...Object.fromEntries(hashed), ...Object.fromEntries(said), vcpuTypes: [...(flags.vcpuType ?? [])] };
}
