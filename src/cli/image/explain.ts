import {
  type Explanation,
  eventsOf,
  explainSnpMeasurement,
  explainTdMeasurements,
  type Others,
  parseMeasurementLog,
  parseSnpFirmware,
  parseSnpReport,
  parseTdvf,
  parseTdxQuote,
  type RecordedEvents,
  readGuestPolicy,
  readTdAttributes,
  replayRtmrs,
  type TdReport,
} from '../../attestation/index.ts';
import { type Bytes, CodedError, equalBytes, toHex } from '../../core/index.ts';
import { EVIDENCE_BYTES_MAX } from '../verify/request.ts';
import {
  directBootOf,
  type ImageFlags,
  readFileOf,
  readFirmware,
  readImage,
  requireFlagsOf,
  snpShapesOf,
  type Tee,
  tdShapeOf,
} from './inputs.ts';

export type ExplainFlags = Omit<ImageFlags, 'name' | 'hostData' | 'idBlock' | 'idAuth'> &
  Readonly<{
    eventLog?: string;
    otherFirmware?: readonly string[];
    otherKernel?: readonly string[];
    otherInitrd?: readonly string[];
    otherCmdline?: readonly string[];
  }>;

/** What `image explain` answers; nothing of the evidence is verified for it. */
export type Explained = Readonly<{
  tee: Tee;
  outcome: Explanation['outcome'];
  /** MEASUREMENT, or MRTD and RTMR0 to RTMR2: what the evidence has and what became of it. */
  registers: Readonly<Record<string, Explanation & Readonly<{ evidence: string }>>>;
  notes: readonly string[];
}>;

const OTHERS_MAX = 8;

/**
 * Finds which input differs between an image as the caller has it and the guest that made the evidence.
 * @throws CodedError USAGE_INVALID, IMAGE_MALFORMED, IMAGE_UNSUPPORTED, and those of the parsers of evidence and logs
 */
export function explainEvidence(file: string, flags: ExplainFlags): Explained {
  requireFlagsOf({ ...flags, name: 'evidence' });
  return flags.tee === 'tdx' ? explainTd(file, flags) : explainSnp(file, flags);
}

function othersOf(flag: string, paths: readonly string[] = []): readonly string[] {
  if (paths.length > OTHERS_MAX) throw new CodedError('USAGE_INVALID', `--${flag} takes at most ${OTHERS_MAX}`);
  return paths;
}

function otherFiles(flags: ExplainFlags) {
  const images = (flag: string, paths?: readonly string[]): Others<Uint8Array> =>
    othersOf(flag, paths).map((path) => ({ label: path, value: readImage(flag, path) }));
  return {
    kernels: images('other-kernel', flags.otherKernel),
    initrds: images('other-initrd', flags.otherInitrd),
    commandLines: othersOf('other-cmdline', flags.otherCmdline),
  };
}

function otherFirmwares<T>(paths: readonly string[] | undefined, parse: (bytes: Uint8Array) => T): Others<T> {
  return othersOf('other-firmware', paths).map((path) => ({ label: path, value: parse(readFirmware(path)) }));
}

function explainSnp(file: string, flags: ExplainFlags): Explained {
  if (flags.eventLog !== undefined) throw new CodedError('USAGE_INVALID', '--event-log does not apply to sev-snp');
  const report = parseSnpReport(readFileOf('evidence', file, EVIDENCE_BYTES_MAX['snp-report']));
  const { vmm, guestFeatures, types, counts } = snpShapesOf({ ...flags, name: 'evidence' });
  const [vcpus, ...moreCounts] = counts;
  const [type, ...moreTypes] = types;
  if (vcpus === undefined || type === undefined || moreCounts.length + moreTypes.length > 0) {
    throw new CodedError('USAGE_INVALID', 'one guest is explained: one --vcpus and one --vcpu-type');
  }
  const firmware = parseSnpFirmware(readFirmware(flags.firmware));
  const found = explainSnpMeasurement(
    {
      guest: { firmware, vmm, vcpus, vcpuSignature: type.signature, guestFeatures },
      boot: directBootOf({ ...flags, name: 'evidence' }),
      others: { firmwares: otherFirmwares(flags.otherFirmware, parseSnpFirmware), ...otherFiles(flags) },
    },
    report.measurement,
  );
  return {
    tee: 'sev-snp',
    outcome: found.outcome,
    registers: { measurement: { ...found, evidence: toHex(report.measurement) } },
    notes: readGuestPolicy(report.policy).debug ? [DEBUG_NOTE] : [],
  };
}

const DEBUG_NOTE = 'the guest was launched for debugging: no measurement shows that, and every policy refuses it';

const ACPI_NOTE = 'the ACPI digests were taken from the log and compared with nothing';

function explainTd(file: string, flags: ExplainFlags): Explained {
  const quote = readFileOf('evidence', file, EVIDENCE_BYTES_MAX['tdx-quote']);
  const { report } = parseTdxQuote(quote, { trailingBytes: 'report' });
  const shape = tdShapeOf({ ...flags, name: 'evidence' });
  const log = recordedEvents(flags.eventLog, report);
  const found = explainTdMeasurements(
    {
      ...shape,
      firmware: parseTdvf(readFirmware(flags.firmware)),
      others: { firmwares: otherFirmwares(flags.otherFirmware, parseTdvf), ...otherFiles(flags) },
    },
    report,
    log.events,
  );
  const evidence = { mrTd: report.mrTd, rtmr0: report.rtmr0, rtmr1: report.rtmr1, rtmr2: report.rtmr2 };
  const registers = Object.fromEntries(
    Object.entries(evidence).map(([name, value]) => [
      name,
      { ...found[name as keyof typeof found], evidence: toHex(value) },
    ]),
  );
  const outcomes = Object.values(found).map(({ outcome }) => outcome);
  const worst = (['unexplained', 'notComputed', 'explained'] as const).find((one) => outcomes.includes(one));
  return {
    tee: 'tdx',
    outcome: worst ?? 'matches',
    registers,
    notes: [
      ...(readTdAttributes(report.tdAttributes).debug ? [DEBUG_NOTE] : []),
      ...log.notes,
      ...(log.events !== null && shape.acpi === null ? [ACPI_NOTE] : []),
    ],
  };
}

/** A log that does not lead to the registers says nothing about them: it is left out, and that is said. */
function recordedEvents(
  path: string | undefined,
  report: TdReport,
): Readonly<{ events: RecordedEvents; notes: readonly string[] }> {
  if (path === undefined) return { events: null, notes: [] };
  const { events } = parseMeasurementLog(readFileOf('event-log', path, EVIDENCE_BYTES_MAX.ccel));
  const replayed = replayRtmrs(events);
  const isOf = [report.rtmr0, report.rtmr1, report.rtmr2].every((register, at) =>
    equalBytes(replayed[at] as Uint8Array, register),
  );
  if (!isOf) return { events: null, notes: ["the event log does not lead to the quote's registers: it was not used"] };
  const digests = (register: 0 | 1 | 2) => eventsOf(events, register).map(({ digest }) => digest as Bytes);
  return { events: [digests(0), digests(1), digests(2)], notes: [] };
}
