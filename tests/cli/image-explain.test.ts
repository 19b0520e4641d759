/** `chrysalis image explain`: which input of a machine's start was another one. */

import { beforeAll, describe, expect, test } from 'vitest';
import { acpi, at, changed, explain, genoa, snp, snpReport, tdQuote, tdx } from './image-scene.ts';
import { runHere } from './in-process.ts';

describe('explain an SEV-SNP report', () => {
  const given = [...snp, ...genoa];
  beforeAll(() => snpReport('report.bin', given));

  test('the same inputs match', async () => {
    const { code, answer } = await explain('report.bin', ...given);
    expect([code, answer.outcome, answer.registers.measurement.differences]).toEqual([0, 'matches', []]);
  });

  const cases: readonly [
    what: string,
    launched: readonly string[],
    more: readonly string[],
    found: readonly object[],
  ][] = [
    ['vCPU count', changed(given, '--vcpus', '6'), [], [{ input: 'vcpus', given: '8', found: '6' }]],
    [
      'vCPU type',
      changed(given, '--vcpu-type', 'EPYC-Milan-v2'),
      [],
      [{ input: 'vcpuType', given: 'EPYC-Genoa', found: 'EPYC-Milan' }],
    ],
    [
      'guest features',
      [...given, '--guest-features', '0x21'],
      [],
      [{ input: 'guestFeatures', given: '0x1', found: '0x21' }],
    ],
    ['who launches', [...snp, '--vcpus', '8', '--vmm', 'gce'], [], [{ input: 'vmm', given: 'qemu', found: 'gce' }]],
    [
      'command line',
      changed(given, '--cmdline', 'ro quiet\n'),
      [],
      [{ input: 'commandLine', given: '"ro quiet"', found: '"ro quiet\\n"' }],
    ],
    [
      'another command line',
      changed(given, '--cmdline', 'rw'),
      ['--other-cmdline', 'rw'],
      [{ input: 'commandLine', found: '"rw"' }],
    ],
    ['no kernel hashes', ['--tee', 'sev-snp', '--firmware', at('OVMF.fd'), ...genoa], [], [{ input: 'kernel' }]],
    [
      'kernel',
      changed(given, '--kernel', at('vmlinuz-next')),
      ['--other-kernel', at('vmlinuz-next')],
      [{ input: 'kernel', found: at('vmlinuz-next') }],
    ],
    [
      'initrd',
      changed(given, '--initrd', at('initrd-next')),
      ['--other-initrd', at('initrd-next')],
      [{ input: 'initrd' }],
    ],
    [
      'firmware',
      changed(given, '--firmware', at('OVMF-next.fd')),
      ['--other-firmware', at('OVMF-next.fd')],
      [{ input: 'firmware' }],
    ],
    [
      'count and type and features',
      [...changed(changed(given, '--vcpus', '64'), '--vcpu-type', 'EPYC-Turin'), '--guest-features', '0x21'],
      [],
      [{ input: 'vcpus' }, { input: 'vcpuType' }, { input: 'guestFeatures' }],
    ],
    [
      'firmware and count',
      changed(changed(given, '--firmware', at('OVMF-next.fd')), '--vcpus', '2'),
      ['--other-firmware', at('OVMF-next.fd')],
      [{ input: 'firmware' }, { input: 'vcpus' }],
    ],
  ];
  test.each(cases)('%s', async (_, launched, more, found) => {
    await snpReport('other.bin', launched);
    const { code, answer } = await explain('other.bin', ...given, ...more);
    const { differences } = answer.registers.measurement;
    expect([code, answer.outcome]).toEqual([1, 'explained']);
    expect(differences).toMatchObject(found);
    expect(differences.length).toBe(found.length);
  });

  test('what nobody tried is not explained, and not called a match', async () => {
    await snpReport('other.bin', changed(given, '--kernel', at('vmlinuz-next')));
    const { code, answer } = await explain('other.bin', ...given);
    expect([code, answer.outcome, answer.registers.measurement.differences]).toEqual([3, 'unexplained', []]);
    const { out } = await runHere('image', 'explain', at('other.bin'), ...given);
    expect(out).toContain('no input that was tried');
    expect(out).toContain('--other-kernel');
  });

  test('what is no report is refused; two shapes at once are a mistake of usage', async () => {
    const { code } = await explain('rsdp', ...given);
    expect(code).toBe(1);
    expect((await explain('report.bin', ...snp, '--vcpus', '1-2', '--vcpu-type', 'EPYC')).code).toBe(2);
  });
});

