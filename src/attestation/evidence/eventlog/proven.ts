import { sha384 } from '#crypto';
import {
  type Bytes,
  Cursor,
  canonicalJson,
  concat,
  equalBytes,
  fromUtf8,
  guidText,
  toHex,
  utf8,
} from '../../../core/index.ts';
import { EVENT_TYPE, type LoggedEvent } from './event.ts';

/** An EFI variable, every part of it under the digest. `guid` in its text form, `value` as stored. */
export type MeasuredVariable = Readonly<{ guid: string; name: string; value: Bytes }>;

/**
 * What the digest of an event establishes about its data. Labels that stand beside the measured bytes (GRUB's
 * `kernel_cmdline: `, the name of a configuration blob, the name of a boot variable) are covered by no digest and left out.
 */
export type ProvenContent =
  | Readonly<{ kind: 'separator'; value: Bytes }>
  | Readonly<{ kind: 'action'; text: string }>
  | Readonly<{ kind: 'variable'; variable: MeasuredVariable }>
  | Readonly<{ kind: 'partitionTable'; bytes: Bytes }>
  | Readonly<{ kind: 'text'; text: string }>
  | Readonly<{ kind: 'bytes'; bytes: Bytes }>
  | Readonly<{ kind: 'runtime'; name: string; payload: Bytes; version: 1 | 2 }>;

const CONFIG_NAME_BYTES = 16;
const VARIABLE_NAME_CHARS_MAX = 512;
const COLON = utf8(':');

/**
 * Hashes the event's data again, in the way of its type, and gives what the digest covers; null where it can't be
 * recomputed from the log (images, firmware volumes, tables and tagged events are hashes of things the log does not hold).
 * @see TCG PC Client Platform Firmware Profile, event types
 */
export function provenContentOf(event: LoggedEvent): ProvenContent | null {
  const { digest, data } = event;
  if (digest === null) return null;
  const covers = (bytes: Uint8Array) => equalBytes(sha384(bytes), digest);
  switch (event.type) {
    case EVENT_TYPE.SEPARATOR:
      return covers(data) ? { kind: 'separator', value: data } : null;
    case EVENT_TYPE.EFI_ACTION:
      return covers(data) ? asText(data, 'action') : null;
    case EVENT_TYPE.EFI_GPT_EVENT:
      return covers(data) ? { kind: 'partitionTable', bytes: data } : null;
    case EVENT_TYPE.EFI_VARIABLE_DRIVER_CONFIG:
    case EVENT_TYPE.EFI_VARIABLE_BOOT2:
    case EVENT_TYPE.EFI_VARIABLE_AUTHORITY:
      return covers(data) ? asVariable(data) : null;
    case EVENT_TYPE.EFI_VARIABLE_BOOT:
      return provenBootVariable(data, covers);
    case EVENT_TYPE.IPL:
      return provenLoaderText(data, covers);
    case EVENT_TYPE.PLATFORM_CONFIG_FLAGS:
      return provenConfiguration(data, covers);
    case EVENT_TYPE.DSTACK_RUNTIME:
      return provenRuntimeEvent(event, covers);
    default:
      return null;
  }
}

type Covers = (bytes: Uint8Array) => boolean;

function asText(bytes: Bytes, kind: 'action' | 'text'): ProvenContent {
  try {
    return { kind, text: fromUtf8(bytes) };
  } catch {
    return { kind: 'bytes', bytes };
  }
}

/** UEFI_VARIABLE_DATA: GUID, u64 name length in characters, u64 value length, UTF-16LE name, value. */
function asVariable(data: Bytes): ProvenContent | null {
  const variable = parseVariable(data);
  return variable === null ? null : { kind: 'variable', variable };
}

function parseVariable(data: Bytes): MeasuredVariable | null {
  try {
    const cursor = new Cursor(data, 'uefi.VARIABLE_DATA');
    const guid = guidText(cursor.bytes('guid', 16));
    const nameChars = cursor.u64('nameLength');
    const valueBytes = cursor.u64('valueLength');
    if (nameChars > VARIABLE_NAME_CHARS_MAX || valueBytes > data.length) return null;
    const name = new TextDecoder('utf-16le', { fatal: true, ignoreBOM: true }).decode(
      cursor.bytes('name', 2 * Number(nameChars)),
    );
    const value = cursor.bytes('value', Number(valueBytes));
    cursor.end();
    return { guid, name, value };
  } catch {
    return null; // not this structure: nothing is known of the data but its bytes
  }
}

/** Firmware hashes either the whole structure or the value alone; in the second case the name is anybody's. */
function provenBootVariable(data: Bytes, covers: Covers): ProvenContent | null {
  if (covers(data)) return asVariable(data);
  const variable = parseVariable(data);
  return variable !== null && covers(variable.value) ? { kind: 'bytes', bytes: variable.value } : null;
}

/** GRUB logs `label: text` with a final NUL and hashes the text; others hash the data as it stands. */
function provenLoaderText(data: Bytes, covers: Covers): ProvenContent | null {
  const end = data.at(-1) === 0 ? data.length - 1 : data.length;
  const colon = data.findIndex((byte, at) => byte === 0x3a && data[at + 1] === 0x20);
  const candidates = [data, data.slice(0, end), ...(colon < 0 || colon + 2 > end ? [] : [data.slice(colon + 2, end)])];
  const found = candidates.find(covers);
  return found === undefined ? null : asText(found, 'text');
}

/** td-shim's TD_SHIM_PLATFORM_CONFIG_INFO: 16 bytes of name (not hashed), u32 length, the blob (hashed). */
function provenConfiguration(data: Bytes, covers: Covers): ProvenContent | null {
  if (covers(data)) return { kind: 'bytes', bytes: data };
  if (data.length < CONFIG_NAME_BYTES + 4) return null;
  const cursor = new Cursor(data, 'td-shim.PLATFORM_CONFIG_INFO');
  cursor.bytes('descriptor', CONFIG_NAME_BYTES);
  if (cursor.u32('infoLength') !== cursor.left) return null;
  const blob = cursor.rest('info');
  return covers(blob) ? { kind: 'bytes', bytes: blob } : null;
}

/** Version 1: type in little-endian, ":", name, ":", payload; version 2: canonical JSON, which can't begin like it. */
function provenRuntimeEvent(event: LoggedEvent, covers: Covers): ProvenContent | null {
  const { runtimeName: name, data: payload } = event;
  if (name === null) return null;
  const type = new Uint8Array(4);
  new DataView(type.buffer).setUint32(0, event.type, true);
  if (covers(concat(type, COLON, utf8(name), COLON, payload))) return { kind: 'runtime', name, payload, version: 1 };
  const second = utf8(canonicalJson({ name, payload: toHex(payload), type: event.type }));
  return covers(second) ? { kind: 'runtime', name, payload, version: 2 } : null;
}
