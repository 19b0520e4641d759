import { type HostCheck, type HostView, hostCheck } from './check.ts';

/** Kernels with host support upstream; distributions bring it to older ones, which the module parameter shows. */
const SNP_KERNEL = [6, 11] as const;
const TDX_KERNEL = [6, 16] as const;
/** Firmware with the fix of AMD-SB-3019; the shipped policy asks for no less. */
const SNP_API_MIN = [1, 55] as const;
const TDX_MODULE_MIN = [1, 5] as const;
/** Sapphire Rapids, Emerald Rapids, Granite Rapids (two), Sierra Forest. */
const TDX_MODELS: readonly number[] = [143, 207, 173, 174, 175];
const FAMILY_MILAN_GENOA = 25;
const FAMILY_TURIN = 26;

type Cpu = Readonly<{ vendor: string; name: string; family: number; model: number; flags: readonly string[] }>;

export function cpuOf(host: HostView): Cpu | null {
  const text = host.read('/proc/cpuinfo');
  if (text === null) return null;
  const field = (name: string) => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
  return {
    vendor: field('vendor_id'),
    name: field('model name'),
    family: Number(field('cpu family')),
    model: Number(field('model')),
    flags: field('flags').split(/\s+/),
  };
}

const versionAtLeast = (found: readonly number[], [major, minor]: readonly [number, number]) =>
  (found[0] ?? 0) > major || (found[0] === major && (found[1] ?? 0) >= minor);

function kernelVersion(host: HostView): readonly number[] | null {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(host.read('/proc/sys/kernel/osrelease') ?? '') ?? [];
  return major === undefined ? null : [Number(major), Number(minor)];
}

/** Y or 1, N or 0; null where the kernel has no such parameter. */
function parameter(host: HostView, path: string): boolean | null {
  const text = host.read(path)?.trim();
  return text === undefined ? null : text === 'Y' || text === '1';
}

/** A kernel that has the parameter has the support, whatever its number. */
function kernelCheck(host: HostView, tee: 'TDX' | 'SEV-SNP', has: boolean): HostCheck {
  const least = tee === 'TDX' ? TDX_KERNEL : SNP_KERNEL;
  const found = kernelVersion(host);
  const isNew = found !== null && versionAtLeast(found, least);
  const module = tee === 'TDX' ? 'kvm_intel' : 'kvm_amd';
  const release = host.read('/proc/sys/kernel/osrelease')?.trim() ?? 'not shown';
  return hostCheck({ id: 'kernel', group: 'kernel' }, has ? true : found === null ? null : false, {
    found: `Linux ${release}${has ? '' : `, ${module} without ${tee}`}`,
    needed: `host support for ${tee}: Linux ${least.join('.')} or later, or one it was brought to`,
    remedy: isNew
      ? `load ${module}, and build the kernel with ${tee === 'TDX' ? 'CONFIG_INTEL_TDX_HOST' : 'CONFIG_KVM_AMD_SEV'}`
      : `update the kernel to ${least.join('.')} or later`,
  });
}

