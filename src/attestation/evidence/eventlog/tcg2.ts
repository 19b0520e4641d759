import { type Bytes, CodedError, Cursor, equalBytes, utf8 } from '../../../core/index.ts';
import { EVENT_TYPE, EVENTS_MAX, type LoggedEvent, type ParsedEventLog, type RtmrNumber } from './event.ts';

/** The largest log area seen in the field is 1 MiB (td-shim), most of it fill. */
export const FIRMWARE_LOG_BYTES_MAX = 1024 * 1024;
export const DIGEST_ALGORITHMS_MAX = 8;
export const DIGEST_BYTES_MAX = 64;
export const SHA384_ID = 0x000c;

const SIZE_OF_ALGORITHM: Readonly<Record<number, number>> = { 4: 20, 11: 32, 12: 48, 13: 64, 18: 32 };
const SIGNATURE = utf8('Spec ID Event03\0');
const END_OF_LOG = 0xffffffff;
/** Index of MRTD; RTMR0 has index 1. */
const MRTD_INDEX = 0;
const MEASUREMENT_INDEX_MAX = 4;

/**
 * Parses a confidential-computing event log as the ACPI table CCEL gives it: TCG2 crypto-agile form, its measurement
 * register indexes being 0 MRTD, 1 to 4 RTMR0 to RTMR3. Structure only; {@link verifyEventLog} compares registers.
 * @param log at most 1 MiB: the header record, entries, an end mark (index 0xffffffff or a record of zeros) or the end
 *   of the input, then fill, which is ignored.
 * @throws CodedError EVIDENCE_TOO_LARGE, EVIDENCE_TRUNCATED, EVIDENCE_MALFORMED, EVIDENCE_TRAILING_BYTES (in the
 *   header's body), EVIDENCE_UNSUPPORTED for another form of log; `facts.offset` in bytes
 * @see TCG PC Client Platform Firmware Profile, section 10; UEFI specification, EFI_CC_MEASUREMENT_PROTOCOL
 */
export function parseFirmwareLog(log: Uint8Array): ParsedEventLog {
  if (log.length > FIRMWARE_LOG_BYTES_MAX) {
    throw new CodedError('EVIDENCE_TOO_LARGE', `event log: at most ${FIRMWARE_LOG_BYTES_MAX} bytes`, {
      length: log.length,
      lengthMax: FIRMWARE_LOG_BYTES_MAX,
    });
  }
  const cursor = new Cursor(log, 'tcg2.log');
  const sizes = parseHeader(cursor);
  const events: LoggedEvent[] = [];
  while (!atEnd(cursor, log)) {
    if (events.length === EVENTS_MAX) throw cursor.error('EVIDENCE_TOO_LARGE', 'event', `more than ${EVENTS_MAX}`);
    events.push(parseEvent(cursor, sizes));
  }
  return { format: 'tcg2', events, algorithms: [...sizes.keys()], bytesUsed: cursor.offset };
}

/** The record that says how the others are written; itself in the older form, with one SHA-1 slot. */
function parseHeader(cursor: Cursor): ReadonlyMap<number, number> {
  cursor.u32('header.index');
  if (cursor.u32('header.type') !== EVENT_TYPE.NO_ACTION) {
    throw cursor.error('EVIDENCE_UNSUPPORTED', 'header.type', 'does not begin as a crypto-agile log');
  }
  cursor.zeros('header.digest', 20);
  const body = cursor.sub('header', cursor.u32('header.size'));
  if (!equalBytes(body.bytes('signature', SIGNATURE.length), SIGNATURE)) {
    throw body.error('EVIDENCE_UNSUPPORTED', 'signature', 'not Spec ID Event03');
  }
  body.bytes('platformClassAndVersion', 8);
  const count = body.u32('algorithmCount');
  if (count === 0 || count > DIGEST_ALGORITHMS_MAX) {
    throw body.error('EVIDENCE_MALFORMED', 'algorithmCount', `not 1 to ${DIGEST_ALGORITHMS_MAX}`);
  }
  const sizes = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const id = body.u16('algorithm');
    const size = body.u16('digestSize');
    const known = SIZE_OF_ALGORITHM[id];
    if (sizes.has(id) || size === 0 || size > DIGEST_BYTES_MAX || (known !== undefined && known !== size)) {
      throw body.error('EVIDENCE_MALFORMED', 'digestSize', 'an algorithm twice, or with a size that is not its own');
    }
    sizes.set(id, size);
  }
  body.bytes('vendor', body.u8('vendorSize'));
  body.end();
  return sizes;
}

function atEnd(cursor: Cursor, log: Uint8Array): boolean {
  if (cursor.left === 0) return true;
  const view = new DataView(log.buffer, log.byteOffset + cursor.offset, cursor.left);
  if (cursor.left >= 4 && view.getUint32(0, true) === END_OF_LOG) return true;
  // Index, type and digest count all zero: no event has that; shorter fill at the very end counts as such.
  for (let i = 0; i < Math.min(12, cursor.left); i++) if (view.getUint8(i) !== 0) return false;
  return true;
}

function parseEvent(cursor: Cursor, sizes: ReadonlyMap<number, number>): LoggedEvent {
  const index = cursor.u32('index');
  if (index > MEASUREMENT_INDEX_MAX) throw cursor.error('EVIDENCE_MALFORMED', 'index', 'not a register of a TD');
  const type = cursor.u32('type');
  const count = cursor.u32('digestCount');
  if (count > sizes.size) throw cursor.error('EVIDENCE_MALFORMED', 'digestCount', 'more than the header declares');
  const seen = new Set<number>();
  let digest: Bytes | null = null;
  for (let i = 0; i < count; i++) {
    const id = cursor.u16('digest.algorithm');
    const size = sizes.get(id);
    if (size === undefined || seen.has(id)) {
      throw cursor.error('EVIDENCE_MALFORMED', 'digest.algorithm', 'not declared in the header, or twice');
    }
    seen.add(id);
    const value = cursor.bytes('digest', size);
    if (id === SHA384_ID) digest = value;
  }
  const data = cursor.bytes('data', cursor.u32('dataSize'));
  const register = index === MRTD_INDEX ? null : ((index - 1) as RtmrNumber);
  return { register, type, digest, data, runtimeName: null };
}
