import { sha256 } from '#crypto';
import { canonicalJsonBytes, toHex, type UnixSeconds } from '../../core/index.ts';
import type { ParsedSnpReport } from '../evidence/snp/index.ts';
import type { TdReport } from '../evidence/tdx/index.ts';
import { type Check, check, failed } from '../verify/index.ts';
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

const REFUSED = 'EVIDENCE_REFUSED_BY_POLICY';
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

/** When an image stops being accepted; null for one that does not, and for none. */
export function acceptedUntil(image: ReferenceImage | SnpReferenceImage | undefined): UnixSeconds | null {
  const end = image?.acceptedUntil;
  return end === undefined ? null : Math.floor(Date.parse(end) / 1000);
}

/** The end of what ends first; null where what is vouched for has no end that is known. */
export function earlier(vouched: UnixSeconds | null, accepted: UnixSeconds | null): UnixSeconds | null {
  return vouched === null || accepted === null ? vouched : Math.min(vouched, accepted);
}

/**
 * Whether the measurements are those of an image that the policy accepts now.
 * @param images how many the policy names
 */
export function imageCheck(
  image: ReferenceImage | SnpReferenceImage | undefined,
  images: number,
  what: string,
  now: UnixSeconds,
): Check {
  if (image === undefined) {
    const none =
      images === 0 ? 'the policy names no image, so it accepts none' : `${what} none of the policy's ${images} images`;
    return failed(REFUSED, none);
  }
  const end = acceptedUntil(image);
  return check(end === null || now < end, REFUSED, `the image ${image.name} was accepted until ${image.acceptedUntil}`);
}

/** How a log names an image, for people and for the entry that registers it: `tdx:NAME@VERSION`. */
export function imageReference(tee: PolicyImage['tee'], image: ReferenceImage | SnpReferenceImage | undefined) {
  if (image === undefined) return null;
  const { name, version } = policyImage(tee, image);
  return `${name}@${version}`;
}

function policyImage(tee: PolicyImage['tee'], image: ReferenceImage | SnpReferenceImage): PolicyImage {
  const { name, acceptedUntil: _, ...measurements } = image;
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