export function tdxChecks(host: HostView, cpu: Cpu): readonly HostCheck[] {
  const log = host.show('kernel-log');
  const enabled = parameter(host, '/sys/module/kvm_intel/parameters/tdx');
  const says = (pattern: RegExp) => log !== null && pattern.test(log);
  const isInitialized = enabled === true || says(/tdx: module initialized/);
  const isBiosOn = isInitialized || says(/tdx: BIOS enabled/) ? true : log === null || enabled === null ? null : false;
  const isModuleIn = isInitialized
    ? true
    : isBiosOn === true && says(/tdx: .*(module initialization failed|not loaded)/)
      ? false
      : null;
  return [
    hostCheck({ id: 'cpu', group: 'CPU' }, TDX_MODELS.includes(cpu.model) ? true : cpu.family === 6 ? false : null, {
      found: `${cpu.name} (family ${cpu.family}, model ${cpu.model})`,
      needed: 'a Xeon with TDX: 5th generation or later, some of the 4th',
      remedy: 'use another machine: no update adds TDX to this processor',
    }),
    hostCheck({ id: 'bios', group: 'firmware' }, isBiosOn, {
      found: isBiosOn === true ? 'TDX is on' : isBiosOn === false ? 'TDX is off: no private key ids' : 'not shown',
      needed: 'TDX on in the BIOS',
      remedy: `in the BIOS set Total Memory Encryption (TME), TME-MT, TDX and the SEAM loader to enabled, and TME bypass off${log === null ? '; run as root so that the kernel log can be read' : ''}`,
    }),
    hostCheck({ id: 'tdx-module', group: 'firmware' }, isModuleIn, {
      found: isModuleIn === true ? 'initialized' : isModuleIn === false ? 'not loaded' : 'not shown',
      needed: 'the TDX module, loaded at boot',
      remedy:
        'update the BIOS to one that carries the TDX module, or put TDX-SEAM.so and its signature into EFI/TDX on the boot partition',
    }),
    tdxModuleVersion(log),
    kernelCheck(host, 'TDX', enabled !== null),
    hostCheck({ id: 'kvm', group: 'kernel' }, enabled, {
      found: `kvm_intel.tdx is ${enabled === null ? 'not there' : enabled ? 'Y' : 'N'}`,
      needed: 'kvm_intel.tdx=Y',
      remedy: 'first what is above; then add kvm_intel.tdx=1 and nohibernate to the kernel command line',
    }),
    hostCheck({ id: 'sgx', group: 'kernel' }, host.exists('/dev/sgx_enclave') && host.exists('/dev/sgx_provision'), {
      found: host.exists('/dev/sgx_enclave') ? '/dev/sgx_enclave' : 'no /dev/sgx_enclave',
      needed: 'SGX for the quoting enclave: /dev/sgx_enclave and /dev/sgx_provision',
      remedy: 'in the BIOS enable SGX (with SGX registration), and use a kernel with CONFIG_X86_SGX',
    }),
    hostCheck(
      { id: 'quote-service', group: 'tools' },
      host.exists('/var/run/tdx-qgs/qgs.socket') || host.exists('/run/tdx-qgs/qgs.socket'),
      {
        found: 'looked for /run/tdx-qgs/qgs.socket',
        needed: "Intel's quote generation service",
        remedy: 'install tdx-qgs, register the platform with Intel (PCCS or mpa_registration), start qgsd',
      },
    ),
    registration(host),
    pccs(host),
  ];
}

const REGISTRATION_LOG = '/var/log/mpa_registration.log';

/** What Intel's registration agent wrote when it last ran; platforms that were registered another way have no such log. */
function registration(host: HostView): HostCheck {
  const text = host.read(REGISTRATION_LOG);
  const results = [...(text ?? '').matchAll(/(passed|finished) successfully|\b(?:error|failed)\b/gi)];
  const last = results.at(-1);
  return hostCheck({ id: 'registration', group: 'firmware' }, last === undefined ? null : last[1] !== undefined, {
    found:
      text === null
        ? `no ${REGISTRATION_LOG}`
        : last === undefined
          ? 'the agent’s log says neither yes nor no'
          : last[0],
    needed: 'the platform, registered with Intel: without it there is no certificate for its quotes',
    remedy:
      'run mpa_registration_tool (sgx-ra-service); after a change of processors do an SGX factory reset in the BIOS first',
  });
}

const QCNL = '/etc/sgx_default_qcnl.conf';

/** Where the quoting library gets the platform's certificate from, and whether anybody answers there. */
function pccs(host: HostView): HostCheck {
  const [, url] = /"pccs_url"\s*:\s*"(https:\/\/[\w.:[\]-]+\/[\w./-]*)"/.exec(host.read(QCNL) ?? '') ?? [];
  const code =
    url === undefined ? null : (host.show('pccs-answer', `${url.replace(/\/?$/, '/')}rootcacrl`)?.trim() ?? null);
  const answers = code === null ? null : /^[2345]\d\d$/.test(code);
  return hostCheck({ id: 'pccs', group: 'tools' }, url === undefined && host.exists(QCNL) ? false : answers, {
    found:
      url === undefined ? `no pccs_url in ${QCNL}` : answers === true ? `${url} answers` : `${url} does not answer`,
    needed: 'a caching service (PCCS) that the quote generation service reaches',
    remedy: `start the PCCS, or name one that runs in ${QCNL} (pccs_url), then restart qgsd`,
  });
}

