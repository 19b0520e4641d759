import { type HostCheck, type HostView, hostCheck } from './check.ts';
import { cpuOf, snpChecks, tdxChecks } from './tee-checks.ts';

const NVIDIA = '0x10de';
/** Display and 3D controllers. */
const GPU_CLASS = /^0x030[02]/;
const DEVICES = '/sys/bus/pci/devices';

export type Diagnosis = Readonly<{
  tee: 'tdx' | 'sev-snp' | null;
  checks: readonly HostCheck[];
  /** Null: something that it needs could not be found out. */
  ready: Readonly<{ tee: boolean | null; gpu: boolean | null }>;
  summary: string;
}>;

const NAMES = { tdx: 'TDX', 'sev-snp': 'SEV-SNP' } as const;
const ORDER: readonly HostCheck['outcome'][] = ['failed', 'unknown', 'passed', 'notApplicable'];

/** Looks at a host, worst first; reads and changes nothing. */
export function diagnose(host: HostView): Diagnosis {
  const cpu = cpuOf(host);
  const tee = cpu?.vendor === 'GenuineIntel' ? 'tdx' : cpu?.vendor === 'AuthenticAMD' ? 'sev-snp' : null;
  const ofTee =
    cpu === null || tee === null
      ? [noTee(cpu?.vendor ?? null)]
      : tee === 'tdx'
        ? tdxChecks(host, cpu)
        : snpChecks(host, cpu);
  const checks = [...ofTee, ...commonChecks(host, tee), ...roomChecks(host), ...gpuChecks(host)];
  const readiness = (of: HostCheck['of']): boolean | null => {
    const outcomes = checks.filter((check) => check.of === of).map(({ outcome }) => outcome);
    return outcomes.includes('failed') ? false : outcomes.includes('unknown') ? null : outcomes.includes('passed');
  };
  const ready = { tee: readiness('tee'), gpu: readiness('gpu') };
  const sorted = checks.toSorted((a, b) => ORDER.indexOf(a.outcome) - ORDER.indexOf(b.outcome));
  return { tee, checks: sorted, ready, summary: summaryOf(tee, sorted, ready) };
}

function noTee(vendor: string | null): HostCheck {
  return hostCheck({ id: 'cpu', group: 'CPU' }, vendor === null ? null : false, {
    found: vendor === null ? '/proc/cpuinfo is not shown' : `a processor of ${vendor}`,
    needed: 'Intel with TDX, or AMD with SEV-SNP',
    remedy: vendor === null ? 'run it on the Linux host itself' : 'use another machine',
  });
}

const DISK_GIB_MIN = 50;
const HUGE_SHARE_MAX = 0.1;

/** Of any host, whatever its processor. */
function roomChecks(host: HostView): readonly HostCheck[] {
  const meminfo = host.read('/proc/meminfo') ?? '';
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(meminfo)?.[1] ?? Number.NaN);
  const [total, huge] = [kib('MemTotal'), kib('Hugetlb')];
  const free = Number(/(\d+)G/.exec(host.show('disk-free') ?? '')?.[1] ?? Number.NaN);
  const synchronized = /NTPSynchronized=(yes|no)/.exec(host.show('clock') ?? '')?.[1];
  const known = <T>(value: number, holds: T) => (Number.isNaN(value) ? null : holds);
  return [
    hostCheck({ id: 'hugepages', group: 'kernel' }, known(total + huge, huge <= HUGE_SHARE_MAX * total), {
      found: Number.isNaN(total + huge)
        ? 'not shown'
        : `${Math.round(huge / 1024 ** 2)} of ${Math.round(total / 1024 ** 2)} GiB reserved as huge pages`,
      needed: 'memory for guests; private memory of TDX and SEV-SNP guests is not taken from reserved huge pages',
      remedy: 'give them back: vm.nr_hugepages=0, and no hugepages= on the kernel command line',
    }),
    hostCheck({ id: 'disk', group: 'tools' }, known(free, free >= DISK_GIB_MIN), {
      found: Number.isNaN(free) ? 'not shown' : `${free} GiB free below /var/lib`,
      needed: `${DISK_GIB_MIN} GiB for images, and room for the model`,
      remedy: 'make room, or mount another disk at /var/lib/chrysalis',
    }),
    hostCheck({ id: 'clock', group: 'tools' }, synchronized === undefined ? null : synchronized === 'yes', {
      found: synchronized === undefined ? 'not shown' : synchronized === 'yes' ? 'synchronized' : 'not synchronized',
      needed: 'a clock that is right: certificates, leases and challenges go by it',
      remedy: 'timedatectl set-ntp true (chrony or systemd-timesyncd)',
    }),
  ];
}

/** Upstream; distributions bring support to older ones, which their number does not show. */
const QEMU_MIN = { tdx: [10, 1], 'sev-snp': [9, 1] } as const;

