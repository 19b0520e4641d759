import { parseDstackLog } from './dstack.ts';
import type { ParsedEventLog } from './event.ts';
import { parseFirmwareLog } from './tcg2.ts';

const BRACKET = 0x5b;

/**
 * A log in either form: JSON begins with a bracket, a firmware's log with a register index, which is never that large.
 * @throws CodedError as {@link parseFirmwareLog} and {@link parseDstackLog}
 */
export function parseMeasurementLog(bytes: Uint8Array): ParsedEventLog {
  return bytes[0] === BRACKET ? parseDstackLog(bytes) : parseFirmwareLog(bytes);
}
