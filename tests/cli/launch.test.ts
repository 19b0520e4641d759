/** `chrysalis host launch`: what would be done, word for word. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { recordedHost } from '../../src/cli/host/view.ts';
import { bindLines } from '../../src/cli/launch/gpus.ts';
import { type LaunchPlan, planLaunch } from '../../src/cli/launch/plan.ts';
import { qemuArguments, shellLine } from '../../src/cli/launch/qemu.ts';
import { guestStatus } from '../../src/cli/launch/qmp.ts';
import { carryOut } from '../../src/cli/launch/run.ts';
import { type GuestShape, placesOf } from '../../src/cli/launch/shape.ts';
import { unitWord } from '../../src/cli/launch/unit.ts';
import { parseHostConfiguration } from '../../src/image/index.ts';
import { runHere } from './in-process.ts';
import { type Files, record, removeHosts, SNP, snapshot, TDX, without } from './recorded-hosts.ts';

const scratch = mkdtempSync(join(tmpdir(), 'chrysalis-launch-'));
const started: ChildProcess[] = [];
afterEach(() => {
  for (const one of started.splice(0)) one.kill('SIGKILL');
});
afterAll(() => {
  removeHosts();
  rmSync(scratch, { recursive: true, force: true });
});

const GPU = '0000:17:00.0';
const IMAGE: Files = Object.fromEntries(
  [
    'usr/bin/qemu-system-x86_64',
    'image/OVMF.fd',
    'image/worker.efi',
    'image/vmlinuz',
    'image/initrd',
    'image/root.img',
    'image/model.img',
  ].map((path) => [path, '']),
);
const GROUP: Files = {
  [`sys/bus/pci/devices/${GPU}/iommu_group/devices/${GPU}`]: '',
  [`sys/bus/pci/devices/${GPU}/uevent`]: 'DRIVER=nvidia\nPCI_CLASS=30200\n',
};
const host = (of: Files, more: Files = {}) => record({ ...of, ...IMAGE, ...GROUP, ...more });
const commandLine = join(scratch, 'cmdline');
writeFileSync(commandLine, 'console=ttyS0 quiet\n');

const COMMON = [
  ...['--name', 'alder', '--firmware', '/image/OVMF.fd', '--root-disk', '/image/root.img'],
  ...['--model-disk', '/image/model.img', '--router', 'router.example:8443', '--memory', '64G', '--vcpus', '16'],
];
const ON_TDX = [...COMMON, '--uki', '/image/worker.efi'];
const ON_SNP = [...COMMON, '--kernel', '/image/vmlinuz', '--initrd', '/image/initrd', '--cmdline-file', commandLine];

async function planned(root: string, ...args: readonly string[]) {
  const before = snapshot(root);
  const { code, out } = await runHere('host', 'launch', '--root', root, ...args, '--json');
  expect(snapshot(root)).toBe(before);
  return { code, plan: JSON.parse(out) as LaunchPlan & { launched: boolean; dryRun: boolean } };
}

/** The value after an option of QEMU's; all of them where it comes more than once. */
const after = (line: string, option: string) =>
  [...line.matchAll(new RegExp(` ${option} ('[^']*'|\\S+)`, 'g'))].map((one) => one[1]?.replace(/^'|'$/g, ''));

test('a TDX guest with a GPU: QEMU, unit, configuration and the line that measures it', async () => {
  const { code, plan } = await planned(host(TDX), ...ON_TDX, '--gpu', GPU, '--payee', `0:${'ab'.repeat(32)}`);
  expect([code, plan.launched, plan.dryRun, plan.problems]).toEqual([0, false, true, []]);
  const { qemu } = plan;
  expect(after(qemu, '-object').find((one) => one?.includes('tdx-guest'))).toBe(
    '{"qom-type":"tdx-guest","id":"tee","quote-generation-socket":{"type":"unix","path":"/var/run/tdx-qgs/qgs.socket"}}',
  );
  expect(after(qemu, '-machine')[0]).toContain('confidential-guest-support=tee');
  expect([after(qemu, '-cpu'), after(qemu, '-m'), after(qemu, '-kernel')]).toEqual([
    ['host'],
    ['65536M'],
    ['/image/worker.efi'],
  ]);
  expect(after(qemu, '-device')).toContain(`vfio-pci,host=${GPU},bus=gpu-port-0,iommufd=iommufd`);
  expect(after(qemu, '-fw_cfg')).toEqual([
    'name=opt/org.chrysalis/configuration,file=/var/lib/chrysalis/guests/alder/configuration.json',
    'name=opt/ovmf/X-PciMmio64Mb,string=262144',
  ]);
  const [configuration, , unit] = plan.files;
  expect(parseHostConfiguration(configuration?.text ?? '', 'production')).toMatchObject({ name: 'alder' });
  expect(JSON.parse(configuration?.text ?? '')).toEqual({
    version: 1,
    name: 'alder',
    router: 'router.example:8443',
    payee: `0:${'ab'.repeat(32)}`,
  });
  expect(unit?.path).toBe('/etc/systemd/system/chrysalis-worker-alder.service');
  expect(unit?.text).toContain(`ExecStartPre=/bin/sh -c "echo vfio-pci > /sys/bus/pci/devices/${GPU}/driver_override`);
  expect(plan.commands.map((one) => one.join(' '))).toEqual([
    'systemctl daemon-reload',
    'systemctl enable chrysalis-worker-alder.service',
    'systemctl restart chrysalis-worker-alder.service',
  ]);
  expect(plan.measure).toBe(
    'npx chrysalis image measure --tee tdx --firmware /image/OVMF.fd --uki /image/worker.efi --memory 65536M',
  );
});

