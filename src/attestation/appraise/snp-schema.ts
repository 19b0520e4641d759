import { z } from 'zod';
import { AcceptedUntil, hex, listOf } from './schema.ts';

/** Reference Values of one guest, accepted as a tuple. Without an ID block its four fields are zero. */
const SnpImage = z.strictObject({
  name: z.string().min(1).max(64),
  measurement: hex(48),
  hostData: hex(32),
  familyId: hex(16),
  imageId: hex(16),
  idKeyDigest: hex(48),
  authorKeyDigest: hex(48),
  acceptedUntil: AcceptedUntil,
});

const byte = z.int().min(0).max(255);
const MINIMUM = { bootloader: byte, tee: byte, snp: byte, microcode: byte };

/** One product line: null refuses it altogether, and no line is accepted without a dated floor. */
function lineRule<T extends z.ZodRawShape>(minimum: T) {
  return z
    .strictObject({
      /** Reported, committed and launch TCB must reach it part by part. */
      tcbMinimum: z.strictObject(minimum),
      /** When this floor was chosen: the result says it, so that a stale one is seen. */
      minimumDate: z.iso.date(),
      /** Least version of the SEV firmware, compared as (major, minor, build). */
      firmwareMin: z.strictObject({ major: byte, minor: byte, build: byte }),
    })
    .nullable();
}

/** Bits of GUEST_POLICY and PLATFORM_INFO that a policy may demand. */
const GuestRequirement = z.enum([
  'SINGLE_SOCKET',
  'MEM_AES_256_XTS',
  'RAPL_DIS',
  'CIPHERTEXT_HIDING',
  'PAGE_SWAP_DISABLE',
]);
const PlatformRequirement = z.enum([
  'TSME_EN',
  'ECC_EN',
  'RAPL_DIS',
  'CIPHERTEXT_HIDING_EN',
  'IOMMU_WRITE_SAFE',
  'TIO_EN',
]);

const CHIP = hex(64);

/** What a policy says of SEV-SNP guests and their hosts; fields as in AMD 56860, ATTESTATION_REPORT. */
export const Snp = z.strictObject({
  images: listOf(SnpImage),
  /** SNP has no register for events: the measured image alone must keep others from the report device. */
  identityBinding: z.literal('image-rule'),
  lines: z.strictObject({
    Milan: lineRule(MINIMUM),
    Genoa: lineRule(MINIMUM),
    Turin: lineRule({ fmc: byte, ...MINIMUM }),
  }),
  guestPolicy: z.strictObject({
    debug: z.literal('refuse'),
    migrateMa: z.literal('refuse'),
    smt: z.enum(['allow', 'refuse']),
    cxl: z.enum(['allow', 'refuse']),
    require: listOf(GuestRequirement),
    abiMin: z.strictObject({ major: byte, minor: byte }),
  }),
  platformInfo: z.strictObject({
    /** Whether memory aliasing must have been looked for (CVE-2024-21944); older firmware does not say. */
    aliasCheck: z.enum(['require', 'not-required']),
    require: listOf(PlatformRequirement),
  }),
  /** The one VMPL at which the report must have been asked for. */
  vmpl: z.int().min(0).max(3),
  guestSvnMin: z
    .int()
    .min(0)
    .max(2 ** 32 - 1),
  /** Firmware whose committed and current versions differ can be rolled back. */
  provisionalFirmware: z.enum(['refuse', 'allow']),
  /** Bits that both mitigation vectors must have set, 64 bits; anything but zero refuses reports before version 5. */
  mitigations: hex(8),
  /** CHIP_IDs, 64 bytes each, or any genuine chip. */
  chips: z.union([z.literal('any'), listOf(CHIP)]),
  chipsDenied: listOf(CHIP),
  /** Whether a report is accepted that the signature alone binds to a chip. Refused where `chips` lists some. */
  maskedChipId: z.enum(['refuse', 'allow']),
  /** CSP_IDs whose VLEKs are accepted: any host of such a provider can make a report. Empty: VCEKs alone. */
  cloudProviders: listOf(z.string().min(1).max(256)),
});

export type SnpPolicy = Readonly<z.infer<typeof Snp>>;
