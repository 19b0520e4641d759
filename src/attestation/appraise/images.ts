import { sha256 } from '#crypto';
import { canonicalJsonBytes, toHex } from '../../core/index.ts';
import type { ParsedSnpReport } from '../evidence/snp/index.ts';
import type { TdReport } from '../evidence/tdx/index.ts';
import type { Policy } from './policy.ts';
import type { SnpPolicy } from './snp-schema.ts';
import type { ReferenceImage } from './tdx-schema.ts';

export type SnpReferenceImage = SnpPolicy['images'][number];

/**
 * An image that a policy names. @property version SHA-256 of its Reference Values as canonical JSON without the name, in hex:
 * another measurement is another version @property measurements those values, hex by field
 */
export type PolicyImage = Readonly<{
  tee: 'tdx' | 'sev-snp';
  name: string;
  version: string;
  measurements: Readonly<Record<string, string>>;
}>;

const SNP_FIELDS = ['measurement', 'hostData', 'familyId', 'imageId', 'idKeyDigest', 'authorKeyDigest'] as const;

/** The image whose every register the TD has; registers of two images never mix. */
export function tdxImageOf(images: readonly ReferenceImage[], report: TdReport): ReferenceImage | undefined {
  return images.find(
    (image) =>
      image.mrTd === toHex(report.mrTd) &&
      image.rtmr0 === toHex(report.rtmr0) &&
      image.rtmr1 === toHex(report.rtmr1) &&
      image.rtmr2 === toHex(report.rtmr2) &&
      image.mrConfigId === toHex(report.mrConfigId) &&
      image.mrOwner === toHex(report.mrOwner) &&
      image.mrOwnerConfig === toHex(report.mrOwnerConfig),
  );
}

/** The image whose every value the guest has. */
export function snpImageOf(
  images: readonly SnpReferenceImage[],
  report: ParsedSnpReport,
): SnpReferenceImage | undefined {
  return images.find((image) => SNP_FIELDS.every((field) => image[field] === toHex(report[field])));
}

/** How a log names an image, for people and for the entry that registers it: `tdx:NAME@VERSION`. */
export function imageReference(tee: PolicyImage['tee'], image: ReferenceImage | SnpReferenceImage | undefined) {
  if (image === undefined) return null;
  const { name, version } = policyImage(tee, image);
  return `${name}@${version}`;
}

function policyImage(tee: PolicyImage['tee'], image: ReferenceImage | SnpReferenceImage): PolicyImage {
  const { name, ...measurements } = image;
  const version = toHex(sha256(canonicalJsonBytes({ tee, ...measurements })));
  return { tee, name: `${tee}:${name}`, version, measurements };
}

/** The images of a policy, for those kinds of machine that it accepts. */
export function policyImages({ tees, tdx, sevSnp }: Policy): readonly PolicyImage[] {
  return [
    ...(tees.includes('tdx') ? tdx.images.map((image) => policyImage('tdx', image)) : []),
    ...(tees.includes('sev-snp') ? sevSnp.images.map((image) => policyImage('sev-snp', image)) : []),
  ];
}
