import {
  type Beacon,
  type Bytes,
  CodedError,
  concat,
  decodeObject,
  encodeBeacon,
  encodeKeyset,
  encodeObject,
  fromUtf8,
  type Keyset,
  keysetDigest,
  labelledDigest,
  parseBeacon,
  parseKeyset,
  utf8,
} from '../../../core/index.ts';
import {
  type DeviceEvidence,
  deviceDigest,
  encodeDevices,
  gpuSetDigest,
  parseDevices,
  sortedDigests,
} from './devices.ts';
import { type EventLog, encodeEventLog, parseEventLog } from './event-log.ts';
import { reportData, type Tee } from './report-data.ts';

/** One worker's Evidence of one moment: everything REPORT_DATA and RTMR3 commit to (AIS/1 section 3). */
export type EvidenceBundle = Readonly<{
  tee: Tee;
  /** The quote or report, without trailing bytes. */
  quote: Bytes;
  eventLog: EventLog;
  keyset: Keyset;
  /** N, 32 bytes. */
  nonceRoot: Bytes;
  beacon: Beacon;
  /** M, 32 bytes. */
  modelDigest: Bytes;
  /** 32 bytes for each suite of the keyset, in its order. */
  epochKeyDigests: readonly Bytes[];
  devices: readonly DeviceEvidence[];
}>;

export const BUNDLE_QUOTE_BYTES_MAX = 64 * 1024;
export const BUNDLE_BYTES_MAX = 4 * 1024 * 1024;

const RULES = [
  { name: 'tee', length: [3, 7] },
  { name: 'quote', length: 'any' },
  { name: 'eventLog', length: 'any' },
  { name: 'keyset', length: 'any' },
  { name: 'nonceRoot', length: 32 },
  { name: 'beacon', length: 'any' },
  { name: 'modelDigest', length: 32 },
  { name: 'epochKeyDigests', length: { multipleOf: 32 } },
  { name: 'devices', length: 'any' },
] as const;

function commonFields(bundle: EvidenceBundle): Bytes[] {
  return [
    utf8(bundle.tee),
    bundle.quote,
    encodeEventLog(bundle.eventLog),
    encodeKeyset(bundle.keyset),
    bundle.nonceRoot,
    encodeBeacon(bundle.beacon),
    bundle.modelDigest,
    concat(...bundle.epochKeyDigests),
  ];
}

/** The bundle as it travels and is stored. @throws CodedError OBJECT_MALFORMED for one that could not be read back */
export function encodeEvidenceBundle(bundle: EvidenceBundle): Bytes {
  const encoded = encodeObject([...commonFields(bundle), encodeDevices(bundle.devices)]);
  parseEvidenceBundle(encoded);
  return encoded;
}

/**
 * Reads a bundle exactly; the quote inside stays bytes.
 * @param object at most 4 MiB
 * @throws CodedError EVIDENCE_TOO_LARGE, OBJECT_MALFORMED (also where epoch keys and suites differ in number)
 */
export function parseEvidenceBundle(object: Uint8Array): EvidenceBundle {
  if (object.length > BUNDLE_BYTES_MAX) {
    throw new CodedError('EVIDENCE_TOO_LARGE', `an evidence bundle has at most ${BUNDLE_BYTES_MAX} bytes`, {
      bytes: object.length,
    });
  }
  const [tee, quote, eventLog, keyset, nonceRoot, beacon, modelDigest, epochKeys, devices] = decodeObject(
    object,
    'evidence',
    RULES,
  ) as [Bytes, Bytes, Bytes, Bytes, Bytes, Bytes, Bytes, Bytes, Bytes];
  const malformed = (field: string, why: string) =>
    new CodedError('OBJECT_MALFORMED', `evidence.${field}: ${why}`, { field });
  const teeName = fromUtf8(tee, 'evidence.tee');
  if (teeName !== 'tdx' && teeName !== 'sev-snp') throw malformed('tee', 'neither tdx nor sev-snp');
  if (quote.length === 0 || quote.length > BUNDLE_QUOTE_BYTES_MAX) throw malformed('quote', 'empty or too long');
  const parsedKeyset = parseKeyset(keyset);
  if (epochKeys.length !== 32 * parsedKeyset.suites.length) {
    throw malformed('epochKeyDigests', 'one for each suite of the keyset');
  }
  return {
    tee: teeName,
    quote,
    eventLog: parseEventLog(eventLog),
    keyset: parsedKeyset,
    nonceRoot,
    beacon: parseBeacon(beacon),
    modelDigest,
    epochKeyDigests: parsedKeyset.suites.map((_, index) => epochKeys.slice(32 * index, 32 * index + 32)),
    devices: parseDevices(devices),
  };
}

/** `ED = H("evidence", tee, quote, event log, keyset object, N, beacon, M, ek_digests, d_1…)`, 32 bytes. */
export function evidenceDigest(bundle: EvidenceBundle): Bytes {
  return labelledDigest('evidence', ...commonFields(bundle), ...sortedDigests(bundle.devices.map(deviceDigest)));
}

/** The REPORT_DATA that the quote of this bundle must carry, 64 bytes. */
export function bundleReportData(bundle: Omit<EvidenceBundle, 'quote' | 'eventLog'>): Bytes {
  return reportData({
    tee: bundle.tee,
    keysetDigest: keysetDigest(bundle.keyset),
    nonceRoot: bundle.nonceRoot,
    beacon: encodeBeacon(bundle.beacon),
    gpuSetDigest: gpuSetDigest(bundle.devices.map(deviceDigest)),
    modelDigest: bundle.modelDigest,
    epochKeyDigests: bundle.epochKeyDigests,
  });
}