test('an SEV-SNP guest: kernel, RAM disk and command line are hashed into the launch, and measured by the same words', async () => {
  const { code, plan } = await planned(host(SNP), ...ON_SNP);
  expect([code, plan.problems]).toEqual([0, []]);
  expect(after(plan.qemu, '-object').find((one) => one?.includes('snp'))).toBe(
    '{"qom-type":"sev-snp-guest","id":"tee","cbitpos":51,"reduced-phys-bits":1,"kernel-hashes":true}',
  );
  expect([after(plan.qemu, '-append'), after(plan.qemu, '-cpu')]).toEqual([['console=ttyS0 quiet'], ['EPYC-Genoa']]);
  expect(plan.qemu).not.toContain('vfio');
  expect(plan.measure).toContain("--cmdline 'console=ttyS0 quiet' --vcpus 16 --vcpu-type EPYC-Genoa");
  const unified = await runHere('host', 'launch', '--root', host(SNP), ...ON_TDX, '--json');
  expect(unified.code).toBe(2);
});

test('the folder that `image build` makes is enough; the debug variant is asked for by name', async () => {
  const built = Object.fromEntries(
    [
      'vmlinuz',
      'initrd',
      'firmware.fd',
      'root.img',
      'model.img',
      'chrysalis-worker.efi',
      'chrysalis-worker-debug.efi',
    ].map((name) => [`built/${name}`, '']),
  );
  const lines = {
    'built/chrysalis-worker.cmdline': 'quiet chrysalis.variant=production',
    'built/chrysalis-worker-debug.cmdline': 'quiet chrysalis.variant=debug',
  };
  const args = ['--name', 'alder', '--router', 'router.example:8443', '--image', '/built'];
  const onTdx = (await planned(host(TDX, { ...built, ...lines }), ...args)).plan;
  expect([onTdx.problems, after(onTdx.qemu, '-kernel')]).toEqual([[], ['/built/chrysalis-worker.efi']]);
  const debug = (await planned(host(TDX, { ...built, ...lines }), ...args, '--variant', 'debug')).plan;
  expect(after(debug.qemu, '-kernel')).toEqual(['/built/chrysalis-worker-debug.efi']);
  const onSnp = (await planned(host(SNP, { ...built, ...lines }), ...args)).plan;
  expect([onSnp.problems, after(onSnp.qemu, '-append'), after(onSnp.qemu, '-bios')]).toEqual([
    [],
    ['quiet chrysalis.variant=production'],
    ['/built/firmware.fd'],
  ]);
  expect((await runHere('host', 'launch', '--root', host(TDX), ...args, '--json')).code).toBe(2);
});

test('text shows the same: every file, every command, and that nothing was changed', async () => {
  const { out } = await runHere('host', 'launch', '--root', host(TDX), ...ON_TDX, '--gpu', GPU);
  for (const part of [
    'nothing is changed',
    '[Service]',
    'configuration.json, mode 600',
    'systemctl restart',
    '# which run',
    'image measure',
  ]) {
    expect(out).toContain(part);
  }
});

