import type { Difference, Explanation } from '../../attestation/index.ts';
import { labelled, type Paint, printable, table } from '../output.ts';
import type { Explained } from './explain.ts';
import type { Measured } from './measure.ts';

/** The values to look at, then where they go; the JSON has them as a policy takes them. */
export function formatMeasured(measured: Measured, paint: Paint, width: number): string {
  const { tee, field, images, registers, missing } = measured;
  const isSnp = tee === 'sev-snp';
  const snpHeadline = `SEV-SNP  ${images.length} ${images.length === 1 ? 'launch digest' : 'launch digests'}`;
  const lines = [paint.strong(isSnp ? snpHeadline : missing.length === 0 ? 'TDX  one image' : 'TDX  not complete')];
  const rows = isSnp
    ? images.map((image) => [image.name, 'measurement' in image ? image.measurement : ''])
    : Object.entries(registers ?? {}).map(([name, hex]) => [LABELS[name] ?? name, hex ?? 'missing']);
  // Each value on a line of its own, so that a terminal of 100 columns shows it whole.
  for (const [name = '', hex = ''] of rows) lines.push(`  ${printable(name)}`, table([[hex]], width, 4));
  for (const why of missing) lines.push(labelled(paint.warn('– missing'), why, width, 2, 11));
  lines.push(
    images.length === 0
      ? labelled('What to do', 'nothing goes into a policy before every register is known', width, 0, 13)
      : labelled('What to do', `put "images" of --json into ${field} of a policy`, width, 0, 13),
  );
  return `${lines.join('\n')}\n`;
}

const LABELS: Readonly<Record<string, string>> = {
  measurement: 'MEASUREMENT',
  mrTd: 'MRTD',
  rtmr0: 'RTMR0',
  rtmr1: 'RTMR1',
  rtmr2: 'RTMR2',
};

const WORDS_OF_INPUT: Readonly<Record<Difference['input'], string>> = {
  firmware: 'firmware',
  kernel: 'kernel',
  initrd: 'initial RAM disk',
  commandLine: 'command line',
  vcpus: 'number of vCPUs',
  vcpuType: 'vCPU type',
  guestFeatures: 'guest features',
  vmm: 'who launches',
  memory: 'memory',
  qemuVersion: 'version of QEMU',
  secureBoot: 'Secure Boot variable',
  acpi: 'ACPI (vCPUs, devices or version of QEMU)',
  bootVariables: 'boot variables (firmware)',
  events: 'order of the boot',
};

const HEADLINES: Readonly<Record<Explanation['outcome'], string>> = {
  matches: 'MATCHES  the image leads to this evidence',
  explained: 'DIFFERS  the image leads to this evidence with other inputs',
  unexplained: 'DIFFERS  no input that was tried leads to this evidence',
  notComputed: 'COULD NOT FIND OUT  an input is missing',
};

const TODO: Readonly<Record<Explanation['outcome'], string>> = {
  matches: 'if a policy refuses it still, compare the values that the launcher sets (HOST_DATA, ID block; MRCONFIGID)',
  explained:
    'launch the guest with the inputs you gave, or, if the other ones are meant, measure those and publish them',
  unexplained:
    'give files and texts that it may have been: --other-firmware, --other-kernel, --other-initrd, --other-cmdline; for TDX the guest’s --event-log as well',
  notComputed: 'give the event log of the guest (--event-log), or its ACPI blobs',
};

/** What differs first, register by register; then what to do. Texts may come from files: control characters are shown. */
export function formatExplained({ outcome, registers, notes }: Explained, paint: Paint, width: number): string {
  const style = outcome === 'matches' ? paint.good : outcome === 'notComputed' ? paint.warn : paint.bad;
  const lines = [style(HEADLINES[outcome])];
  for (const [name, one] of Object.entries(registers)) {
    lines.push(labelled(LABELS[name] ?? name, WORDS_OF_OUTCOME[one.outcome](one.tried), width, 2, 14));
    const rows = one.differences.map(({ input, given, found }) => [
      `  ${WORDS_OF_INPUT[input]}`,
      printable(`${given} → ${found}`),
    ]);
    if (rows.length > 0) lines.push(table(rows, width, 4));
  }
  for (const note of notes) lines.push(labelled('note', note, width, 2, 14));
  lines.push(labelled('What to do', TODO[outcome], width, 0, 13));
  lines.push(labelled('Not checked', 'whether the evidence is genuine: chrysalis verify does that', width, 0, 13));
  return `${lines.join('\n')}\n`;
}

const WORDS_OF_OUTCOME: Readonly<Record<Explanation['outcome'], (tried: number) => string>> = {
  matches: () => 'as predicted',
  explained: () => 'differs (given → in the evidence):',
  unexplained: (tried) => `differs; ${tried} combinations were tried`,
  notComputed: () => 'not computed: the ACPI blobs of the guest are not known',
};
