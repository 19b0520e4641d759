/** Inputs of `chrysalis image`, and machines that were started with them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
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
export const at = (name: string) => join(folder, name);
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
export const snp = ['--tee', 'sev-snp', ...boot];
export const genoa = ['--vcpus', '8', '--vcpu-type', 'EPYC-Genoa'];
export const tdx = ['--tee', 'tdx', ...boot, '--memory', '16G', '--qemu-version', '9.2.1'];
export const acpi = ['--acpi-loader', at('loader'), '--acpi-rsdp', at('rsdp'), '--acpi-tables', at('tables')];

/** Arguments with the value of one flag replaced. */
export const changed = (args: readonly string[], flag: string, value: string) =>
  args.with(args.indexOf(flag) + 1, value);
export const measure = async (...args: readonly string[]) => {
  const { code, out } = await runHere('image', 'measure', ...args, '--json');
  return { code, answer: JSON.parse(out) };
};
export const explain = async (evidence: string, ...args: readonly string[]) => {
  const { code, out } = await runHere('image', 'explain', at(evidence), ...args, '--json');
  return { code, answer: JSON.parse(out) };
};
/** The production policy with these images, as a policy file would have it. */
export function policyWith(file: string, part: 'tdx' | 'sevSnp', images: unknown) {
  const shipped = JSON.parse(readFileSync(new URL(`../../attestation-policies/${file}`, import.meta.url), 'utf8'));
  return loadPolicy(JSON.stringify({ ...shipped, [part]: { ...shipped[part], images } }));
}

export async function snpReport(name: string, args: readonly string[]): Promise<void> {
  const { answer } = await measure(...args);
  const { name: image, ...values } = answer.images[0];
  const machine = sharedAmd.machine({ name: 'alder', line: 'Genoa' }, { image: simulatedSnpImage(image, values) });
  const report = await machine.report({ reportData: new Uint8Array(64) });
  writeFileSync(at(name), report);
}

/** A quote of a TD that booted so, and its log. */
export async function tdQuote(name: string, args: readonly string[]): Promise<void> {
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
