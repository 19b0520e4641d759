import { CodedError, fromHex, fromUtf8, type Json, parseStrictJson } from '../../../core/index.ts';
import { EVENT_TYPE, EVENTS_MAX, type LoggedEvent, type ParsedEventLog, RTMR_BYTES, type RtmrNumber } from './event.ts';
import { SHA384_ID } from './tcg2.ts';

export const DSTACK_LOG_BYTES_MAX = 4 * 1024 * 1024;
export const RUNTIME_NAME_CHARS_MAX = 256;

const FIELDS: ReadonlySet<string> = new Set(['imr', 'event_type', 'digest', 'event', 'event_payload', 'version']);

/**
 * Parses dstack's event log: a JSON list of `{imr, event_type, digest, event, event_payload}` (`imr` 0 to 3 is the
 * number of the RTMR, digest and payload in hexadecimal), the firmware's events first, the guest's runtime events in
 * RTMR3. Structure only.
 * @throws CodedError EVIDENCE_TOO_LARGE, EVIDENCE_MALFORMED, ENCODING_INVALID for what is not strict JSON
 * @see dstack (github.com/Dstack-TEE/dstack), cc-eventlog
 */
export function parseDstackLog(text: Uint8Array): ParsedEventLog {
  if (text.length > DSTACK_LOG_BYTES_MAX) {
    throw new CodedError('EVIDENCE_TOO_LARGE', `event log: at most ${DSTACK_LOG_BYTES_MAX} bytes of JSON`, {
      length: text.length,
      lengthMax: DSTACK_LOG_BYTES_MAX,
    });
  }
  const items = parseStrictJson(fromUtf8(text, 'event log'), 'event log');
  if (!Array.isArray(items)) throw malformed('', 'not a list', 0);
  if (items.length > EVENTS_MAX) throw malformed('', `more than ${EVENTS_MAX} events`, items.length);
  return {
    format: 'dstack',
    events: items.map((item: Json, index: number) => parseEvent(item, index)),
    algorithms: [SHA384_ID],
    bytesUsed: text.length,
  };
}

function malformed(field: string, why: string, index: number): CodedError {
  return new CodedError('EVIDENCE_MALFORMED', `event log, event ${index}: ${field} ${why}`, { field, index });
}

function parseEvent(item: Json, index: number): LoggedEvent {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) throw malformed('', 'not an object', index);
  const fields = item as Readonly<Record<string, Json | undefined>>;
  for (const name of Object.keys(fields)) if (!FIELDS.has(name)) throw malformed('', 'an unknown field', index);
  const { imr, event_type: type, digest, event: name, event_payload: payload, version } = fields;
  if (typeof imr !== 'number' || ![0, 1, 2, 3].includes(imr)) throw malformed('imr', 'not 0 to 3', index);
  if (typeof type !== 'number' || !Number.isInteger(type) || type < 0 || type > 0xffffffff) {
    throw malformed('event_type', 'not a 32-bit number', index);
  }
  if (typeof name !== 'string' || name.length > RUNTIME_NAME_CHARS_MAX || !name.isWellFormed()) {
    throw malformed('event', `not text of at most ${RUNTIME_NAME_CHARS_MAX}`, index);
  }
  if (version !== undefined && version !== 1 && version !== 2) throw malformed('version', 'not 1 or 2', index);
  if (typeof digest !== 'string' || digest.length !== 2 * RTMR_BYTES) {
    throw malformed('digest', 'not 48 bytes in hexadecimal', index);
  }
  if (typeof payload !== 'string') throw malformed('event_payload', 'not hexadecimal', index);
  return {
    register: imr as RtmrNumber,
    type,
    digest: fromHex(digest, 'digest'),
    data: fromHex(payload, 'event_payload'),
    runtimeName: type === EVENT_TYPE.DSTACK_RUNTIME ? name : null,
  };
}
