import { sha256 } from '#crypto';
import { type Bytes, equalBytes } from '../../core/index.ts';
import {
  type Difference,
  type Explanation,
  neighbouringCommandLines,
  type Others,
  quoted,
  type Variant,
  variantsOf,
} from './explanation.ts';
import { commandLineHash, initrdHash, kernelHashes } from './kernel-hashes.ts';
import { type SnpGuest, snpDigestBeforeVcpus, snpDigestsByVcpus, snpFirmwareDigest } from './launch-digest.ts';
import type { SnpFirmware } from './snp-firmware.ts';
import { signatureOfModel, VCPU_MODELS } from './vcpu.ts';
import { VMMS } from './vmsa.ts';

/** Shapes of guests are tried up to so many vCPUs. */
export const EXPLAIN_VCPUS_MAX = 512;
const FEATURE_BITS = 16;
/** Sets that KVM has given guests: SNP alone, with debug swap, with secure TSC, with both. */
const USUAL_FEATURES = [0x1n, 0x21n, 0x201n, 0x221n];
/** Files and texts are combined no further. */
const BOOTS_MAX = 128;

export type SnpExplainInput = Readonly<{
  guest: Omit<SnpGuest, 'hashes'>;
  /** Null: the firmware boots from a disk. */
  boot: Readonly<{ kernel: Uint8Array; initrd: Uint8Array | null; commandLine: string }> | null;
  others: Readonly<{
    firmwares: Others<SnpFirmware>;
    kernels: Others<Uint8Array>;
    initrds: Others<Uint8Array>;
    commandLines: readonly string[];
  }>;
}>;

type Boot = Variant<Readonly<{ firmware: SnpFirmware; hashes: SnpGuest['hashes'] }>>;
type Shape = Variant<Pick<SnpGuest, 'vmm' | 'vcpuSignature' | 'guestFeatures'>>;

/**
 * Finds the inputs that lead to a MEASUREMENT: every number of vCPUs with every type, set of features and VMM for what is
 * booted as the caller says; for what is booted otherwise every number of vCPUs with the shape given, and up to the number
 * given each shape with one change.
 * @param measurement of a report, 48 bytes
 * @throws CodedError as `snpLaunchDigest`
 */
export function explainSnpMeasurement(input: SnpExplainInput, measurement: Uint8Array): Explanation {
  const shapes = shapesOf(input.guest);
  const near = shapes.filter(({ differences }) => differences.length < 2);
  const digests = new Map<SnpFirmware, Bytes>();
  const firmwareDigest = (firmware: SnpFirmware): Bytes => {
    const known = digests.get(firmware) ?? snpFirmwareDigest(firmware);
    digests.set(firmware, known);
    return known;
  };
  const candidates = bootsOf(input).flatMap((boot) =>
    (boot.differences.length === 0 ? shapes : near).map((shape) => ({
      boot,
      shape,
      differences: [...boot.differences, ...shape.differences],
    })),
  );
  let tried = 0;
  for (const { boot, shape } of candidates.sort(byDistance)) {
    const { firmware, hashes } = boot.value;
    const before = snpDigestBeforeVcpus(firmware, firmwareDigest(firmware), hashes, shape.value.vmm);
    const isFar = boot.differences.length > 0 && shape.differences.length > 0;
    const vcpusMax = isFar ? input.guest.vcpus : EXPLAIN_VCPUS_MAX;
    let vcpus = 0;
    for (const digest of snpDigestsByVcpus(before, { firmware, ...shape.value })) {
      if (++vcpus > vcpusMax) break;
      tried++;
      if (!equalBytes(digest, measurement)) continue;
      const differences = [...boot.differences, ...countDifference(input.guest.vcpus, vcpus), ...shape.differences];
      return { outcome: differences.length === 0 ? 'matches' : 'explained', differences, tried };
    }
  }
  return { outcome: 'unexplained', differences: [], tried };
}

function countDifference(given: number, found: number): readonly Difference[] {
  return given === found ? [] : [{ input: 'vcpus', given: String(given), found: String(found) }];
}

type Distant = Pick<Variant<unknown>, 'differences'>;

/** Those with the fewest differences first. */
function byDistance(a: Distant, b: Distant): number {
  return a.differences.length - b.differences.length;
}

