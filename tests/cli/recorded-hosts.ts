/** Hosts as their files would be recorded; written for the tests, of no real server. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export type Files = Readonly<Record<string, string>>;

export const folder = mkdtempSync(join(tmpdir(), 'chrysalis-hosts-'));
export const removeHosts = (): void => rmSync(folder, { recursive: true });
let hosts = 0;

export function record(files: Files): string {
  const root = join(folder, `host-${++hosts}`);
  mkdirSync(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

/** Path, size and time of everything in a tree. */
export function snapshot(root: string): string {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((path) => {
      const { size, mtimeMs, mode } = statSync(join(root, path));
      return `${path} ${size} ${mtimeMs} ${mode}`;
    })
    .join('\n');
}

export const without = (files: Files, ...paths: readonly string[]): Files =>
  Object.fromEntries(Object.entries(files).filter(([path]) => !paths.includes(path)));
export const cpu = (vendor: string, name: string, family: number, model: number, flags: string) =>
  `processor\t: 0\nvendor_id\t: ${vendor}\ncpu family\t: ${family}\nmodel\t\t: ${model}\nmodel name\t: ${name}\nflags\t\t: fpu ${flags}\n`;

export const COMMON: Files = {
  'sys/class/iommu/dmar0/name': '',
  'proc/meminfo': 'MemTotal:       528000000 kB\nMemFree:        500000000 kB\nHugetlb:               0 kB\n',
  'commands/clock.txt': 'NTPSynchronized=yes\n',
  'commands/disk-free.txt': 'Avail\n 900G\n',
};
export const GPU: Files = {
  'sys/bus/pci/devices/0000:17:00.0/vendor': '0x10de\n',
  'sys/bus/pci/devices/0000:17:00.0/class': '0x030200\n',
  'commands/gpu-cc-mode.txt': 'CC status: ON\n',
  'commands/gpu-list.txt': 'NVIDIA H100 80GB HBM3, 570.86.15, 96.00.AF.00.01\n',
};
export const TDX: Files = {
  ...COMMON,
  ...GPU,
  'proc/cpuinfo': cpu('GenuineIntel', 'INTEL(R) XEON(R) PLATINUM 8580', 6, 207, 'sgx tme'),
  'proc/sys/kernel/osrelease': '6.17.0-generic\n',
  'sys/module/kvm_intel/parameters/tdx': 'Y\n',
  'dev/sgx_enclave': '',
  'dev/sgx_provision': '',
  'run/tdx-qgs/qgs.socket': '',
  'var/log/mpa_registration.log':
    'INFO: Registration Flow - PLATFORM_ESTABLISHMENT or TCB_RECOVERY passed successfully.\n',
  'etc/sgx_default_qcnl.conf':
    '{\n  "pccs_url": "https://localhost:8081/sgx/certification/v4/",\n  "use_secure_cert": false\n}\n',
  'commands/pccs-answer.txt': '200',
  'commands/kernel-log.txt':
    '[1.0] virt/tdx: BIOS enabled: private KeyID range [64, 128)\n' +
    '[2.0] virt/tdx: TDX module: attributes 0x0, vendor_id 0x8086, major_version 1, minor_version 5, build_date 20250101, build_num 900\n' +
    '[3.0] virt/tdx: module initialized\n',
  'commands/qemu-version.txt': 'QEMU emulator version 10.1.0\n',
};
export const SNP: Files = {
  ...COMMON,
  ...GPU,
  'proc/cpuinfo': cpu('AuthenticAMD', 'AMD EPYC 9354 32-Core Processor', 25, 17, 'sev sev_es sev_snp'),
  'proc/sys/kernel/osrelease': '6.14.2\n',
  'sys/module/kvm_amd/parameters/sev_snp': 'Y\n',
  'dev/sev': '',
  'commands/kernel-log.txt':
    '[0.1] SEV-SNP: RMP table physical range [0x0000000085c00000 - 0x00000000863fffff]\n[9.0] ccp 0000:01:00.5: SEV-SNP API:1.55 build:32\n',
  'commands/qemu-version.txt': 'QEMU emulator version 9.2.0\n',
};
