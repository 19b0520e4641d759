import { z } from 'zod';
import { hex, listOf } from './schema.ts';

/** Decimal numbers in two to four parts: `550.127.05`. */
const DriverVersion = z.string().regex(/^\d{1,5}(\.\d{1,5}){1,3}$/, 'a version like 550.127.05');
/** Five bytes: `96.00.9F.00.01`. */
const FirmwareVersion = z.string().regex(/^[0-9A-F]{2}(\.[0-9A-F]{2}){4}$/, 'a version like 96.00.9F.00.01');

/** Least versions of one architecture: genuine manifests of old, broken firmware stay genuine. */
const Floors = z.strictObject({
  driverMin: DriverVersion,
  vbiosMin: FirmwareVersion,
  driversDenied: listOf(DriverVersion),
});

/** Which GPU evidence a relying party accepts. What it can't say: a GPU without manifests, without a firmware id, revoked. */
export const Gpu = z.strictObject({
  evidence: z.enum(['required', 'not-required']),
  /** Null refuses the architecture. */
  architectures: z.strictObject({ HOPPER: Floors.nullable(), BLACKWELL: Floors.nullable() }),
  /** Least BIOS of NVSwitches; null refuses them. */
  switchBiosMin: FirmwareVersion.nullable(),
  gpusMin: z.int().min(1).max(16),
  gpusMax: z.int().min(1).max(16),
  /** Modes that a GPU may say it is in; `unstated` is a driver before 580 outside protected PCIe. */
  modes: listOf(z.enum(['spt', 'mpt', 'ppcie', 'unstated'])),
  /** `prefer` takes GPUs about whose revocation nothing is known, and says so. */
  revocation: z.enum(['require', 'prefer']),
  /** Serial numbers of the devices' own CAs, or any genuine device. */
  devices: z.union([z.literal('any'), listOf(hex(9))]),
  devicesDenied: listOf(hex(9)),
});
export type GpuPolicy = Readonly<z.infer<typeof Gpu>>;
