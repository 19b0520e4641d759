import type { SnpStrictViolation } from '../../attestation/index.ts';
import { labelled, printable, table } from '../output.ts';
import type { VerifyResponse } from './response.ts';
import { partsOf, type SnpTcbDocument } from './snp-tcb.ts';
import { WORDS_OF_SNP_VIOLATION } from './words-snp.ts';

const LABEL_WIDTH = 13;
const COLUMNS = ['reported', 'current', 'committed', 'launch', 'minimum'] as const;

/** The TCB of a report, part by part: what signs, what runs, what can't be rolled back, what the guest started on. */
export function snpTcbLines({ tcb }: VerifyResponse, width: number): string[] {
  const document = tcb as unknown as SnpTcbDocument | null;
  if (document === null) return [];
  const { platform, tcbDate } = document;
  const rows = partsOf(platform.reported).map((part) => [
    part,
    ...COLUMNS.map((column) => String(platform[column]?.[part] ?? 'none')),
  ]);
  const lines = [printable(table([[`${platform.line} TCB`, ...COLUMNS.slice(0, -1), 'least'], ...rows], width))];
  if (tcbDate !== null) lines.push(labelled('  floor', `of ${tcbDate}`, width, 2, LABEL_WIDTH));
  return lines;
}

/** What a report says about its guest and host that a policy refuses unless it is told otherwise. */
export function snpNotes({ claims }: VerifyResponse): string[] {
  const violations = (claims.strictPolicyViolations ?? []) as readonly SnpStrictViolation[];
  const said = violations.map((violation) => WORDS_OF_SNP_VIOLATION[violation]);
  if (claims.boundTo === 'provider') {
    said.push(
      `signed by the key of a cloud provider (${String(claims.cspId)}): any host of its region can make such a report`,
    );
  }
  if (claims.boundTo === 'signatureAlone') said.push('CHIP_ID is masked: which chip made it is not known');
  return said;
}