describe('explain a TDX quote', () => {
  const given = [...tdx, ...acpi];
  beforeAll(() => tdQuote('quote.bin', given));

  test('the same inputs match, with the log and without', async () => {
    for (const more of [[], ['--event-log', at('quote.bin.log')]]) {
      const { code, answer } = await explain('quote.bin', ...given, ...more);
      expect([code, answer.outcome, answer.notes]).toEqual([0, 'matches', []]);
    }
  });

  test('without the ACPI blobs RTMR0 is not computed, unless the log shows its events', async () => {
    const bare = await explain('quote.bin', ...tdx);
    expect([bare.code, bare.answer.outcome, bare.answer.registers.rtmr0.outcome]).toEqual([
      3,
      'notComputed',
      'notComputed',
    ]);
    expect(bare.answer.registers.mrTd.outcome).toBe('matches');
    const logged = await explain('quote.bin', ...tdx, '--event-log', at('quote.bin.log'));
    expect([logged.code, logged.answer.outcome]).toEqual([0, 'matches']);
    expect(logged.answer.notes[0]).toContain('compared with nothing');
  });

  const cases: readonly [
    what: string,
    launched: readonly string[],
    more: readonly string[],
    register: string,
    found: object,
  ][] = [
    [
      'memory',
      changed(given, '--memory', '12G'),
      [],
      'rtmr0',
      { input: 'memory', given: '16384 MiB', found: '12288 MiB' },
    ],
    [
      'command line',
      changed(given, '--cmdline', 'ro'),
      [],
      'rtmr2',
      { input: 'commandLine', given: '"ro quiet"', found: '"ro"' },
    ],
    [
      'initrd',
      changed(given, '--initrd', at('initrd-next')),
      ['--other-initrd', at('initrd-next')],
      'rtmr2',
      { input: 'initrd' },
    ],
    [
      'kernel',
      changed(given, '--kernel', at('vmlinuz-next')),
      ['--other-kernel', at('vmlinuz-next')],
      'rtmr1',
      { input: 'kernel' },
    ],
    ['QEMU 8', changed(given, '--qemu-version', '8.2.0'), [], 'mrTd', { input: 'qemuVersion', found: 'before 9.0' }],
    [
      'QEMU 10.2',
      changed(given, '--qemu-version', '10.2.0'),
      [],
      'rtmr1',
      { input: 'qemuVersion', found: '10.2 or later' },
    ],
    [
      'firmware',
      changed(given, '--firmware', at('OVMF-next.fd')),
      ['--other-firmware', at('OVMF-next.fd')],
      'mrTd',
      { input: 'firmware' },
    ],
  ];
  test.each(cases)('%s', async (_, launched, more, register, found) => {
    await tdQuote('other.bin', launched);
    for (const log of [[], ['--event-log', at('other.bin.log')]]) {
      const { code, answer } = await explain('other.bin', ...given, ...more, ...log);
      expect([code, answer.outcome]).toEqual([1, 'explained']);
      expect(answer.registers[register].differences).toMatchObject([found]);
    }
  });

  test('other ACPI tables: the log says that they differ, nothing says how', async () => {
    await tdQuote('other.bin', changed(given, '--acpi-tables', at('loader')));
    const { code, answer } = await explain('other.bin', ...given, '--event-log', at('other.bin.log'));
    expect([code, answer.outcome]).toEqual([3, 'unexplained']);
    expect(answer.registers.rtmr0.differences).toMatchObject([{ input: 'acpi' }]);
    expect(answer.registers.rtmr1.outcome).toBe('matches');
  });

  test('a log that does not lead to the registers is not used, and that is said', async () => {
    await tdQuote('other.bin', changed(given, '--memory', '12G'));
    const { answer } = await explain('other.bin', ...given, '--event-log', at('quote.bin.log'));
    expect(answer.notes[0]).toContain('not used');
  });

  test('text for people: every register, what differs, what to do, nothing wider than the terminal', async () => {
    await tdQuote('other.bin', changed(given, '--memory', '12G'));
    const { out } = await runHere('image', 'explain', at('other.bin'), ...given);
    expect(out).toContain('memory');
    expect(out).toContain('16384 MiB → 12288 MiB');
    expect(out).toContain('Not checked');
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(120);
  });
});