test.each([
  ['a GPU that is not there', TDX, ['--gpu', '0000:99:00.0'], /no PCI device 0000:99:00\.0/],
  [
    'a device that is no GPU of NVIDIA’s',
    { ...TDX, [`sys/bus/pci/devices/${GPU}/vendor`]: '0x8086\n' },
    ['--gpu', GPU],
    /not NVIDIA/,
  ],
  [
    'a GPU that shares its group',
    {
      ...TDX,
      [`sys/bus/pci/devices/${GPU}/iommu_group/devices/0000:18:00.0`]: '',
      'sys/bus/pci/devices/0000:18:00.0/class': '0x020000\n',
    },
    ['--gpu', GPU],
    /shares its IOMMU group with 0000:18:00\.0/,
  ],
  [
    'a host whose TDX is off',
    { ...without(TDX, 'commands/kernel-log.txt'), 'sys/module/kvm_intel/parameters/tdx': 'N\n' },
    [],
    /kvm_intel\.tdx is N/,
  ],
  [
    'a GPU out of confidential mode',
    { ...TDX, 'commands/gpu-cc-mode.txt': 'CC status: OFF\n' },
    ['--gpu', GPU],
    /set-cc-mode=on/,
  ],
  [
    'another technology than the host’s',
    TDX,
    ['--tee', 'sev-snp', '--kernel', '/image/vmlinuz'],
    /this host is for tdx/,
  ],
] as const)('%s: not launched, and why', async (_, files, args, problem) => {
  const shape = args.some((one) => one === '--kernel') ? COMMON : ON_TDX;
  const { code, plan } = await planned(host(files as Files), ...shape, ...args);
  expect([code, plan.launched]).toEqual([1, false]);
  expect(plan.problems.join('\n')).toMatch(problem);
});

test('a bridge above a GPU is no stranger in its group; a missing disk is a problem', async () => {
  const bridge = {
    [`sys/bus/pci/devices/${GPU}/iommu_group/devices/0000:16:00.0`]: '',
    'sys/bus/pci/devices/0000:16:00.0/class': '0x060400\n',
  };
  expect((await planned(host(TDX, bridge), ...ON_TDX, '--gpu', GPU)).plan.problems).toEqual([]);
  const root = record(without({ ...TDX, ...IMAGE, ...GROUP }, 'image/model.img'));
  expect((await planned(root, ...ON_TDX)).plan.problems).toEqual(['there is no /image/model.img']);
});

test.each([
  [['--gpu', '17:00.0']],
  [['--gpu', GPU, GPU]],
  [['--vcpus', '0']],
  [['--memory', '64']],
  [['--name', '../x']],
  [['--model-disk', '/image/a,b=c.img']],
  [['--vcpu-type', 'host,+x']],
  [['--kernel', '/image/vmlinuz']],
  [['--router', 'no address']],
  [['--payee', 'nobody']],
])('%j is a mistake of usage', async (args) => {
  const { code } = await runHere('host', 'launch', '--root', host(TDX), ...ON_TDX, ...args, '--json');
  expect(code).toBe(2);
});

test('without root it is a dry run, on this very machine', async () => {
  const asUser = vi.spyOn(process as { getuid: () => number }, 'getuid').mockReturnValue(1000);
  try {
    const state = join(scratch, 'never');
    const { out } = await runHere('host', 'launch', ...ON_TDX, '--tee', 'tdx', '--state', state, '--json');
    expect(JSON.parse(out)).toMatchObject({ dryRun: true, launched: false });
    expect(existsSync(state)).toBe(false);
  } finally {
    asUser.mockRestore();
  }
});

const shape = (more: Partial<GuestShape> = {}): GuestShape => ({
  name: 'alder',
  tee: 'tdx',
  firmware: '/image/OVMF.fd',
  boot: { uki: '/image/worker.efi' },
  rootDisk: '/image/root.img',
  modelDisk: '/image/model.img',
  vcpus: 8,
  memoryMiB: 16_384,
  vcpuType: 'EPYC-Genoa',
  gpus: [],
  qemu: '/usr/bin/qemu-system-x86_64',
  quoteSocket: '/var/run/tdx-qgs/qgs.socket',
  ...more,
});

test('as root it writes the files, closed to others, and starts the unit; what fails is said', () => {
  const bin = join(scratch, 'bin');
  mkdirSync(bin);
  const calls = join(scratch, 'calls');
  writeFileSync(join(bin, 'systemctl'), `#!/bin/sh\necho "$@" >> ${calls}\n[ ! -e ${join(scratch, 'broken')} ]\n`);
  chmodSync(join(bin, 'systemctl'), 0o755);
  const state = join(scratch, 'state');
  const places = { ...placesOf('alder', state), unit: join(scratch, 'units', 'chrysalis-worker-alder.service') };
  const plan = planLaunch(recordedHost(host(TDX)), shape(), places, { router: 'router.example:8443' });
  vi.stubEnv('PATH', `${bin}${delimiter}${process.env.PATH}`);
  try {
    carryOut(plan);
    carryOut(plan); // may be repeated
    for (const file of plan.files) {
      expect([readFileSync(file.path, 'utf8'), statSync(file.path).mode & 0o777]).toEqual([file.text, file.mode]);
    }
    expect(readFileSync(calls, 'utf8').trim().split('\n').slice(0, 3)).toEqual([
      'daemon-reload',
      'enable chrysalis-worker-alder.service',
      'restart chrysalis-worker-alder.service',
    ]);
    writeFileSync(join(scratch, 'broken'), '');
    expect(() => carryOut(plan)).toThrow(/systemctl daemon-reload failed/);
  } finally {
    vi.unstubAllEnvs();
  }
});

