/** `chrysalis image`: what it prints goes into a policy as it stands, and each wrong input is named. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadPolicy } from '../../src/attestation/index.ts';
import {
  createSimulatedIntel,
  openSimulatedIntel,
  simulatedImage,
  simulatedSnpImage,
} from '../../src/attestation/simulate/index.ts';
import { utf8 } from '../../src/core/index.ts';
import { firmware, linuxKernel, pe } from '../attestation/measure/firmware.ts';
import { sharedAmd } from '../attestation/simulate/shared-amd.ts';
import { runHere } from './in-process.ts';

const intel = openSimulatedIntel(createSimulatedIntel((length) => new Uint8Array(length).fill(23)));
const folder = mkdtempSync(join(tmpdir(), 'chrysalis-image-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const FILES: Readonly<Record<string, Uint8Array>> = {
  'OVMF.fd': firmware(),
  'OVMF-next.fd': firmware({ size: 0x5000 }),
  vmlinuz: linuxKernel(),
  'vmlinuz-next': linuxKernel(0x20f, 1, 0x3000),
  initrd: utf8('an initial RAM disk'),
  'initrd-next': utf8('another'),
  'worker.efi': pe([
    ['.linux', linuxKernel()],
    ['.cmdline', utf8('ro')],
    ['.initrd', utf8('i')],
  ]),
  loader: utf8('loader'),
  rsdp: utf8('rsdp'),
  tables: utf8('tables'),
};
beforeAll(() => {
  for (const [name, bytes] of Object.entries(FILES)) writeFileSync(at(name), bytes);
});

const boot = [
  '--firmware',
  at('OVMF.fd'),
  '--kernel',
  at('vmlinuz'),
  '--initrd',
  at('initrd'),
  '--cmdline',
  'ro quiet',
];
const snp = ['--tee', 'sev-snp', ...boot];
const genoa = ['--vcpus', '8', '--vcpu-type', 'EPYC-Genoa'];
const tdx = ['--tee', 'tdx', ...boot, '--memory', '16G', '--qemu-version', '9.2.1'];
const acpi = ['--acpi-loader', at('loader'), '--acpi-rsdp', at('rsdp'), '--acpi-tables', at('tables')];

/** Arguments with the value of one flag replaced. */
const changed = (args: readonly string[], flag: string, value: string) => args.with(args.indexOf(flag) + 1, value);
const measure = async (...args: readonly string[]) => {
  const { code, out } = await runHere('image', 'measure', ...args, '--json');
  return { code, answer: JSON.parse(out) };
};
const explain = async (evidence: string, ...args: readonly string[]) => {
  const { code, out } = await runHere('image', 'explain', at(evidence), ...args, '--json');
  return { code, answer: JSON.parse(out) };
};
/** The production policy with these images, as a policy file would have it. */
function policyWith(file: string, part: 'tdx' | 'sevSnp', images: unknown) {
  const shipped = JSON.parse(readFileSync(new URL(`../../attestation-policies/${file}`, import.meta.url), 'utf8'));
  return loadPolicy(JSON.stringify({ ...shipped, [part]: { ...shipped[part], images } }));
}

async function snpReport(name: string, args: readonly string[]): Promise<void> {
  const { answer } = await measure(...args);
  const { name: image, ...values } = answer.images[0];
  const machine = sharedAmd.machine({ name: 'alder', line: 'Genoa' }, { image: simulatedSnpImage(image, values) });
  const report = await machine.report({ reportData: new Uint8Array(64) });
  writeFileSync(at(name), report);
}

/** A quote of a TD that booted so, and its log. */
async function tdQuote(name: string, args: readonly string[]): Promise<void> {
  const { answer } = await measure(...args);
  const { name: image, ...values } = answer.images[0];
  const quote = intel
    .machine({ name: 'alder', image: simulatedImage(image, values) })
    .quote({ reportData: new Uint8Array(64) });
  const log = ['rtmr0', 'rtmr1', 'rtmr2'].flatMap((register, imr) =>
    answer.events[register].map(({ digest }: { digest: string }) => ({
      imr,
      event_type: 10,
      digest,
      event: '',
      event_payload: '',
    })),
  );
  writeFileSync(at(name), quote);
  writeFileSync(at(`${name}.log`), JSON.stringify(log));
}

