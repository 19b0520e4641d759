import { type Bytes, labelledDigest, utf8 } from '../../../core/index.ts';
import type { TdReport } from './td-report.ts';

/**
 * `H("image", tee, fields)` of the registry (contracts section 1.1) for a TD: MRTD, RTMR0 to RTMR2, MRCONFIGID, MROWNER,
 * MROWNERCONFIG, TDATTRIBUTES, XFAM. RTMR3 changes at each boot and is checked by replay. 32 bytes.
 */
export function tdxImageDigest(report: TdReport): Bytes {
  return labelledDigest(
    'image',
    utf8('tdx'),
    report.mrTd,
    report.rtmr0,
    report.rtmr1,
    report.rtmr2,
    report.mrConfigId,
    report.mrOwner,
    report.mrOwnerConfig,
    report.tdAttributes,
    report.xfam,
  );
}
