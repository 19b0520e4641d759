import { sha384 } from '#crypto';
import { type Bytes, concat, EFI_GLOBAL_VARIABLE, efiVariableData, fromHex, utf8, utf16le } from '../../core/index.ts';
import { kernelAsQemuPatchesIt } from './linux-header.ts';
import { authenticodeDigest, parsePe } from './pe.ts';
import type { QemuRules } from './qemu.ts';
import { tdHandOffBlock } from './td-hob.ts';
import type { TdvfFirmware } from './tdvf.ts';
import { ukiContents } from './uki.ts';

/** An event that extends a register, before any log of it exists. Names are stable: people compare logs by them. */
export type PredictedEvent = Readonly<{
  name: string;
  /** SHA-384, 48 bytes. */
  digest: Bytes;
  /** Made from the image and the shape of the guest, or handed in by the caller. */
  from: 'computed' | 'given';
}>;

/** What `-kernel` gives: a Linux kernel with its initial RAM disk and command line, or a unified kernel image alone. */
export type TdBoot =
  | Readonly<{ kind: 'linux'; kernel: Uint8Array; initrd: Uint8Array | null; commandLine: string }>
  | Readonly<{ kind: 'uki'; image: Uint8Array }>;

/** SHA-384 of the blobs of QEMU's fw_cfg, 48 bytes each: they go by devices, vCPUs and version, not by the image. */
export type AcpiDigests = Readonly<{ loader: Bytes; rsdp: Bytes; tables: Bytes }>;

/** The boot variables that OVMF makes for a kernel given by QEMU; the firmware's own menu is the one entry. */
export type BootVariables = readonly Readonly<{ name: string; value: Bytes }>[];

const IMAGE_SECURITY_DATABASE = 'd719b2cb-3d3a-4596-a3bc-dad00e67656f';
const SEPARATOR = sha384(new Uint8Array(4));
const NO_BYTES = new Uint8Array(0);

const computed = (name: string, digest: Bytes): PredictedEvent => ({ name, digest, from: 'computed' });
const action = (text: string) => computed(`action: ${text}`, sha384(utf8(text)));
const separator = computed('separator', SEPARATOR);

/**
 * Boot0000 "UiApp", an application in the firmware volume 7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1 of OVMF: attributes, length
 * of the device path, description, device path.
 */
const UI_APP = concat(
  fromHex('090100002c00'),
  utf16le('UiApp\0'),
  fromHex('04071400c9bdb87cebf8344faaea3ee4af6516a1'),
  fromHex('0406140021aa2c4614760345836e8ab6f4662331'),
  fromHex('7fff0400'),
);
export const BOOT_VARIABLES: BootVariables = [
  { name: 'BootOrder', value: Uint8Array.of(0, 0) },
  { name: 'Boot0000', value: UI_APP },
];

export function handOffEvent(firmware: TdvfFirmware, memoryBytes: number): PredictedEvent {
  return computed('TD hand-off block', sha384(tdHandOffBlock(firmware, memoryBytes)));
}

/**
 * The events of RTMR0 in OVMF builds before edk2-stable202505, without Secure Boot keys: hand-off block, configuration
 * volume, Secure Boot variables, separator, ACPI, boot variables. Later builds measure others as well.
 * @throws CodedError as {@link tdHandOffBlock}
 * @see Intel TDX Virtual Firmware Design Guide, measurement; docs/measurements.md
 */
export function rtmr0Events(
  firmware: TdvfFirmware,
  memoryBytes: number,
  acpi: AcpiDigests,
  /** Empty where the firmware has no such variable, or one zero byte. */
  secureBoot: Uint8Array = NO_BYTES,
  bootVariables: BootVariables = BOOT_VARIABLES,
): PredictedEvent[] {
  const variable = (guid: string, name: string, value: Uint8Array = NO_BYTES) =>
    computed(`variable ${name}`, sha384(efiVariableData(guid, name, value)));
  const given = (name: string, digest: Bytes): PredictedEvent => ({ name, digest, from: 'given' });
  const volume = firmware.sections.filter(({ kind }) => kind === 'cfv');
  return [
    handOffEvent(firmware, memoryBytes),
    ...volume.map(({ data }) => computed('configuration volume', sha384(data))),
    variable(EFI_GLOBAL_VARIABLE, 'SecureBoot', secureBoot),
    variable(EFI_GLOBAL_VARIABLE, 'PK'),
    variable(EFI_GLOBAL_VARIABLE, 'KEK'),
    variable(IMAGE_SECURITY_DATABASE, 'db'),
    variable(IMAGE_SECURITY_DATABASE, 'dbx'),
    separator,
    given('ACPI table loader', acpi.loader),
    given('ACPI RSDP', acpi.rsdp),
    given('ACPI tables', acpi.tables),
    ...bootVariables.map(({ name, value }) => computed(`boot variable ${name}`, sha384(value))),
  ];
}

/**
 * The events of RTMR1: the images that were started, then the firmware's words about handing over. The stub of a unified
 * kernel image starts the kernel in it as an image of its own.
 * @throws CodedError as {@link parsePe}, {@link authenticodeDigest}, {@link kernelAsQemuPatchesIt}
 */
export function rtmr1Events(boot: TdBoot, memoryBytes: number, rules: QemuRules): PredictedEvent[] {
  const loaded = boot.kind === 'linux' ? boot.kernel : boot.image;
  const initrdBytes = boot.kind === 'linux' ? (boot.initrd?.length ?? 0) : 0;
  const commandLine = boot.kind === 'linux' ? boot.commandLine : '';
  const handed = isPatched(boot, rules)
    ? kernelAsQemuPatchesIt({ kernel: loaded, initrdBytes, commandLine, memoryBytes })
    : loaded;
  const image = (name: string, bytes: Uint8Array) => computed(name, authenticodeDigest(parsePe(bytes)));
  return [
    image(boot.kind === 'linux' ? 'kernel' : 'unified kernel image', handed),
    action('Calling EFI Application from Boot Option'),
    separator,
    ...(boot.kind === 'uki' ? [image('kernel in the image', ukiContents(parsePe(boot.image)).kernel)] : []),
    action('Exit Boot Services Invocation'),
    action('Exit Boot Services Returned with Success'),
  ];
}

/** Whether QEMU fills in the header of what this guest boots. */
export function isPatched({ kind }: TdBoot, { patchesKernel }: QemuRules): boolean {
  return patchesKernel === 'all' || (kind === 'linux' && patchesKernel === 'linux');
}

/**
 * The events of RTMR2, which the kernel's EFI stub makes: command line in UTF-16 with its terminator, initial RAM disk.
 * OVMF appends ` initrd=initrd` where QEMU gives one.
 */
export function rtmr2Events(boot: TdBoot): PredictedEvent[] {
  const { initrd, commandLine } = boot.kind === 'linux' ? boot : ukiContents(parsePe(boot.image));
  const hasInitrd = initrd !== null && initrd.length > 0;
  const options = boot.kind === 'linux' && hasInitrd ? `${commandLine} initrd=initrd` : commandLine;
  return [
    ...(options === '' ? [] : [computed('command line', sha384(utf16le(`${options}\0`)))]),
    ...(hasInitrd ? [computed('initial RAM disk', sha384(initrd))] : []),
  ];
}

/** The register that the events lead to, 48 bytes: SHA-384 over what it was and each digest, from zero. */
export function registerOf(events: readonly Pick<PredictedEvent, 'digest'>[]): Bytes {
  let register: Bytes = new Uint8Array(48);
  for (const { digest } of events) register = sha384(concat(register, digest));
  return register;
}
