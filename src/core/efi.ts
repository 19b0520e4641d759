import { type Bytes, concat, fromHex, toHex } from './bytes.ts';
import { CodedError } from './errors.ts';

const TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The 16 bytes of a GUID as UEFI stores it: the first three groups little-endian, the last two as written. */
export function guidBytes(text: string): Bytes {
  if (!TEXT.test(text)) throw new CodedError('ENCODING_INVALID', 'not a GUID in lower-case text form');
  return swapped(fromHex(text.replaceAll('-', '')));
}

/** Lower-case text of 16 stored bytes: the inverse of {@link guidBytes}. */
export function guidText(stored: Uint8Array): string {
  const hex = toHex(swapped(stored));
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function swapped(guid: Uint8Array): Bytes {
  const out = Uint8Array.from(guid);
  out.subarray(0, 4).reverse();
  out.subarray(4, 6).reverse();
  out.subarray(6, 8).reverse();
  return out;
}

/** The namespace of SecureBoot, PK, KEK, BootOrder and Boot####. */
export const EFI_GLOBAL_VARIABLE = '8be4df61-93ca-11d2-aa0d-00e098032b8c';

/** UTF-16, little-endian, without a terminator. */
export function utf16le(text: string): Bytes {
  const out = new DataView(new ArrayBuffer(2 * text.length));
  for (let at = 0; at < text.length; at++) out.setUint16(2 * at, text.charCodeAt(at), true);
  return new Uint8Array(out.buffer);
}

/**
 * UEFI_VARIABLE_DATA, as firmware hashes a variable: GUID, u64 characters of the name, u64 bytes of the value, name in
 * UTF-16, value (TCG PC Client Platform Firmware Profile, section 10.2.6).
 */
export function efiVariableData(guid: string, name: string, value: Uint8Array): Bytes {
  const lengths = new DataView(new ArrayBuffer(16));
  lengths.setBigUint64(0, BigInt(name.length), true);
  lengths.setBigUint64(8, BigInt(value.length), true);
  return concat(guidBytes(guid), new Uint8Array(lengths.buffer), utf16le(name), value);
}