/** Nearest first. Without QEMU's registers the type of the vCPU is in no digest, so it is not tried there. */
function shapesOf({ vmm, vcpuSignature, guestFeatures }: SnpExplainInput['guest']): readonly Shape[] {
  const vmms = variantsOf(
    'vmm',
    { label: vmm, value: vmm },
    VMMS.filter((one) => one !== vmm).map((value) => ({ label: value, value })),
  );
  const name = (signature: number) =>
    VCPU_MODELS.find((model) => signatureOfModel(model) === signature) ?? `0x${signature.toString(16)}`;
  const types = variantsOf(
    'vcpuType',
    { label: name(vcpuSignature), value: vcpuSignature },
    VCPU_MODELS.map(signatureOfModel)
      .filter((one) => one !== vcpuSignature)
      .map((value) => ({ label: name(value), value })),
  );
  const hex = (features: bigint) => `0x${features.toString(16)}`;
  const toggled = Array.from({ length: FEATURE_BITS - 1 }, (_, bit) => guestFeatures ^ (1n << BigInt(bit + 1)));
  const sets = variantsOf(
    'guestFeatures',
    { label: hex(guestFeatures), value: guestFeatures },
    [...new Set([...USUAL_FEATURES, ...toggled])]
      .filter((one) => one !== guestFeatures)
      .map((value) => ({ label: hex(value), value })),
  );
  return vmms
    .flatMap((one) =>
      (one.value === 'qemu' ? types : types.slice(0, 1)).flatMap((type) =>
        sets.map((features) => ({
          value: { vmm: one.value, vcpuSignature: type.value, guestFeatures: features.value },
          differences: [...one.differences, ...type.differences, ...features.differences],
        })),
      ),
    )
    .sort(byDistance);
}

/** What may have been booted instead, nearest first; builds that measure no kernel are tried without one. */
function bootsOf({ guest, boot, others }: SnpExplainInput): readonly Boot[] {
  const firmwares = variantsOf('firmware', { label: 'the file given', value: guest.firmware }, others.firmwares);
  const boots = hashesOf(boot, others);
  const all = firmwares.flatMap((firmware) =>
    boots
      .filter(({ value }) => value === null || firmware.value.hashTable !== null)
      .map(({ value, differences }) => ({
        value: { firmware: firmware.value, hashes: value },
        differences: [...firmware.differences, ...differences],
      })),
  );
  return all.sort(byDistance).slice(0, BOOTS_MAX);
}

function hashesOf(
  boot: SnpExplainInput['boot'],
  others: SnpExplainInput['others'],
): readonly Variant<SnpGuest['hashes']>[] {
  const given = 'the file given';
  const unmeasured = 'not measured (kernel-hashes=off, or boot from a disk)';
  if (boot === null) {
    return [
      { value: null, differences: [] },
      ...others.kernels.map(({ label, value }) => ({
        value: kernelHashes(value, others.initrds[0]?.value ?? null, others.commandLines[0] ?? ''),
        differences: [{ input: 'kernel', given: 'not measured', found: label } as const],
      })),
    ];
  }
  const hashed = <T>(all: Others<T>, hash: (value: T) => Bytes): Others<Bytes> =>
    all.map(({ label, value }) => ({ label, value: hash(value) }));
  const none: Others<Uint8Array | null> = boot.initrd === null ? [] : [{ label: 'none', value: null }];
  const kernels = variantsOf('kernel', { label: given, value: sha256(boot.kernel) }, hashed(others.kernels, sha256));
  const initrds = variantsOf(
    'initrd',
    { label: boot.initrd === null ? 'none' : given, value: initrdHash(boot.initrd) },
    hashed([...others.initrds, ...none], initrdHash),
  );
  const lines = variantsOf(
    'commandLine',
    { label: quoted(boot.commandLine), value: commandLineHash(boot.commandLine) },
    hashed(neighbouringCommandLines(boot.commandLine, others.commandLines), commandLineHash),
  );
  const combined = kernels.flatMap((kernel) =>
    initrds.flatMap((initrd) =>
      lines.map((line) => ({
        value: { kernel: kernel.value, initrd: initrd.value, commandLine: line.value },
        differences: [...kernel.differences, ...initrd.differences, ...line.differences],
      })),
    ),
  );
  return [...combined, { value: null, differences: [{ input: 'kernel', given, found: unmeasured }] }];
}
