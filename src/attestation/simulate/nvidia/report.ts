import { type Bytes, concat, fromHex, utf8 } from '../../../core/index.ts';
import type { SimulatedKey } from '../keys.ts';
import { goldenValue, type NvidiaFirmware } from './firmware.ts';

/** What a device says of itself and how; what is left out is as a good device of that firmware says it. */
export type NvidiaReportFields = Readonly<{
  /** Of the firmware that runs; by default the one that the device was made with. */
  firmware?: NvidiaFirmware;
  /** A number is the byte itself. */
  nvdec0?: 'enabled' | 'disabled' | number;
  mode?: 'spt' | 'mpt' | 'ppcie' | null;
  protectedPcie?: boolean | null;
  /** 48 bytes; null leaves the field out, as drivers before 550 do. */
  fwid?: Uint8Array | null;
  chipInfo?: string;
  /** PDIs, 16 upper-case hexadecimal digits as certificates have them. */
  switchPdis?: readonly string[];
  gpuPdis?: readonly string[];
  ownPdi?: string;
  /** Measurements that differ, by golden index, 48 bytes. */
  measurements?: Readonly<Record<number, Uint8Array>>;
  /** OpaqueData with the header of drivers of CUDA 13.5 and later. */
  versioned?: boolean;
  /** Further fields of OpaqueData, in the order given. */
  moreFields?: readonly (readonly [type: number, value: Uint8Array])[];
}>;

const MODES = { spt: 0, mpt: 1, ppcie: 2 } as const;
const GPU_BLOCKS = 64;
const SWITCH_BLOCKS = 31;

const u16le = (value: number) => Uint8Array.of(value & 0xff, value >>> 8);
const text = (value: string) => concat(utf8(value), Uint8Array.of(0));
const reversed = (pdi: string) => fromHex(pdi.toLowerCase()).reverse();

/** SPDM 1.1 GET_MEASUREMENTS and its MEASUREMENTS, without the signature (DMTF DSP0274). */
export function measurementExchange(
  nonce: Uint8Array,
  responderNonce: Uint8Array,
  blocks: readonly Uint8Array[],
  opaque: Uint8Array,
): Bytes {
  const record = concat(
    ...blocks.map((value, index) =>
      concat(Uint8Array.of(index + 1, 1), u16le(value.length + 3), Uint8Array.of(1), u16le(value.length), value),
    ),
  );
  const length = Uint8Array.of(record.length & 0xff, (record.length >>> 8) & 0xff, record.length >>> 16);
  return concat(
    Uint8Array.of(0x11, 0xe0, 0x01, 0xff),
    nonce,
    Uint8Array.of(0),
    Uint8Array.of(0x11, 0x60, 0, 0, blocks.length),
    length,
    record,
    responderNonce,
    u16le(opaque.length),
    opaque,
  );
}

/** The fields in one of the two formats (NVIDIA Opaque Data Format, "Blob layout"). */
export function opaqueData(fields: readonly (readonly [type: number, value: Uint8Array])[], versioned = false): Bytes {
  const head = versioned ? concat(utf8('NVDAOD'), u16le(0), Uint8Array.of(2, 0, 0, 0)) : new Uint8Array(0);
  const valueType = versioned ? u16le(0x82) : new Uint8Array(0);
  return concat(head, ...fields.map(([type, value]) => concat(u16le(type), valueType, u16le(value.length), value)));
}

/** 96.00.9F.00.01 → the 8 bytes that a GPU writes for it. */
function vbiosBytes(version: string): Bytes {
  const bytes = version.split('.').map((part) => Number.parseInt(part, 16));
  const shown = Uint8Array.of(...bytes.slice(0, 4));
  return Uint8Array.of(0, 0, 0, bytes[4] as number, ...shown).reverse() as Bytes;
}

function gpuFields(firmware: NvidiaFirmware & { kind: 'gpu' }, fields: NvidiaReportFields, fwid: Uint8Array) {
  const { nvdec0 = 'disabled', mode = 'spt', protectedPcie = mode === 'ppcie', switchPdis = [] } = fields;
  const list: (readonly [number, Uint8Array])[] = [
    [6, vbiosBytes(firmware.vbiosVersion)],
    [15, text(firmware.chipSku)],
    [17, text(firmware.project)],
    [18, text(firmware.projectSku)],
    [3, text(firmware.driverVersion)],
    [11, Uint8Array.of(typeof nvdec0 === 'number' ? nvdec0 : nvdec0 === 'enabled' ? 0xaa : 0x55)],
  ];
  if (fields.fwid !== null) list.push([20, fields.fwid ?? fwid]);
  if (protectedPcie !== null) list.push([21, Uint8Array.of(protectedPcie ? 0xaa : 0x55)]);
  if (switchPdis.length > 0) list.push([22, concat(...switchPdis.map(reversed))]);
  list.push([34, u16le(1)]);
  const chipInfo = fields.chipInfo ?? (firmware.chip === 'GH100' ? null : firmware.chip);
  if (chipInfo !== null) list.push([35, text(chipInfo)]);
  if (mode !== null) list.push([36, u16le(MODES[mode])]);
  return list;
}

function switchFields(firmware: NvidiaFirmware & { kind: 'switch' }, pdi: string, fields: NvidiaReportFields) {
  const links = concat(...(fields.gpuPdis ?? []).map((one) => fromHex(one.toLowerCase())), new Uint8Array(128));
  return [
    [6, text(firmware.biosVersion)],
    [22, fromHex((fields.ownPdi ?? pdi).toLowerCase())],
    [26, links.subarray(0, 128)],
  ] as const;
}

/** A report signed by the device's leaf: request, response and signature. */
export function deviceReport(
  device: Readonly<{ leaf: SimulatedKey; firmware: NvidiaFirmware; fwid: Uint8Array; pdi: string }>,
  nonces: Readonly<{ nonce: Uint8Array; responderNonce: Uint8Array }>,
  fields: NvidiaReportFields,
): Bytes {
  const firmware = fields.firmware ?? device.firmware;
  const own =
    firmware.kind === 'gpu' ? gpuFields(firmware, fields, device.fwid) : switchFields(firmware, device.pdi, fields);
  const count = firmware.kind === 'gpu' ? GPU_BLOCKS : SWITCH_BLOCKS;
  const blocks = Array.from(
    { length: count },
    (_, index) => fields.measurements?.[index] ?? goldenValue(firmware, index),
  );
  const opaque = opaqueData([...own, ...(fields.moreFields ?? [])], fields.versioned);
  const signed = measurementExchange(nonces.nonce, nonces.responderNonce, blocks, opaque);
  return concat(signed, device.leaf.signRaw(signed));
}
