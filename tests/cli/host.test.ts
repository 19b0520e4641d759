/** `chrysalis host doctor` over hosts as their files would be recorded, each with one thing wrong; written for these tests. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { HOST_COMMANDS } from '../../src/cli/host/check.ts';
import { runHere } from './in-process.ts';
import { COMMON, cpu, type Files, folder, record, removeHosts, SNP, snapshot, TDX, without } from './recorded-hosts.ts';

afterAll(removeHosts);

async function doctor(files: Files) {
  const root = record(files);
  const before = snapshot(root);
  const { code, out } = await runHere('host', 'doctor', '--root', root, '--json');
  expect(snapshot(root)).toBe(before);
  const answer = JSON.parse(out);
  const of = (outcome: string) =>
    answer.checks
      .filter((check: { outcome: string }) => check.outcome === outcome)
      .map((check: { id: string }) => check.id);
  return { code, answer, failed: of('failed'), unknown: of('unknown') };
}

test.each([
  ['TDX', TDX],
  ['SEV-SNP', SNP],
] as const)('a healthy %s host with a GPU is ready', async (name, files) => {
  const { code, answer, failed, unknown } = await doctor(files);
  expect([code, failed, unknown, answer.ready]).toEqual([0, [], [], { tee: true, gpu: true }]);
  expect(answer.summary).toBe(`Ready for ${name}. Ready for the GPU.`);
  expect(answer.checks.every(({ remedy }: { remedy: unknown }) => remedy === null)).toBe(true);
});

const cases: readonly [what: string, files: Files, failed: readonly string[], advice: RegExp][] = [
  [
    'GPU with confidential computing off',
    { ...TDX, 'commands/gpu-cc-mode.txt': 'CC status: OFF\n' },
    ['gpu-cc-mode'],
    /set-cc-mode=on/,
  ],
  [
    'GPU with an old VBIOS',
    { ...SNP, 'commands/gpu-list.txt': 'NVIDIA H100, 570.86.15, 96.00.5E.00.01\n' },
    ['gpu-firmware'],
    /VBIOS/,
  ],
  [
    'an old kernel under TDX',
    {
      ...without(TDX, 'sys/module/kvm_intel/parameters/tdx'),
      'proc/sys/kernel/osrelease': '5.15.0-91-generic\n',
      'commands/kernel-log.txt': '[0] Linux\n',
    },
    ['kernel'],
    /update the kernel to 6\.16/,
  ],
  [
    'an old kernel under SEV-SNP',
    {
      ...without(SNP, 'sys/module/kvm_amd/parameters/sev_snp'),
      'proc/sys/kernel/osrelease': '6.1.0-30-amd64\n',
      'commands/kernel-log.txt': '[0] Linux\n',
    },
    ['kernel'],
    /update the kernel to 6\.11/,
  ],
  [
    'no TDX module',
    {
      ...TDX,
      'sys/module/kvm_intel/parameters/tdx': 'N\n',
      'commands/kernel-log.txt':
        '[1.0] virt/tdx: BIOS enabled: private KeyID range [64, 128)\n[3.0] virt/tdx: module initialization failed (-19)\n',
    },
    ['tdx-module', 'kvm'],
    /BIOS to one that carries the TDX module/,
  ],
  [
    'TDX off in the BIOS',
    { ...TDX, 'sys/module/kvm_intel/parameters/tdx': 'N\n', 'commands/kernel-log.txt': '[0] Linux\n' },
    ['bios', 'kvm'],
    /in the BIOS set .*TME/,
  ],
  [
    'SEV-SNP off in the BIOS',
    {
      ...SNP,
      'proc/cpuinfo': cpu('AuthenticAMD', 'AMD EPYC 9354', 25, 17, 'sev'),
      'sys/module/kvm_amd/parameters/sev_snp': 'N\n',
      'commands/kernel-log.txt': '[0] SEV-SNP API:1.55 build:32\n',
    },
    ['bios', 'kvm'],
    /in the BIOS enable SMEE/,
  ],
  [
    'no memory for the RMP table',
    {
      ...SNP,
      'sys/module/kvm_amd/parameters/sev_snp': 'N\n',
      'commands/kernel-log.txt':
        '[0] SEV-SNP: Memory for the RMP table has not been reserved by BIOS\n[9] SEV-SNP API:1.55 build:32\n',
    },
    ['bios', 'kvm'],
    /RMP table\) coverage/,
  ],
  [
    'old SEV firmware',
    { ...SNP, 'commands/kernel-log.txt': SNP['commands/kernel-log.txt']?.replace('1.55', '1.51') ?? '' },
    ['snp-firmware'],
    /amd_sev_/,
  ],
  [
    'a platform that Intel does not know',
    { ...TDX, 'var/log/mpa_registration.log': 'INFO: Starts.\nERROR: Registration Flow failed\n' },
    ['registration'],
    /mpa_registration_tool/,
  ],
  ['a caching service that does not answer', { ...TDX, 'commands/pccs-answer.txt': '000' }, ['pccs'], /start the PCCS/],
  [
    'a quoting library that knows no caching service',
    { ...TDX, 'etc/sgx_default_qcnl.conf': '{}\n' },
    ['pccs'],
    /pccs_url/,
  ],
  [
    'memory that is reserved as huge pages',
    { ...SNP, 'proc/meminfo': 'MemTotal: 528000000 kB\nHugetlb: 400000000 kB\n' },
    ['hugepages'],
    /nr_hugepages=0/,
  ],
  ['a disk that is nearly full', { ...SNP, 'commands/disk-free.txt': 'Avail\n   3G\n' }, ['disk'], /make room/],
  ['a clock that nobody sets', { ...TDX, 'commands/clock.txt': 'NTPSynchronized=no\n' }, ['clock'], /set-ntp true/],
  [
    'a processor without TDX',
    { ...TDX, 'proc/cpuinfo': cpu('GenuineIntel', 'Xeon Gold 6338', 6, 106, 'sgx') },
    ['cpu'],
    /another machine/,
  ],
  [
    'a processor of somebody else',
    { ...COMMON, 'proc/cpuinfo': cpu('HygonGenuine', 'C86', 24, 0, '') },
    ['cpu'],
    /another machine/,
  ],
];
test.each(cases)('%s: what is wrong and what to do', async (_, files, expected, advice) => {
  const { code, answer, failed } = await doctor(files);
  expect([code, failed]).toEqual([1, expected]);
  const worst = answer.checks[0];
  expect(worst.outcome).toBe('failed');
  expect(worst.remedy).toMatch(advice);
  expect(answer.summary).toMatch(advice);
});

test('without root the kernel log is not shown: unknown, neither ready nor refused', async () => {
  const hidden = without(SNP, 'commands/kernel-log.txt', 'commands/gpu-cc-mode.txt');
  const { code, answer, failed } = await doctor(hidden);
  expect([code, failed, answer.ready]).toEqual([3, [], { tee: null, gpu: null }]);
});

test('of a folder with nothing in it nothing can be found out, and none at all is a mistake of usage', async () => {
  const { code, answer } = await doctor({});
  expect([answer.tee, answer.ready.tee]).toEqual([null, null]);
  expect(code).toBe(3);
  expect((await runHere('host', 'doctor', '--root', join(folder, 'nowhere'), '--json')).code).toBe(2);
});

test('control characters in what a host says of itself are not printed', async () => {
  const control = String.fromCharCode(27);
  const root = record({ ...SNP, 'proc/cpuinfo': cpu('AuthenticAMD', `EPYC${control}[2J`, 25, 17, 'sev_snp') });
  const { out } = await runHere('host', 'doctor', '--root', root);
  expect(out).toContain('EPYC');
  expect(out).not.toContain(control);
});

test('what it runs only shows things, and nothing under src/cli/host writes', () => {
  expect(Object.values(HOST_COMMANDS).map((line) => line.join(' '))).toEqual([
    'dmesg',
    'qemu-system-x86_64 --version',
    'curl --silent --insecure --max-time 5 --output /dev/null --write-out %{http_code}',
    'timedatectl show --property=NTPSynchronized',
    'df --output=avail --block-size=G /var/lib',
    'nvidia-smi conf-compute -f',
    'nvidia-smi --query-gpu=name,driver_version,vbios_version --format=csv,noheader',
  ]);
  const source = new URL('../../src/cli/host/', import.meta.url);
  for (const file of readdirSync(source)) {
    expect(readFileSync(new URL(file, source), 'utf8')).not.toMatch(
      /write(File|Durably)|mkdir|unlink|rename|appendFile/,
    );
  }
});
