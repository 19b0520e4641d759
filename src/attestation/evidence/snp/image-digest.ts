import { type Bytes, labelledDigest, utf8 } from '../../../core/index.ts';
import type { ParsedSnpReport } from './report.ts';

const POLICY_AT = 0x008;

/**
 * `H("image", tee, fields)` of the registry (contracts section 1.1) for an SNP guest: MEASUREMENT, POLICY, HOST_DATA,
 * FAMILY_ID, IMAGE_ID, ID_KEY_DIGEST, AUTHOR_KEY_DIGEST, each as it stands in the report. 32 bytes.
 */
export function snpImageDigest(report: ParsedSnpReport): Bytes {
  return labelledDigest(
    'image',
    utf8('sev-snp'),
    report.measurement,
    report.signedBytes.subarray(POLICY_AT, POLICY_AT + 8),
    report.hostData,
    report.familyId,
    report.imageId,
    report.idKeyDigest,
    report.authorKeyDigest,
  );
}
