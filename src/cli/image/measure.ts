import {
  kernelHashes,
  mrTd,
  type PredictedEvent,
  parsePe,
  parseSnpFirmware,
  parseTdvf,
  type ReferenceImage,
  registerOf,
  rtmr0Events,
  rtmr1Events,
  rtmr2Events,
  type SnpPolicy,
  snpDigestBeforeVcpus,
  snpDigestsByVcpus,
  snpFirmwareDigest,
  snpLaunchDigest,
  ukiContents,
} from '../../attestation/index.ts';
import { CodedError, equalBytes, type Json, toHex } from '../../core/index.ts';
import {
  directBootOf,
  hexOf,
  type ImageFlags,
  idBlockOf,
  inputsDocument,
  readFirmware,
  readImage,
  requireFlagsOf,
  snpShapesOf,
  type Tee,
  tdShapeOf,
} from './inputs.ts';

type SnpImage = Readonly<SnpPolicy['images'][number]>;

/** What `image measure` answers. `images` are entries of the policy's list `field`, as they stand. */
export type Measured = Readonly<{
  tee: Tee;
  field: 'sevSnp.images' | 'tdx.images';
  images: readonly (SnpImage | ReferenceImage)[];
  /** Of TDX: each register, null where an input is missing, and the events that lead to it. */
  registers: Readonly<Record<string, string | null>> | null;
  events: Readonly<Record<string, readonly Json[]>> | null;
  /** Why there is no image; empty where there is. */
  missing: readonly string[];
  inputs: Json;
}>;

/**
 * Predicts the reference values of an image.
 * @throws CodedError USAGE_INVALID, IMAGE_MALFORMED, IMAGE_UNSUPPORTED, EVIDENCE_MEASUREMENT_MISMATCH (an ID block that
 *   was signed for another measurement)
 */
export async function measureImage(flags: ImageFlags): Promise<Measured> {
  requireFlagsOf(flags);
  const named = isDebug(flags) ? { ...flags, name: `debug ${flags.name}` } : flags;
  const measured = flags.tee === 'tdx' ? measureTd(named) : await measureSnp(named);
  return { ...measured, tee: flags.tee, inputs: inputsDocument(flags) };
}

/** By its command line: production policies refuse images that are named so. */
function isDebug({ cmdline, uki }: ImageFlags): boolean {
  const commandLine = uki === undefined ? (cmdline ?? '') : ukiContents(parsePe(readImage('uki', uki))).commandLine;
  return commandLine.split(/\s+/).includes('chrysalis.variant=debug');
}

type Part = Omit<Measured, 'tee' | 'inputs'>;

async function measureSnp(flags: ImageFlags): Promise<Part> {
  const { vmm, guestFeatures, types, counts } = snpShapesOf(flags);
  const hostData = hexOf('host-data', flags.hostData, 32);
  const idBlock = await idBlockOf(flags);
  const firmware = parseSnpFirmware(readFirmware(flags.firmware));
  const direct = directBootOf(flags);
  const hashes = direct === null ? null : kernelHashes(direct.kernel, direct.initrd, direct.commandLine);
  const most = counts.at(-1) as number;
  // Says what is wrong with the largest guest, if anything is.
  snpLaunchDigest({ firmware, hashes, vmm, vcpus: most, vcpuSignature: types[0]?.signature ?? 0, guestFeatures });
  const before = snpDigestBeforeVcpus(firmware, snpFirmwareDigest(firmware), hashes, vmm);
  const isOne = counts.length * types.length === 1;
  const images = types.flatMap(({ name, signature }) => {
    const digests = [
      ...snpDigestsByVcpus(before, { firmware, vmm, vcpuSignature: signature, guestFeatures }).take(most),
    ];
    return counts.map((vcpus) => ({
      name: isOne ? flags.name : named(flags.name, vcpus, name),
      digest: digests[vcpus - 1] as Uint8Array,
    }));
  });
  const signed = idBlock === null ? images : images.filter(({ digest }) => equalBytes(digest, idBlock.launchDigest));
  if (signed.length === 0) {
    throw new CodedError('EVIDENCE_MEASUREMENT_MISMATCH', 'the ID block was signed for another measurement', {
      why: 'a launch with this image and this ID block fails',
      todo: 'sign the block for the measurement that this command prints without --id-block',
    });
  }
  return {
    field: 'sevSnp.images',
    images: signed.map(({ name, digest }) => ({
      name,
      measurement: toHex(digest),
      hostData,
      familyId: idBlock === null ? '00'.repeat(16) : toHex(idBlock.familyId),
      imageId: idBlock === null ? '00'.repeat(16) : toHex(idBlock.imageId),
      idKeyDigest: idBlock === null ? '00'.repeat(48) : toHex(idBlock.idKeyDigest),
      authorKeyDigest: idBlock === null ? '00'.repeat(48) : toHex(idBlock.authorKeyDigest),
    })),
    registers: null,
    events: null,
    missing: [],
  };
}

function named(name: string, vcpus: number, type: string): string {
  const whole = `${name} ${vcpus} x ${type}`;
  if (whole.length <= 64) return whole;
  throw new CodedError('USAGE_INVALID', '--name is too long: the number and type of vCPUs are added to it');
}

const NO_ACPI =
  'RTMR0 needs the ACPI blobs of a guest of this shape (--acpi-loader, --acpi-rsdp, --acpi-tables): in a guest that runs, ' +
  '/sys/firmware/qemu_fw_cfg/by_name/etc/table-loader/raw, …/etc/acpi/rsdp/raw and …/etc/acpi/tables/raw, or their ' +
  'digests in its event log as sha384:HEX';

function measureTd(flags: ImageFlags): Part {
  const { memoryBytes, rules, boot, acpi } = tdShapeOf(flags);
  const launcher = {
    mrConfigId: hexOf('mr-config-id', flags.mrConfigId, 48),
    mrOwner: hexOf('mr-owner', flags.mrOwner, 48),
    mrOwnerConfig: hexOf('mr-owner-config', flags.mrOwnerConfig, 48),
  };
  const firmware = parseTdvf(readFirmware(flags.firmware));
  const events = {
    ...(acpi === null ? {} : { rtmr0: rtmr0Events(firmware, memoryBytes, acpi) }),
    rtmr1: rtmr1Events(boot, memoryBytes, rules),
    rtmr2: rtmr2Events(boot),
  };
  const known = {
    mrTd: toHex(mrTd(firmware, rules.pageOrder)),
    rtmr1: toHex(registerOf(events.rtmr1)),
    rtmr2: toHex(registerOf(events.rtmr2)),
  };
  const rtmr0 = events.rtmr0 === undefined ? null : toHex(registerOf(events.rtmr0));
  return {
    field: 'tdx.images',
    images: rtmr0 === null ? [] : [{ name: flags.name, ...known, rtmr0, ...launcher }],
    registers: { mrTd: known.mrTd, rtmr0, rtmr1: known.rtmr1, rtmr2: known.rtmr2 },
    events: Object.fromEntries(Object.entries(events).map(([name, all]) => [name, all.map(eventDocument)])),
    missing: rtmr0 === null ? [NO_ACPI] : [],
  };
}

function eventDocument({ name, digest, from }: PredictedEvent): Json {
  return { name, digest: toHex(digest), from };
}
