import { sha384 } from '#crypto';
import { type Bytes, CodedError } from '../../core/index.ts';
import { PAGE_BYTES, unsupported } from './image-bytes.ts';
import { type KernelHashes, kernelHashesPage } from './kernel-hashes.ts';
import type { SnpFirmware, SnpSection } from './snp-firmware.ts';
import { RESET_EIP, type Vmm, vmsaPage } from './vmsa.ts';

export const LAUNCH_DIGEST_BYTES = 48;
export const VCPUS_MAX = 4096;
const PAGE_INFO_BYTES = 0x70;
const VMSA_GPA = 0x0000_ffff_ffff_f000;
const PAGE_TYPE = { normal: 1, vmsa: 2, zero: 3, unmeasured: 4, secrets: 5, cpuid: 6 } as const;
const NO_CONTENTS = new Uint8Array(LAUNCH_DIGEST_BYTES);

/** Everything that is in the launch digest. GUEST_POLICY, HOST_DATA and the ID block are not. */
export type SnpGuest = Readonly<{
  firmware: SnpFirmware;
  /** Null: the firmware boots from a disk, and what it boots is not measured here. */
  hashes: KernelHashes | null;
  vmm: Vmm;
  vcpus: number;
  vcpuSignature: number;
  guestFeatures: bigint;
}>;

/** One SNP_LAUNCH_UPDATE: the digest over what it was and the PAGE_INFO of a page (AMD 56860, section 8.17.2). */
function extended(digest: Bytes, type: number, gpa: number, contents: Uint8Array): Bytes {
  const info = new Uint8Array(PAGE_INFO_BYTES);
  info.set(digest, 0);
  info.set(contents, 0x30);
  const view = new DataView(info.buffer);
  view.setUint16(0x60, PAGE_INFO_BYTES, true);
  view.setUint8(0x62, type);
  view.setBigUint64(0x68, BigInt(gpa), true);
  return sha384(info);
}

function extendedByPages(digest: Bytes, type: number, gpa: number, length: number): Bytes {
  let at = digest;
  for (let offset = 0; offset < length; offset += PAGE_BYTES) at = extended(at, type, gpa + offset, NO_CONTENTS);
  return at;
}

/** The digest after the pages of the firmware alone, 48 bytes: what is saved as the hash of an OVMF build. */
export function snpFirmwareDigest({ bytes, loadGpa }: SnpFirmware): Bytes {
  let digest: Bytes = new Uint8Array(LAUNCH_DIGEST_BYTES);
  for (let offset = 0; offset < bytes.length; offset += PAGE_BYTES) {
    const page = sha384(bytes.subarray(offset, offset + PAGE_BYTES));
    digest = extended(digest, PAGE_TYPE.normal, loadGpa + offset, page);
  }
  return digest;
}

/**
 * The digest before the first vCPU.
 * @param firmwareDigest of {@link snpFirmwareDigest}, so that guests of one build share it
 * @throws CodedError IMAGE_UNSUPPORTED where a kernel is given and the firmware measures none
 */
export function snpDigestBeforeVcpus(
  firmware: SnpFirmware,
  firmwareDigest: Bytes,
  hashes: KernelHashes | null,
  vmm: Vmm,
): Bytes {
  const page = hashes === null ? null : sha384(kernelHashesPage(firmware, hashes));
  const isDeferred = ({ kind }: SnpSection) => vmm === 'ec2' && kind === 'cpuid';
  const order = [
    ...firmware.sections.filter((section) => !isDeferred(section)),
    ...firmware.sections.filter(isDeferred),
  ];
  let digest = firmwareDigest;
  for (const { kind, gpa, size } of order) {
    if (kind === 'kernelHashes' && page !== null) digest = extended(digest, PAGE_TYPE.normal, gpa, page);
    else if (kind === 'secrets' || kind === 'cpuid') digest = extended(digest, PAGE_TYPE[kind], gpa, NO_CONTENTS);
    else {
      const type = kind === 'secMem' && vmm === 'gce' ? PAGE_TYPE.unmeasured : PAGE_TYPE.zero;
      digest = extendedByPages(digest, type, gpa, size);
    }
  }
  return digest;
}

/**
 * The digests of guests that differ in their number of vCPUs alone: of one, of two, and so on.
 * @param before of {@link snpDigestBeforeVcpus}
 */
export function* snpDigestsByVcpus(
  before: Bytes,
  guest: Pick<SnpGuest, 'firmware' | 'vmm' | 'vcpuSignature' | 'guestFeatures'>,
): Generator<Bytes> {
  const { vmm, vcpuSignature: signature, guestFeatures: features, firmware } = guest;
  const first = sha384(vmsaPage({ vmm, eip: RESET_EIP, isFirst: true, signature, features }));
  let digest = extended(before, PAGE_TYPE.vmsa, VMSA_GPA, first);
  yield digest;
  if (firmware.apResetEip === null) return;
  const other = sha384(vmsaPage({ vmm, eip: firmware.apResetEip, isFirst: false, signature, features }));
  for (let count = 2; count <= VCPUS_MAX; count++) {
    digest = extended(digest, PAGE_TYPE.vmsa, VMSA_GPA, other);
    yield digest;
  }
}

/**
 * Predicts the MEASUREMENT of an SEV-SNP guest, 48 bytes.
 * @throws CodedError USAGE_INVALID, IMAGE_UNSUPPORTED (a kernel, or several vCPUs, that the firmware cannot start)
 * @see AMD 56860, SNP_LAUNCH_UPDATE; docs/measurements.md
 */
export function snpLaunchDigest(guest: SnpGuest): Bytes {
  const { firmware, hashes, vmm, vcpus } = guest;
  requireGuest(guest);
  const before = snpDigestBeforeVcpus(firmware, snpFirmwareDigest(firmware), hashes, vmm);
  let count = 0;
  for (const digest of snpDigestsByVcpus(before, guest)) if (++count === vcpus) return digest;
  throw unsupported('firmware', 'it has no reset block for a second vCPU');
}

function requireGuest({ vcpus, guestFeatures }: SnpGuest): void {
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > VCPUS_MAX) {
    throw new CodedError('USAGE_INVALID', `a guest has 1 to ${VCPUS_MAX} vCPUs`, { vcpus });
  }
  if ((guestFeatures & 1n) === 0n || guestFeatures < 0n || guestFeatures >= 1n << 64n) {
    throw new CodedError('USAGE_INVALID', 'SEV_FEATURES of an SNP guest has bit 0 set, and 64 bits');
  }
}
