import { CodedError } from '../../core/index.ts';
import { DISK_SERIAL, HOST_CONFIGURATION_NAME } from '../../image/index.ts';
import type { GuestPlaces, GuestShape } from './shape.ts';

/** A large GPU has a BAR of 128 GiB; firmware leaves room for this much each. */
const MMIO_MIB_PER_GPU = 262_144;
/** Where SEV-SNP has its encryption bit, and what it costs of the address, on Genoa and Turin as on Milan. */
const SNP = { cbitpos: 51, 'reduced-phys-bits': 1 } as const;
/** Memory that both sides may touch is given by the guest alone: devices must ask. */
const VIRTIO = 'disable-legacy=on,iommu_platform=on,romfile=';

function teeObject({ tee, quoteSocket }: GuestShape): string {
  if (tee === 'tdx') {
    const socket = { type: 'unix', path: quoteSocket };
    return JSON.stringify({ 'qom-type': 'tdx-guest', id: 'tee', 'quote-generation-socket': socket });
  }
  // Hashes of kernel, RAM disk and command line go into the launch digest.
  return JSON.stringify({ 'qom-type': 'sev-snp-guest', id: 'tee', ...SNP, 'kernel-hashes': true });
}

function bootOf({ boot }: GuestShape): string[] {
  if ('uki' in boot) return ['-kernel', boot.uki];
  return [
    ...['-kernel', boot.kernel],
    ...(boot.initrd === null ? [] : ['-initrd', boot.initrd]),
    ...(boot.commandLine === null ? [] : ['-append', boot.commandLine]),
  ];
}

function disk(name: 'root' | 'model', path: string): string[] {
  return [
    ...['-drive', `if=none,id=${name},format=raw,readonly=on,file=${path}`],
    ...['-device', `virtio-blk-pci,drive=${name},serial=${DISK_SERIAL[name]},${VIRTIO}`],
  ];
}

function gpuArguments(gpus: readonly string[]): string[] {
  if (gpus.length === 0) return [];
  const window = 2 ** Math.ceil(Math.log2(MMIO_MIB_PER_GPU * gpus.length));
  return [
    ...['-object', 'iommufd,id=iommufd'],
    ...['-fw_cfg', `name=opt/ovmf/X-PciMmio64Mb,string=${window}`],
    ...gpus.flatMap((gpu, index) => [
      ...['-device', `pcie-root-port,id=gpu-port-${index},bus=pcie.0,chassis=${index + 1},slot=${index}`],
      ...['-device', `vfio-pci,host=${gpu},bus=gpu-port-${index},iommufd=iommufd`],
    ]),
  ];
}

/**
 * QEMU's arguments for one guest, each as it stands. Nothing that a host can reach into is attached: no monitor but QMP's
 * socket, no shared folder, no display; the serial console is written only.
 * @throws CodedError USAGE_INVALID for an SEV-SNP guest from a unified kernel image, which is not measured there
 */
export function qemuArguments(shape: GuestShape, places: GuestPlaces): string[] {
  const { tee, name, vcpus, memoryMiB } = shape;
  if (tee === 'sev-snp' && 'uki' in shape.boot) {
    const why = 'SEV-SNP measures kernel, RAM disk and command line apart: give --kernel, --initrd and --cmdline';
    throw new CodedError('USAGE_INVALID', why, { flag: 'uki' });
  }
  return [
    ...['-name', `chrysalis-${name}`],
    ...['-machine', 'q35,confidential-guest-support=tee,memory-backend=ram,kernel-irqchip=split,smm=off,vmport=off'],
    ...['-accel', 'kvm', '-cpu', tee === 'tdx' ? 'host' : shape.vcpuType],
    ...['-smp', `${vcpus},sockets=1`, '-m', `${memoryMiB}M`],
    ...['-object', `memory-backend-memfd,id=ram,size=${memoryMiB}M,share=on,prealloc=off`],
    ...['-object', teeObject(shape)],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-bios', shape.firmware, ...bootOf(shape)],
    ...['-fw_cfg', `name=${HOST_CONFIGURATION_NAME},file=${places.configuration}`],
    ...disk('root', shape.rootDisk),
    ...disk('model', shape.modelDisk),
    ...['-netdev', 'user,id=net', '-device', `virtio-net-pci,netdev=net,${VIRTIO}`],
    ...gpuArguments(shape.gpus),
    ...['-chardev', `file,id=console,path=${places.console},append=on`, '-serial', 'chardev:console'],
    ...['-qmp', `unix:${places.qmp},server=on,wait=off`],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
  ];
}

/** A line for a POSIX shell. */
export function shellLine(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}