function tdxModuleVersion(log: string | null): HostCheck {
  const [, major, minor, build] = /major_version (\d+), minor_version (\d+),.*?build_num (\d+)/.exec(log ?? '') ?? [];
  const found = major === undefined ? null : [Number(major), Number(minor)];
  return hostCheck(
    { id: 'tdx-module-version', group: 'firmware' },
    found === null ? null : versionAtLeast(found, TDX_MODULE_MIN),
    {
      found: found === null ? 'not in the kernel log' : `${found.join('.')} build ${build}`,
      needed: `TDX module ${TDX_MODULE_MIN.join('.')} or later`,
      remedy: 'update the BIOS or the TDX module; a quote shows its version (chrysalis verify)',
    },
  );
}

export function snpChecks(host: HostView, cpu: Cpu): readonly HostCheck[] {
  const log = host.show('kernel-log');
  const enabled = parameter(host, '/sys/module/kvm_amd/parameters/sev_snp');
  const says = (pattern: RegExp) => log !== null && pattern.test(log);
  const hasFlag = cpu.flags.includes('sev_snp');
  const isReserved = enabled === true || says(/SEV-SNP: RMP table physical/);
  const isUnreserved = says(/RMP table has not been reserved|SEV-SNP: Failed/i);
  // A kernel without the support shows no flag, whatever the BIOS says.
  const isBiosOn = isReserved ? true : isUnreserved ? false : enabled === null || hasFlag ? null : false;
  const isCapable = cpu.family === FAMILY_MILAN_GENOA || cpu.family === FAMILY_TURIN;
  return [
    hostCheck({ id: 'cpu', group: 'CPU' }, isCapable, {
      found: `${cpu.name} (family ${cpu.family}, model ${cpu.model})`,
      needed: 'EPYC with SEV-SNP: Genoa or Turin; Milan has it, and the shipped policies refuse it',
      remedy: 'use another machine: no update adds SEV-SNP to this processor',
    }),
    hostCheck({ id: 'bios', group: 'firmware' }, isBiosOn, {
      found: isUnreserved
        ? 'no memory reserved for the RMP table'
        : isBiosOn === null
          ? 'not shown'
          : isBiosOn
            ? 'SEV-SNP is on'
            : 'SEV-SNP is off',
      needed: 'SEV-SNP on in the BIOS, with memory for the RMP table',
      remedy:
        'in the BIOS enable SMEE, SEV control, SEV-ES ASID space limit above 1, SEV-SNP support, SNP memory (RMP table) coverage, and the IOMMU',
    }),
    snpFirmware(log),
    kernelCheck(host, 'SEV-SNP', enabled !== null),
    hostCheck({ id: 'kvm', group: 'kernel' }, enabled, {
      found: `kvm_amd.sev_snp is ${enabled === null ? 'not there' : enabled ? 'Y' : 'N'}`,
      needed: 'kvm_amd.sev_snp=Y',
      remedy: 'first what is above; then remove amd_iommu=off and iommu=pt from the kernel command line',
    }),
    hostCheck({ id: 'sev-device', group: 'kernel' }, host.exists('/dev/sev'), {
      found: host.exists('/dev/sev') ? '/dev/sev' : 'no /dev/sev',
      needed: 'the secure processor’s device',
      remedy: 'load the module ccp; if it is loaded, the kernel log says why the secure processor did not start',
    }),
  ];
}

function snpFirmware(log: string | null): HostCheck {
  const [, major, minor, build] = /SEV(?:-SNP)? API:(\d+)\.(\d+) build:(\d+)/.exec(log ?? '') ?? [];
  const found = major === undefined ? null : [Number(major), Number(minor)];
  return hostCheck(
    { id: 'snp-firmware', group: 'firmware' },
    found === null ? null : versionAtLeast(found, SNP_API_MIN),
    {
      found: found === null ? 'not in the kernel log' : `${found.join('.')} build ${build}`,
      needed: `SEV firmware ${SNP_API_MIN.join('.')} or later`,
      remedy: 'update the BIOS, or put the newer amd_sev_*.sbin into /lib/firmware/amd and boot again',
    },
  );
}
