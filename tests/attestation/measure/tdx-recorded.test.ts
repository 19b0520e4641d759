/**
 * Predictions against what real TDs recorded. The firmware and kernels of those TDs are not at hand, so their digests
 * (configuration volume, ACPI, kernel, command line, initial RAM disk) come from the log; everything else is computed,
 * and all of it together must be the registers of the quote.
 */
import { describe, expect, test } from 'vitest';
import { eventsOf, parseDstackLog, parseFirmwareLog, parseTdxQuote } from '../../../src/attestation/index.ts';
import {
  explainTdMeasurements,
  type PredictedEvent,
  parseTdvf,
  registerOf,
  rtmr0Events,
  rtmr1Events,
  rtmr2Events,
} from '../../../src/attestation/measure/index.ts';
import { fromHex, toHex, utf8 } from '../../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder, WHY_SKIPPED } from '../../vectors.ts';
import { firmware, linuxKernel, tdSections } from './firmware.ts';

const folder = vectorsFolder('tdx');
const GIB = 2 ** 30;
const RULES = { pageOrder: 'interleaved', patchesKernel: 'linux' } as const;

type Sample = Readonly<{ quote: string; event_log: string; vm_config?: string }>;
type Digested = Readonly<{ digest: Uint8Array | null }>;

const standard = tdSections(0x4000);
/** Builds whose temporary memory begins a page later. */
const shifted = standard.map((section) =>
  section[2] === 0x810000 ? ([0, 0, 0x811000, 0xf000, 3, 0] as const) : section,
);

/** Predicted events, with the recorded digests of what only the machine's owner has. */
function completed(predicted: readonly PredictedEvent[], recorded: readonly Digested[]): readonly PredictedEvent[] {
  const notAtHand = ['configuration volume', 'kernel', 'command line', 'initial RAM disk'];
  return predicted.map((event, at) =>
    notAtHand.includes(event.name) ? { ...event, digest: Uint8Array.from(recorded[at]?.digest ?? []) } : event,
  );
}

describe.skipIf(folder === null)(`recorded TDs${folder === null ? `: ${WHY_SKIPPED}` : ''}`, () => {
  if (folder === null) return;
  const sampleOf = (name: string) => readVectorJson<Sample>(folder, `evidence/${name}`);

  test.each([
    // 64 GiB is what the sample says of its own machine; that of the other was found by trying.
    ['dstack-quote-report.json', standard, 64 * GIB],
    ['dstack-examples-report.json', shifted, 1 * GIB],
  ] as const)('%s: RTMR0, RTMR1 and RTMR2 of the quote', (name, td, memoryBytes) => {
    const sample = sampleOf(name);
    if (sample.vm_config !== undefined) expect(JSON.parse(sample.vm_config).memory_size).toBe(memoryBytes);
    const { events } = parseDstackLog(utf8(sample.event_log));
    const { report } = parseTdxQuote(fromHex(sample.quote), { trailingBytes: 'report' });
    const [first, second, third] = ([0, 1, 2] as const).map((register) => eventsOf(events, register));
    const acpi = (at: number) => Uint8Array.from(first?.[at]?.digest ?? []);
    const build = parseTdvf(firmware({ td }));
    const rtmr0 = rtmr0Events(build, memoryBytes, { loader: acpi(8), rsdp: acpi(9), tables: acpi(10) });
    const boot = { kind: 'linux', kernel: linuxKernel(), initrd: Uint8Array.of(1), commandLine: 'x' } as const;
    for (const [predicted, recorded, register] of [
      [rtmr0, first, report.rtmr0],
      [rtmr1Events(boot, memoryBytes, RULES), second, report.rtmr1],
      [rtmr2Events(boot), third, report.rtmr2],
    ] as const) {
      const whole = completed(predicted, recorded ?? []);
      expect(whole.map(({ digest }) => toHex(digest))).toEqual(recorded?.map(({ digest }) => toHex(digest as never)));
      expect(toHex(registerOf(whole))).toBe(toHex(register));
    }
  });

  test('the memory of a recorded TD is found from its log, and what is not at hand is named', () => {
    const sample = sampleOf('dstack-quote-report.json');
    const { events } = parseDstackLog(utf8(sample.event_log));
    const { report } = parseTdxQuote(fromHex(sample.quote), { trailingBytes: 'report' });
    const digests = ([0, 1, 2] as const).map((register) =>
      eventsOf(events, register).map(({ digest }) => digest as never),
    );
    const none = { firmwares: [], kernels: [], initrds: [], commandLines: [] };
    const boot = { kind: 'linux', kernel: linuxKernel(), initrd: Uint8Array.of(1), commandLine: 'x' } as const;
    const given = {
      firmware: parseTdvf(firmware()),
      memoryBytes: 16 * GIB,
      rules: RULES,
      boot,
      acpi: null,
      others: none,
    };
    const { mrTd, rtmr0, rtmr1, rtmr2 } = explainTdMeasurements(given, report, digests);
    expect(rtmr0.differences[0]).toEqual({ input: 'memory', given: '16384 MiB', found: '65536 MiB' });
    expect(rtmr0.differences.slice(1).map(({ input }) => input)).toEqual(['firmware']);
    expect(rtmr1.differences.map(({ input }) => input)).toEqual(['kernel']);
    expect(rtmr2.differences.map(({ input }) => input)).toEqual(['commandLine', 'initrd']);
    // Firmware and kernel of this machine are not at hand: nothing of it is called explained.
    for (const one of [mrTd, rtmr0, rtmr1, rtmr2]) expect(one.outcome).toBe('unexplained');
  });

  test('another log: everything that its firmware measured before the ACPI tables', () => {
    const { events } = parseFirmwareLog(readVector(folder, 'eventlogs/trustee-CCEL_data_ovmf.bin'));
    const recorded = eventsOf(events, 0).map(({ digest }) => toHex(digest as never));
    const none = new Uint8Array(48);
    const predicted = rtmr0Events(parseTdvf(firmware()), 2 * GIB, { loader: none, rsdp: none, tables: none });
    const isOwn = ({ name, from }: PredictedEvent) => from === 'computed' && name !== 'configuration volume';
    const checked = predicted.filter((event, at) => isOwn(event) && recorded[at] === toHex(event.digest));
    expect(checked.map(({ name }) => name)).toEqual([
      'TD hand-off block',
      ...['SecureBoot', 'PK', 'KEK', 'db', 'dbx'].map((name) => `variable ${name}`),
      'separator',
      'boot variable BootOrder',
      'boot variable Boot0000',
    ]);
  });

  test('another size of memory, or other sections, lead elsewhere', () => {
    const none = new Uint8Array(48);
    const hob = (td: typeof standard | typeof shifted, bytes: number) =>
      toHex(
        rtmr0Events(parseTdvf(firmware({ td })), bytes, { loader: none, rsdp: none, tables: none })[0]?.digest ?? none,
      );
    const all = [hob(standard, 2 * GIB), hob(standard, 4 * GIB), hob(shifted, 2 * GIB)];
    expect(new Set(all).size).toBe(3);
  });
});
