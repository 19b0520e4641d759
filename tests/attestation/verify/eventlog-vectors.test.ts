import { describe, expect, test } from 'vitest';
import {
  bootFactsOf,
  coversData,
  EVENT_TYPE,
  extendsRegister,
  parseMeasurementLog,
  parseTdxQuote,
  provenContentOf,
  replayRtmrs,
  verifyEventLog,
} from '../../../src/attestation/index.ts';
import { fromHex, isZero, toBase64, toHex, utf8 } from '../../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder, WHY_SKIPPED } from '../../vectors.ts';

type LogVector = {
  file: string;
  events: number;
  bytesUsed: number;
  eventsPerMr: Record<string, number>;
  digestAlgorithms: Record<string, number>;
  replayedRtmrSha384: string[];
  matchesQuotes: { quote: string; rtmrMatch0123: string }[];
};
type ForeignEvent = {
  index: number;
  event: string;
  digests: { digest: string }[];
  digest_matches_event: boolean;
  type_name: string;
};
type Manifest = { eventlogs: LogVector[]; vectors: { id: string; files: { quote: string } }[] };

const folder = vectorsFolder('tdx');
const manifest: Manifest =
  folder === null ? { eventlogs: [], vectors: [] } : readVectorJson<Manifest>(folder, 'vectors.json');
const load = (file: string) => readVector(folder as string, file);

/** What each log says about secure boot, read off its SecureBoot variable event by hand. */
const SECURE_BOOT: Readonly<Record<string, 'enabled' | 'disabled' | null>> = {
  'trustee-CCEL_data.bin': null,
  'trustee-CCEL_data_gcp.bin': 'disabled',
  'trustee-CCEL_data_grub.bin': 'enabled',
  'trustee-CCEL_data_ovmf.bin': 'disabled',
  'trustee-CCEL_data_csv.bin': null,
  'go-tdx-guest-ccel_data.bin': 'disabled',
  'dstack-ccel.bin': 'disabled',
  'go-eventlog-event_log.bin': 'disabled',
};

test.skipIf(folder !== null)(`event logs: ${WHY_SKIPPED}`, () => {
  expect(folder).toBeNull();
});

