import { CodedError } from '../../core/index.ts';
import { type SnpLine, type SnpTcb, type SnpTcbPart, tcbPartsOf } from '../evidence/snp/index.ts';

/** VCEK: a chip's own key. VLEK: a cloud provider's, whose leaves the service does not give out. */
export type AmdEndorsementKey = 'vcek' | 'vlek';

/** Query parameter and certificate extension of each part (AMD 57230). */
export const AMD_TCB_PARTS: Readonly<Record<SnpTcbPart, { query: string; oid: string }>> = {
  fmc: { query: 'fmcSPL', oid: '1.3.6.1.4.1.3704.1.3.9' },
  bootloader: { query: 'blSPL', oid: '1.3.6.1.4.1.3704.1.3.1' },
  tee: { query: 'teeSPL', oid: '1.3.6.1.4.1.3704.1.3.2' },
  snp: { query: 'snpSPL', oid: '1.3.6.1.4.1.3704.1.3.3' },
  microcode: { query: 'ucodeSPL', oid: '1.3.6.1.4.1.3704.1.3.8' },
};

/**
 * The SVNs of a TCB in the order of its line, `3-0-8-115`, as document ids hold them.
 * @throws CodedError USAGE_INVALID for a part that is missing, not of the line or out of range
 */
export function tcbText(line: SnpLine, tcb: SnpTcb): string {
  const parts = tcbPartsOf(line);
  const invalid = () =>
    new CodedError('USAGE_INVALID', `a TCB of ${line} has the parts ${parts.join(', ')}, 0 to 255 each`);
  if (Object.keys(tcb).length !== parts.length) throw invalid();
  return parts
    .map((part) => {
      const svn = tcb[part];
      if (svn === undefined || !Number.isInteger(svn) || svn < 0 || svn > 255) throw invalid();
      return String(svn);
    })
    .join('-');
}

/** The SVNs back from {@link tcbText}, by part, or null where the text is not one. */
export function tcbOfText(line: SnpLine, text: string): ReadonlyMap<SnpTcbPart, number> | null {
  const parts = tcbPartsOf(line);
  const given = text.split('-');
  if (given.length !== parts.length || !given.every((svn) => /^(?:0|[1-9]\d{0,2})$/.test(svn) && Number(svn) < 256))
    return null;
  return new Map(parts.map((part, index) => [part, Number(given[index])]));
}