describe('measure', () => {
  test('a debug variant is named so, from its command line or its image, and no production policy takes the name', async () => {
    const words = 'ro chrysalis.variant=debug chrysalis.concurrency=1';
    writeFileSync(
      at('debug.efi'),
      pe([
        ['.linux', linuxKernel()],
        ['.cmdline', utf8(words)],
      ]),
    );
    const guest = await measure(...changed(snp, '--cmdline', words), ...genoa);
    const td = ['--tee', 'tdx', '--firmware', at('OVMF.fd'), '--memory', '16G', '--qemu-version', '10.2.0', ...acpi];
    const unified = await measure(...td, '--uki', at('debug.efi'));
    for (const { answer } of [guest, unified]) expect(answer.images[0].name).toBe('debug image');
    const refusal = expect.objectContaining({ code: 'POLICY_INVALID' });
    expect(() => policyWith('production-sev-snp.json', 'sevSnp', guest.answer.images)).toThrow(refusal);
    expect(() => policyWith('production-tdx.json', 'tdx', unified.answer.images)).toThrow(refusal);
    const taken = guest.answer.images.map((image: object) => ({ ...image, name: 'image' }));
    expect(policyWith('production-sev-snp.json', 'sevSnp', taken).environment).toBe('production');
  });

  test('SEV-SNP: an image for each shape, as a policy takes them', async () => {
    const { code, answer } = await measure(
      ...snp,
      '--vcpus',
      '1,4-5',
      '--vcpu-type',
      'EPYC-Genoa',
      'EPYC-v4',
      '--name',
      'worker',
    );
    expect([code, answer.field, answer.images.length, answer.missing]).toEqual([0, 'sevSnp.images', 6, []]);
    expect(answer.images[0].name).toBe('worker 1 x EPYC-Genoa');
    expect(new Set(answer.images.map(({ measurement }: { measurement: string }) => measurement)).size).toBe(6);
    expect(policyWith('production-sev-snp.json', 'sevSnp', answer.images).sevSnp.images.length).toBe(6);
  });

  test('TDX: complete with the ACPI blobs, or their digests', async () => {
    const { code, answer } = await measure(...tdx, ...acpi);
    expect([code, answer.field, answer.missing]).toEqual([0, 'tdx.images', []]);
    expect(policyWith('production-tdx.json', 'tdx', answer.images).tdx.images[0]).toEqual(answer.images[0]);
    const given = answer.events.rtmr0.filter(({ from }: { from: string }) => from === 'given');
    const digests = given.map(({ digest }: { digest: string }) => `sha384:${digest}`);
    const again = await measure(
      ...tdx,
      '--acpi-loader',
      digests[0],
      '--acpi-rsdp',
      digests[1],
      '--acpi-tables',
      digests[2],
    );
    expect(again.answer.images).toEqual(answer.images);
  });

  test('TDX without them: what is known, no image, and exit code 3', async () => {
    const { code, answer } = await measure(...tdx);
    expect([code, answer.images, answer.registers.rtmr0]).toEqual([3, [], null]);
    expect(answer.missing.length).toBe(1);
    const whole = await measure(...tdx, ...acpi);
    expect({ ...whole.answer.registers, rtmr0: null }).toEqual(answer.registers);
    const { out } = await runHere('image', 'measure', ...tdx);
    expect(out).toContain('not complete');
  });

  test('TDX with a unified kernel image', async () => {
    const uki = ['--tee', 'tdx', '--firmware', at('OVMF.fd'), '--uki', at('worker.efi'), '--memory', '2G'];
    const { code, answer } = await measure(...uki, '--qemu-version', '10.2.0', ...acpi);
    expect(code).toBe(0);
    expect(answer.events.rtmr1[0].name).toBe('unified kernel image');
  });

  test.each([
    ['no number of vCPUs', [...snp, '--vcpu-type', 'EPYC'], 2],
    ['no vCPUs at all', [...snp, ...changed(genoa, '--vcpus', '0')], 2],
    ['a list that goes down', [...snp, ...changed(genoa, '--vcpus', '4-2')], 2],
    ['more shapes than a policy takes', [...snp, ...changed(genoa, '--vcpus', '1-257')], 2],
    ['a type that is none', [...snp, ...changed(genoa, '--vcpu-type', 'Skylake')], 1],
    ['features without SNP', [...snp, ...genoa, '--guest-features', '0x20'], 2],
    ['a flag of the other technology', [...snp, ...genoa, '--memory', '4G'], 2],
    ['a flag of the other technology', [...tdx, ...acpi, '--vcpus', '4'], 2],
    [
      'a command line without a kernel',
      ['--tee', 'sev-snp', '--firmware', at('OVMF.fd'), '--cmdline', 'x', ...genoa],
      2,
    ],
    ['HOST_DATA of another length', [...snp, ...genoa, '--host-data', '00'], 2],
    ['an ID block without its authentication', [...snp, ...genoa, '--id-block', at('rsdp')], 2],
    ['an ID block that is none', [...snp, ...genoa, '--id-block', at('rsdp'), '--id-auth', at('rsdp')], 1],
    ['a firmware that is none', [...changed(snp, '--firmware', at('vmlinuz')), ...genoa], 1],
    ['a file that is not there', [...changed(snp, '--firmware', at('nothing')), ...genoa], 2],
    ['memory without a unit', [...changed(tdx, '--memory', '4096'), ...acpi], 2],
    ['an unknown QEMU', [...changed(tdx, '--qemu-version', '7.2'), ...acpi], 2],
    ['one ACPI blob of three', [...tdx, '--acpi-rsdp', at('rsdp')], 2],
    ['a name with a line feed', [...snp, ...genoa, '--name', 'a\nb'], 2],
  ])('%s: refused', async (_, args, exit) => {
    const { code, answer } = await measure(...args);
    expect([code, Object.keys(answer)]).toEqual([exit, ['error']]);
  });
});

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