describe.skipIf(folder === null)('the shared event logs', () => {
  test('there are some', () => {
    expect(manifest.eventlogs.length).toBeGreaterThanOrEqual(8);
  });

  test.each(manifest.eventlogs.map((log) => [log.file, log] as const))('%s', (file, log) => {
    const parsed = parseMeasurementLog(load(file));
    expect(parsed.events.length).toBe(log.events);
    expect(parsed.bytesUsed).toBe(log.bytesUsed);
    expect(parsed.algorithms.map(String)).toEqual(Object.keys(log.digestAlgorithms));
    for (const [index, count] of Object.entries(log.eventsPerMr)) {
      expect(parsed.events.filter((event) => event.register === Number(index) - 1).length).toBe(count);
    }
    expect(replayRtmrs(parsed.events).map(toHex)).toEqual(log.replayedRtmrSha384);
    const verdict = verifyEventLog(
      parsed,
      log.replayedRtmrSha384.map((register) => fromHex(register)),
    );
    // A log of another digest algorithm says nothing about a TD, not even that its registers are zero.
    const isTdx = '12' in log.digestAlgorithms;
    expect(verdict.verdict).toBe(isTdx ? 'verified' : 'refused');
    expect(verdict.checks.eventDigests.outcome).toBe(isTdx ? 'passed' : 'failed');
    expect(bootFactsOf(parsed.events).secureBoot).toBe(SECURE_BOOT[file.replace('eventlogs/', '')]);
    expect(verifyEventLog(parsed, null).verdict).toBe(isTdx ? 'unavailable' : 'refused');
  });

  const pairs = manifest.eventlogs.flatMap((log) => log.matchesQuotes.map((match) => [log, match] as const));
  test.each(pairs)('$file against the quote it is given beside', (log, { quote: id, rtmrMatch0123 }) => {
    const quote = manifest.vectors.find((vector) => vector.id === id);
    const { report } = parseTdxQuote(load(quote?.files.quote ?? 'missing'), { trailingBytes: 'report' });
    const rtmrs = [report.rtmr0, report.rtmr1, report.rtmr2, report.rtmr3];
    const { verdict, checks, replayed } = verifyEventLog(parseMeasurementLog(load(log.file)), rtmrs);
    const all = [checks.rtmr0Replayed, checks.rtmr1Replayed, checks.rtmr2Replayed, checks.rtmr3Replayed];
    // The manifest counts registers that events lead to; those that stay zero are not in its digits.
    const led = all.map(({ outcome }, at) => outcome === 'passed' && !isZero(replayed[at] as Uint8Array));
    expect(led.map((matches) => (matches ? '1' : '0')).join('')).toBe(rtmrMatch0123);
    expect(verdict).toBe(all.every(({ outcome }) => outcome === 'passed') ? 'verified' : 'refused');
  });

  test.each(['evidence/dstack-quote-report.json', 'evidence/dstack-examples-report.json'])(
    '%s: log and quote of one machine',
    (file) => {
      const evidence = readVectorJson<{ quote: string; event_log: string }>(folder as string, file);
      const { report } = parseTdxQuote(fromHex(evidence.quote), { trailingBytes: 'report' });
      const log = parseMeasurementLog(utf8(evidence.event_log));
      const rtmrs = [report.rtmr0, report.rtmr1, report.rtmr2, report.rtmr3];
      const verdict = verifyEventLog(log, rtmrs);
      expect(verdict).toMatchObject({ verdict: 'verified', facts: { secureBoot: 'disabled' } });
      if (verdict.verdict !== 'verified') throw new Error('refused');
      const composeHash = toHex(verdict.facts.dstack['compose-hash'] as Uint8Array);
      expect(composeHash).toMatch(/^[0-9a-f]{64}$/);
      expect(composeHash.startsWith(toHex(verdict.facts.dstack['app-id'] as Uint8Array))).toBe(true);
      expect(verdict.facts.runtimeEvents.length).toBe(8);
      for (const register of [0, 1, 2, 3]) {
        const wrong = rtmrs.map((value, at) => (at === register ? value.map((byte) => byte ^ 1) : value));
        expect(verifyEventLog(log, wrong).verdict).toBe('refused');
      }
    },
  );

  test.each([
    ['trustee-CCEL_data.bin', 'trustee-CCEL_data_out.json'],
    ['trustee-CCEL_data_grub.bin', 'trustee-CCEL_data_grub_out.json'],
    ['trustee-CCEL_data_ovmf.bin', 'trustee-CCEL_data_ovmf_out.json'],
    ['trustee-CCEL_data.bin', 'trustee-parse_tdx_claims_expected.json'],
  ])('%s: event by event as %s has it', (file, expectation) => {
    const { uefi_event_logs: expected } = readVectorJson<{ uefi_event_logs: ForeignEvent[] }>(
      folder as string,
      `evidence/${expectation}`,
    );
    const { events } = parseMeasurementLog(load(`eventlogs/${file}`));
    const told = events.filter(({ type }) => type !== EVENT_TYPE.NO_ACTION);
    expect(told.length).toBe(expected.length);
    for (const [at, event] of told.entries()) {
      const other = expected[at] as ForeignEvent;
      expect(event.register).toBe(other.index - 1);
      expect(toHex(event.digest ?? new Uint8Array())).toBe(other.digests[0]?.digest);
      expect(toBase64(event.data)).toBe(other.event);
      // Where the whole data is what was hashed, we say so too; beyond that we strip labels that nobody measured.
      expect(coversData(event)).toBe(other.digest_matches_event);
      if (other.digest_matches_event) expect(provenContentOf(event), other.type_name).not.toBeNull();
    }
  });

  test('one flipped bit in any measured digest leads elsewhere; in hashed data, only the claim goes', () => {
    const bytes = load('eventlogs/go-tdx-guest-ccel_data.bin');
    const { events } = parseMeasurementLog(bytes);
    const before = replayRtmrs(events).map(toHex);
    for (const [at, event] of events.entries()) {
      if (!extendsRegister(event) || event.digest === null) continue;
      const digest = event.digest.map((byte, i) => (i === 0 ? byte ^ 1 : byte));
      const after = replayRtmrs(events.map((one, i) => (i === at ? { ...event, digest } : one))).map(toHex);
      expect(after.filter((register, i) => register !== before[i]).length).toBe(1);
    }
    const named = bootFactsOf(events).texts.map(({ text }) => text);
    expect(named.some((text) => text.startsWith('/syslinux/vmlinuz.A init='))).toBe(true);
    const edited = events.map((event) => ({ ...event, data: event.data.map((byte) => byte ^ 0x20) }));
    expect(bootFactsOf(edited)).toMatchObject({ texts: [], provenEvents: 0 });
  });
});
