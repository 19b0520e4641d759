import { sha384 } from '#crypto';
import {
  type Bytes,
  CodedError,
  compareBytes,
  concat,
  encodeObject,
  equalBytes,
  fromUtf8,
  lengthPrefixed,
  utf8,
} from '../../../core/index.ts';
import { readLengthPrefixed } from './list.ts';

/** The firmware's log and our own events, as the evidence bundle carries them. */
export type EventLog = Readonly<{
  /** CCEL bytes as the firmware left them; empty where the guest has none. */
  firmware: Bytes;
  /** Preimages of the RTMR3 extensions, in the order in which they were made. */
  runtimeEvents: readonly Bytes[];
}>;

export const EVENT_LOG_BYTES_MAX = 1024 * 1024;
export const RUNTIME_EVENTS_MAX = 64;
export const RUNTIME_EVENT_BYTES_MAX = 8192;
export const DEVICE_IDS_MAX = 32;
export const DEVICE_ID_BYTES_MAX = 64;

/** What the enclave's own look at its devices came to: `none` without devices, else `passed`. It boots on no other. */
export type DevicesVerdict = 'none' | 'passed';

/** One RTMR3 event, read; `unknown` is anything but the three of AIS/1 section 3, item 4. */
export type RuntimeEvent =
  | Readonly<{ kind: 'identity'; keysetDigest: Bytes }>
  | Readonly<{ kind: 'devices'; deviceIds: readonly Bytes[]; verdict: DevicesVerdict }>
  | Readonly<{ kind: 'model'; modelDigest: Bytes }>
  | Readonly<{ kind: 'unknown' }>;

/** `LP("ais/1 identity") ‖ LP(keyset_digest)`. */
export function identityEvent(keysetDigest: Uint8Array): Bytes {
  return encodeObject([utf8('ais/1 identity'), keysetDigest]);
}

/**
 * `LP("ais/1 devices") ‖ LP(sorted device ids, LP each) ‖ LP(verdict)`; ids ascending as bytes, the verdict in ASCII.
 * @throws CodedError OBJECT_MALFORMED for equal ids, too many, and a verdict that does not fit their number
 */
export function devicesEvent(deviceIds: readonly Uint8Array[], verdict: DevicesVerdict): Bytes {
  const sorted = [...deviceIds].sort(compareBytes);
  requireDevices(sorted, verdict);
  return encodeObject([utf8('ais/1 devices'), concat(...sorted.map(lengthPrefixed)), utf8(verdict)]);
}

/** `LP("ais/1 model") ‖ LP(M)`. */
export function modelEvent(modelDigest: Uint8Array): Bytes {
  return encodeObject([utf8('ais/1 model'), modelDigest]);
}

/** The three events in the order in which an enclave must make them, each exactly once, before any key signs. */
export function bootEvents(
  boot: Readonly<{
    keysetDigest: Uint8Array;
    deviceIds: readonly Uint8Array[];
    verdict: DevicesVerdict;
    modelDigest: Uint8Array;
  }>,
): Bytes[] {
  return [identityEvent(boot.keysetDigest), devicesEvent(boot.deviceIds, boot.verdict), modelEvent(boot.modelDigest)];
}

function requireDevices(ids: readonly Uint8Array[], verdict: string): asserts verdict is DevicesVerdict {
  const ascending = ids.every((id, index) => index === 0 || compareBytes(id, ids[index - 1] as Uint8Array) > 0);
  const bounded = ids.length <= DEVICE_IDS_MAX && ids.every((id) => id.length > 0 && id.length <= DEVICE_ID_BYTES_MAX);
  if (!ascending || !bounded || verdict !== (ids.length === 0 ? 'none' : 'passed')) {
    throw new CodedError('OBJECT_MALFORMED', 'devices event: ids ascending and bounded, verdict none or passed', {
      devices: ids.length,
    });
  }
}

/** Reads one preimage. @throws CodedError OBJECT_MALFORMED for one of the three kinds with a wrong body */
export function parseRuntimeEvent(preimage: Uint8Array): RuntimeEvent {
  const [label, ...rest] = fieldsOf(preimage);
  const isLabel = (name: string) => label !== undefined && equalBytes(label, utf8(`ais/1 ${name}`));
  const [first, second] = rest;
  const wrong = () => new CodedError('OBJECT_MALFORMED', 'runtime event: wrong fields', { fields: rest.length });
  if (isLabel('identity') || isLabel('model')) {
    if (first === undefined || first.length !== 32 || rest.length !== 1) throw wrong();
    return isLabel('identity') ? { kind: 'identity', keysetDigest: first } : { kind: 'model', modelDigest: first };
  }
  if (isLabel('devices')) {
    if (first === undefined || second === undefined || rest.length !== 2) throw wrong();
    const deviceIds = readLengthPrefixed(first, 'devices event', {
      itemsMax: DEVICE_IDS_MAX,
      itemBytesMax: DEVICE_ID_BYTES_MAX,
    });
    const verdict = fromUtf8(second, 'devices event verdict');
    requireDevices(deviceIds, verdict);
    return { kind: 'devices', deviceIds, verdict };
  }
  return { kind: 'unknown' };
}

/** Fields of an object whose table is not known yet; none where the bytes are no object. */
function fieldsOf(preimage: Uint8Array): Bytes[] {
  try {
    return readLengthPrefixed(preimage, 'runtime event', { itemsMax: 4, itemBytesMax: RUNTIME_EVENT_BYTES_MAX });
  } catch {
    return [];
  }
}

/** RTMR3 (docs/evidence-binding.md) after these events from zero: each step SHA-384(old ‖ SHA-384(preimage)), 48 bytes. */
export function replayRtmr3(runtimeEvents: readonly Uint8Array[]): Bytes {
  let register = new Uint8Array(48);
  for (const event of runtimeEvents) register = sha384(concat(register, sha384(event)));
  return register;
}

/** `LP(CCEL) ‖ LP(preimage) ‖ …`. @throws CodedError OBJECT_MALFORMED over a bound */
export function encodeEventLog(log: EventLog): Bytes {
  const encoded = encodeObject([log.firmware, ...log.runtimeEvents]);
  parseEventLog(encoded);
  return encoded;
}

/** Bounds and lengths only; {@link parseRuntimeEvent} reads an event. @throws CodedError OBJECT_MALFORMED */
export function parseEventLog(bytes: Uint8Array): EventLog {
  if (bytes.length > EVENT_LOG_BYTES_MAX) {
    throw new CodedError('OBJECT_MALFORMED', `event log: more than ${EVENT_LOG_BYTES_MAX} bytes`, {
      bytes: bytes.length,
    });
  }
  const [firmware, ...runtimeEvents] = readLengthPrefixed(bytes, 'event log', {
    itemsMax: 1 + RUNTIME_EVENTS_MAX,
    itemBytesMax: EVENT_LOG_BYTES_MAX,
  });
  const tooLong = runtimeEvents.findIndex((event) => event.length > RUNTIME_EVENT_BYTES_MAX);
  if (firmware === undefined || tooLong >= 0) {
    throw new CodedError('OBJECT_MALFORMED', 'event log: no firmware field, or an event too long', { event: tooLong });
  }
  return { firmware, runtimeEvents };
}
