/** `chrysalis image measure`: what it prints goes into a policy as it stands, and each wrong input is named. */

import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/core/index.ts';
import { linuxKernel, pe } from '../attestation/measure/firmware.ts';
import { acpi, at, changed, genoa, measure, policyWith, snp, tdx } from './image-scene.ts';
import { runHere } from './in-process.ts';

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
