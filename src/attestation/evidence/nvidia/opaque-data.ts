import { type Bytes, Cursor } from '../../../core/index.ts';

export const OPAQUE_ENTRIES_MAX = 128;
/** Header major version; anything above is firmware that this reader does not know. */
export const OPAQUE_VERSION_MAX = 2;
const MAGIC = [0x4e, 0x56, 0x44, 0x41, 0x4f, 0x44]; // NVDAOD

export const OPAQUE = {
  driverVersion: 3,
  vbiosVersion: 6,
  nvdec0: 11,
  chipSku: 15,
  project: 17,
  projectSku: 18,
  fwid: 20,
  protectedPcie: 21,
  switchPdis: 22,
  gpuPdis: 26,
  opaqueVersion: 34,
  chipInfo: 35,
  featureFlag: 36,
} as const;

export type OpaqueField = Readonly<{ valueType: number | null; value: Bytes }>;
/** OpaqueData in either format; unknown fields are kept by number. `version` is the header's or field 34's. */
export type ParsedOpaqueData = Readonly<{
  format: 'legacy' | 'versioned';
  version: number;
  fields: ReadonlyMap<number, OpaqueField>;
}>;

/** Lengths that a field must have, by number. */
const LENGTHS: Readonly<Record<number, number>> = { 11: 1, 20: 48, 21: 1, 34: 2, 36: 2, 37: 2 };

/**
 * Parses a device's OpaqueData: legacy `type u16, size u16, data`, or with the header "NVDAOD" (drivers of CUDA 13.5 and
 * later) `type u16, valueType u16, size u16, data`; little-endian, no field twice, nothing after the last one.
 * @throws CodedError EVIDENCE_TRUNCATED, EVIDENCE_MALFORMED, EVIDENCE_UNSUPPORTED for a version above the known ones
 */
export function parseOpaqueData(opaque: Uint8Array): ParsedOpaqueData {
  const cursor = new Cursor(opaque, 'OpaqueData');
  const isVersioned = MAGIC.every((byte, i) => opaque[i] === byte);
  const headerVersion = isVersioned ? readHeader(cursor) : null;
  const fields = new Map<number, OpaqueField>();
  while (cursor.left > 0) {
    if (fields.size === OPAQUE_ENTRIES_MAX) throw cursor.error('EVIDENCE_MALFORMED', 'fields', 'too many');
    const type = cursor.u16('type');
    const valueType = isVersioned ? cursor.u16('valueType') : null;
    const value = cursor.bytes(`field ${type}`, cursor.u16('size'));
    if (fields.has(type)) throw cursor.error('EVIDENCE_MALFORMED', `field ${type}`, 'comes twice');
    const length = LENGTHS[type];
    if (length !== undefined && value.length !== length) {
      throw cursor.error('EVIDENCE_MALFORMED', `field ${type}`, `${value.length} bytes where ${length} belong`);
    }
    fields.set(type, { valueType, value });
  }
  const stated = fields.get(OPAQUE.opaqueVersion)?.value;
  const version = headerVersion ?? (stated === undefined ? 0 : (stated[0] as number) + 256 * (stated[1] as number));
  if (version > (isVersioned ? OPAQUE_VERSION_MAX : 1)) {
    throw cursor.error('EVIDENCE_UNSUPPORTED', 'version', `${version}: firmware newer than this verifier`);
  }
  return { format: isVersioned ? 'versioned' : 'legacy', version, fields };
}

function readHeader(cursor: Cursor): number {
  cursor.bytes('magic', MAGIC.length);
  if (cursor.u16('profile') !== 0) throw cursor.error('EVIDENCE_UNSUPPORTED', 'profile', 'not 0');
  const major = cursor.u8('major');
  cursor.u8('minor');
  cursor.u8('patch');
  cursor.zeros('padding', 1);
  return major;
}
