import type { HostView } from '../host/check.ts';

const DEVICES = '/sys/bus/pci/devices';
const NVIDIA = '0x10de';
/** PCI bridges share groups with what is behind them, and stay with the host. */
const BRIDGE = /^0x0604/;

/** One device that has to be given to vfio, and who has it now. */
export type Binding = Readonly<{ device: string; driver: string | null }>;
export type GpuPlan = Readonly<{ bindings: readonly Binding[]; problems: readonly string[] }>;

/** What is behind an address: nothing is changed. */
export function planGpus(host: HostView, gpus: readonly string[]): GpuPlan {
  const problems: string[] = [];
  const bindings: Binding[] = [];
  for (const gpu of gpus) {
    const at = `${DEVICES}/${gpu}`;
    const vendor = host.read(`${at}/vendor`)?.trim();
    if (vendor === undefined) {
      problems.push(`there is no PCI device ${gpu}: lspci -Dnn -d 10de: shows the GPUs`);
      continue;
    }
    if (vendor !== NVIDIA) problems.push(`${gpu} is of vendor ${vendor}, not NVIDIA`);
    const group = host.list(`${at}/iommu_group/devices`);
    if (group === null) problems.push(`${gpu} is in no IOMMU group: switch the IOMMU on (host doctor)`);
    const strangers = (group ?? []).filter(
      (device) => !gpus.includes(device) && !BRIDGE.test(host.read(`${DEVICES}/${device}/class`) ?? ''),
    );
    if (strangers.length > 0) {
      problems.push(
        `${gpu} shares its IOMMU group with ${strangers.join(', ')}: a guest gets a group whole or not at all`,
      );
    }
    bindings.push({ device: gpu, driver: driverOf(host, at) });
  }
  return { bindings, problems };
}

function driverOf(host: HostView, at: string): string | null {
  return /^DRIVER=(.+)$/m.exec(host.read(`${at}/uevent`) ?? '')?.[1] ?? null;
}

/** Shell lines that give the devices to vfio; each may be run again. @param sys where sysfs is */
export function bindLines(bindings: readonly Binding[], sys = '/sys'): string[] {
  return bindings.map(({ device }) => {
    const at = `${sys}/bus/pci/devices/${device}`;
    const isBound = `[ "$(basename "$(readlink ${at}/driver)")" = vfio-pci ]`;
    const unbind = `{ [ ! -e ${at}/driver ] || echo ${device} > ${at}/driver/unbind; }`;
    return `echo vfio-pci > ${at}/driver_override; ${isBound} || { ${unbind} && echo ${device} > ${sys}/bus/pci/drivers_probe; }`;
  });
}