test('a word in a unit or in a shell’s line is that word again, whatever is in it', () => {
  const printableWord = fc.string({ unit: fc.constantFrom(...'ab \'"\\%$`;&|*?{}[]<>~#!=,:/'), maxLength: 24 });
  fc.assert(
    fc.property(fc.array(printableWord, { minLength: 1, maxLength: 4 }), (words) => {
      for (const word of words) {
        // systemd.service: quotes off, then escapes, specifiers and variables.
        const inner = unitWord(word).slice(1, -1);
        expect(inner.replace(/\\(.)/g, '$1').replaceAll('%%', '%').replaceAll('$$', '$')).toBe(word);
        expect(/(?:^|[^\\])(?:\\\\)*"/.test(inner)).toBe(false);
      }
    }),
  );
  const words = ['plain', "it's", 'a b', '"q"', '$HOME', '`id`', 'x;y', '*', '', '{"a":1}', 'back\\slash', '%h'];
  const said = execFileSync('/bin/sh', ['-c', `printf '%s\\n' ${shellLine(words)}`], { encoding: 'utf8' });
  expect(said.split('\n').slice(0, -1)).toEqual(words);
});

describe('binding to vfio, by the very lines of the unit, in a tree that looks like sysfs', () => {
  const bound = (driver: string | null) => {
    const sys = mkdtempSync(join(scratch, 'sys-'));
    const device = join(sys, 'bus/pci/devices', GPU);
    mkdirSync(device, { recursive: true });
    writeFileSync(join(sys, 'bus/pci/drivers_probe'), '');
    if (driver !== null) {
      mkdirSync(join(sys, 'bus/pci/drivers', driver), { recursive: true });
      symlinkSync(join(sys, 'bus/pci/drivers', driver), join(device, 'driver'));
    }
    for (const line of bindLines([{ device: GPU, driver }], sys)) execFileSync('/bin/sh', ['-c', line]);
    const read = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').trim() : null);
    const unbound = driver === null ? null : read(join(sys, 'bus/pci/drivers', driver, 'unbind'));
    return [read(join(device, 'driver_override')), unbound, read(join(sys, 'bus/pci/drivers_probe'))];
  };
  test.each([
    ['nvidia', ['vfio-pci', GPU, GPU]],
    [null, ['vfio-pci', null, GPU]],
    ['vfio-pci', ['vfio-pci', null, '']],
  ] as const)('that has the driver %s', (driver, expected) => {
    expect(bound(driver)).toEqual(expected);
  });
});

const QEMU = '/usr/bin/qemu-system-x86_64';
test.skipIf(!existsSync(QEMU))(
  'the QEMU of this machine takes the arguments, but for the TEE and KVM, and answers on its socket (skipped without QEMU)',
  async () => {
    const root = mkdtempSync(join(scratch, 'qemu-'));
    const places = placesOf('alder', root);
    mkdirSync(places.folder, { recursive: true });
    for (const name of ['OVMF.fd', 'vmlinuz', 'root.img', 'model.img'])
      writeFileSync(join(root, name), new Uint8Array(1 << 20));
    writeFileSync(places.configuration, '{}');
    const file = (name: string) => join(root, name);
    const plain = shape({
      firmware: file('OVMF.fd'),
      boot: { uki: file('vmlinuz') },
      rootDisk: file('root.img'),
      modelDisk: file('model.img'),
      memoryMiB: 512,
    });
    const given = qemuArguments(plain, places)
      .map((word) => word.replace('confidential-guest-support=tee,', '').replace('kernel-irqchip=split,', ''))
      .map((word) => (word === 'kvm' ? 'tcg' : word === 'host' ? 'max' : word));
    const tee = given.findIndex((word) => word.includes('tdx-guest'));
    const args = [...given.slice(0, tee - 1), ...given.slice(tee + 1)];
    const kernel = args.indexOf('-kernel');
    args.splice(kernel, 2);
    const child = spawn(QEMU, [...args, '-S'], { stdio: ['ignore', 'ignore', 'pipe'] });
    started.push(child);
    let errors = '';
    child.stderr.on('data', (piece) => {
      errors += piece;
    });
    let status: string | null = null;
    for (let waited = 0; status === null && child.exitCode === null && waited < 60_000; waited += 100) {
      status = await guestStatus(places.qmp);
      await new Promise((done) => setTimeout(done, 100));
    }
    expect([status, errors]).toEqual(['prelaunch', expect.not.stringMatching(/error|invalid|not found/i)]);
  },
  90_000,
);