function commonChecks(host: HostView, tee: Diagnosis['tee']): readonly HostCheck[] {
  const units = host.list('/sys/class/iommu');
  const least = QEMU_MIN[tee ?? 'tdx'];
  const [, major, minor] = /version (\d+)\.(\d+)/.exec(host.show('qemu-version') ?? '') ?? [];
  const isQemuNew = Number(major) * 1000 + Number(minor) >= least[0] * 1000 + least[1];
  return [
    hostCheck({ id: 'iommu', group: 'kernel' }, units === null ? null : units.length > 0, {
      found: units === null ? 'not shown' : `${units.length} units`,
      needed: 'an IOMMU, on',
      remedy: 'enable it in the BIOS (VT-d or AMD IOMMU), and on Intel add intel_iommu=on to the kernel command line',
    }),
    hostCheck({ id: 'qemu', group: 'tools' }, isQemuNew ? true : null, {
      found: major === undefined ? 'not found' : `QEMU ${major}.${minor}`,
      needed: `QEMU ${least.join('.')} or later, or one that support was brought to`,
      remedy: `install QEMU ${least.join('.')} or later (qemu-system-x86_64), unless your distribution's has the support`,
    }),
  ];
}

function gpuChecks(host: HostView): readonly HostCheck[] {
  const name = (id: string) => ({ id, group: 'GPU', of: 'gpu' }) as const;
  const gpus = (host.list(DEVICES) ?? []).filter(
    (device) =>
      host.read(`${DEVICES}/${device}/vendor`)?.trim() === NVIDIA &&
      GPU_CLASS.test(host.read(`${DEVICES}/${device}/class`) ?? ''),
  );
  if (gpus.length === 0) {
    const none = { found: 'no NVIDIA GPU', needed: 'one, for a worker that is to have a GPU', remedy: null };
    return [{ ...name('gpu'), ...none, outcome: 'notApplicable' }];
  }
  const mode = /CC status:\s*(\w+)/i.exec(host.show('gpu-cc-mode') ?? '')?.[1]?.toUpperCase();
  const listed = host.show('gpu-list')?.trim().split('\n') ?? [];
  return [
    hostCheck(name('gpu-cc-mode'), mode === undefined ? null : mode === 'ON', {
      found: mode === undefined ? `${gpus.length} GPUs, mode not shown (bound to vfio-pci?)` : `CC status ${mode}`,
      needed: 'confidential computing mode on',
      remedy:
        'with NVIDIA’s gpu-admin-tools: nvidia_gpu_tools.py --devices gpus --set-cc-mode=on --reset-after-cc-mode-switch; --query-cc-mode shows it',
    }),
    hostCheck(name('gpu-firmware'), listed.length === 0 ? null : listed.every(isVbiosNew), {
      found: listed.length === 0 ? 'not shown' : listed.join('; '),
      needed: `VBIOS ${VBIOS_MIN} or later on Hopper, as the shipped policies ask`,
      remedy: 'ask the vendor of the server for a VBIOS that is enabled for confidential computing',
    }),
  ];
}

const VBIOS_MIN = '96.00.9F.00.01';

/** `NVIDIA H100 80GB HBM3, 570.86.15, 96.00.AF.00.01`; each part is hexadecimal. Other generations have no floor yet. */
function isVbiosNew(line: string): boolean {
  const vbios = line.split(',').at(-1)?.trim() ?? '';
  const parts = vbios.split('.').map((one) => Number.parseInt(one, 16));
  const least = VBIOS_MIN.split('.').map((one) => Number.parseInt(one, 16));
  if (parts.length !== least.length || parts.some(Number.isNaN)) return false;
  if (parts[0] !== least[0]) return true;
  const at = parts.findIndex((one, index) => one !== least[index]);
  return at < 0 || (parts[at] as number) > (least[at] as number);
}

function summaryOf(tee: Diagnosis['tee'], checks: readonly HostCheck[], ready: Diagnosis['ready']): string {
  const what = tee === null ? 'a TEE' : NAMES[tee];
  const first = (of: HostCheck['of']) => checks.find((check) => check.of === of && check.remedy !== null);
  const state = (is: boolean | null) =>
    is === null ? 'Could not find out all about' : is ? 'Ready for' : 'Not ready for';
  const advice = (of: HostCheck['of']) => {
    const next = first(of);
    return next === undefined ? '' : `: ${next.remedy}`;
  };
  const forTee = `${state(ready.tee)} ${what}${ready.tee === true ? '' : advice('tee')}.`;
  const hasGpu = checks.some(({ of, outcome }) => of === 'gpu' && outcome !== 'notApplicable');
  if (!hasGpu) return `${forTee} No GPU: a worker here serves from the CPU.`;
  return `${forTee} ${state(ready.gpu)} the GPU${ready.gpu === true ? '' : advice('gpu')}.`;
}
