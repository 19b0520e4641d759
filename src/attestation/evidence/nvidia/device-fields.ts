import { type Bytes, CodedError, isZero, toHex } from '../../../core/index.ts';
import { OPAQUE, type ParsedOpaqueData } from './opaque-data.ts';

export type NvidiaArchitecture = 'HOPPER' | 'BLACKWELL' | 'LS10';
export const NVIDIA_ARCHITECTURES: readonly NvidiaArchitecture[] = ['HOPPER', 'BLACKWELL', 'LS10'];
export const GPU_PDIS = 8;
const PDI_BYTES = 8;
const TEXT_CHARACTERS_MAX = 32;

export type NvidiaMode = 'spt' | 'mpt' | 'ppcie';
const MODES: readonly NvidiaMode[] = ['spt', 'mpt', 'ppcie'];

/** What a GPU says of itself in its signed OpaqueData. */
export type GpuFields = Readonly<{
  kind: 'gpu';
  driverVersion: string;
  /** Dotted, upper case. */
  vbiosVersion: string;
  project: string;
  projectSku: string;
  chipSku: string;
  nvdec0: 'enabled' | 'disabled';
  fwid: Bytes | null;
  chipInfo: string | null;
  protectedPcie: boolean | null;
  mode: NvidiaMode | null;
  /** PDIs of the switches it is linked to, as certificates write them (upper-case hexadecimal); disabled links left out. */
  switchPdis: readonly string[];
}>;
/** What an NVSwitch says of itself. */
export type SwitchFields = Readonly<{
  kind: 'switch';
  biosVersion: string;
  fwid: Bytes | null;
  pdi: string;
  /** PDIs of the eight GPUs, as certificates write them, empty links left out. */
  gpuPdis: readonly string[];
}>;
export type DeviceFields = GpuFields | SwitchFields;

/**
 * Reads the fields that verification needs from OpaqueData (nvidia-gpu field table). Text becomes part of manifest ids,
 * so only `[A-Za-z0-9._-]`, at most 32 characters, is taken.
 * @throws CodedError EVIDENCE_MALFORMED
 */
export function readDeviceFields(opaque: ParsedOpaqueData, kind: 'gpu' | 'switch'): DeviceFields {
  const fwid = opaque.fields.get(OPAQUE.fwid)?.value ?? null;
  if (kind === 'switch') {
    const links = required(opaque, OPAQUE.gpuPdis);
    if (links.length < GPU_PDIS * PDI_BYTES) throw wrong(OPAQUE.gpuPdis, 'shorter than eight PDIs');
    // A switch writes its own PDI and those of its GPUs as certificates do; a GPU writes its switches' byte-reversed.
    const own = required(opaque, OPAQUE.switchPdis);
    if (own.length !== PDI_BYTES || isZero(own)) throw wrong(OPAQUE.switchPdis, 'not exactly one PDI');
    return {
      kind,
      biosVersion: text(opaque, OPAQUE.vbiosVersion),
      fwid,
      pdi: toHex(own).toUpperCase(),
      gpuPdis: pdisOf(links.subarray(0, GPU_PDIS * PDI_BYTES), OPAQUE.gpuPdis, 'as certificates'),
    };
  }
  const pdis = opaque.fields.get(OPAQUE.switchPdis)?.value;
  return {
    kind,
    driverVersion: text(opaque, OPAQUE.driverVersion),
    vbiosVersion: vbiosText(required(opaque, OPAQUE.vbiosVersion)),
    project: text(opaque, OPAQUE.project),
    projectSku: text(opaque, OPAQUE.projectSku),
    chipSku: text(opaque, OPAQUE.chipSku),
    nvdec0: flag(required(opaque, OPAQUE.nvdec0), OPAQUE.nvdec0) ? 'enabled' : 'disabled',
    fwid,
    chipInfo: opaque.fields.has(OPAQUE.chipInfo) ? text(opaque, OPAQUE.chipInfo) : null,
    protectedPcie: protectedPcie(opaque),
    mode: modeOf(opaque),
    switchPdis: pdis === undefined ? [] : pdisOf(pdis, OPAQUE.switchPdis, 'reversed'),
  };
}

function wrong(field: number, why: string): CodedError {
  return new CodedError('EVIDENCE_MALFORMED', `OpaqueData field ${field}: ${why}`, { field });
}

function required(opaque: ParsedOpaqueData, field: number): Bytes {
  const found = opaque.fields.get(field);
  if (found === undefined) throw wrong(field, 'absent');
  return found.value;
}

/** 0xAA is on, 0x55 off; everything else is a state nobody defined. */
function flag(value: Bytes, field: number): boolean {
  if (value[0] !== 0xaa && value[0] !== 0x55) throw wrong(field, 'neither 0xAA nor 0x55');
  return value[0] === 0xaa;
}

function protectedPcie(opaque: ParsedOpaqueData): boolean | null {
  const field = opaque.fields.get(OPAQUE.protectedPcie);
  return field === undefined ? null : flag(field.value, OPAQUE.protectedPcie);
}

function modeOf(opaque: ParsedOpaqueData): NvidiaMode | null {
  const value = opaque.fields.get(OPAQUE.featureFlag)?.value;
  if (value === undefined) return null;
  const mode = value[1] === 0 ? MODES[value[0] as number] : undefined;
  if (mode === undefined) throw wrong(OPAQUE.featureFlag, 'an unknown mode');
  return mode;
}

function text(opaque: ParsedOpaqueData, field: number): string {
  const value = required(opaque, field);
  const nul = value.indexOf(0);
  const cut = nul === -1 ? value : value.subarray(0, nul);
  const characters = String.fromCharCode(...cut.subarray(0, TEXT_CHARACTERS_MAX + 1));
  if (!/^[A-Za-z0-9._-]{1,32}$/.test(characters)) throw wrong(field, 'not plain text of at most 32 characters');
  return characters;
}

/** 00 74 00 96 20 00 00 00 → 96.00.74.00.20: reversed, the second half, then the last byte of the first. */
function vbiosText(value: Bytes): string {
  if (value.length !== 8) throw wrong(OPAQUE.vbiosVersion, 'not 8 bytes');
  const reversed = Uint8Array.from(value).reverse();
  const bytes = [...reversed.subarray(4), reversed[3] as number];
  return bytes.map((byte) => toHex(Uint8Array.of(byte)).toUpperCase()).join('.');
}

function pdisOf(value: Bytes, field: number, order: 'reversed' | 'as certificates'): string[] {
  if (value.length % PDI_BYTES !== 0) throw wrong(field, `not a multiple of ${PDI_BYTES} bytes`);
  const pdis: string[] = [];
  for (let at = 0; at < value.length; at += PDI_BYTES) {
    const pdi = Uint8Array.from(value.subarray(at, at + PDI_BYTES));
    if (order === 'reversed') pdi.reverse();
    if (!isZero(pdi)) pdis.push(toHex(pdi).toUpperCase());
  }
  return pdis;
}
