import { CodedError } from '../../core/index.ts';
import { type SnpLine, type SnpTcb, type SnpTcbPart, tcbPartsOf } from '../evidence/snp/index.ts';

/** VCEK: a chip's own key. VLEK: a cloud provider's, whose leaves the service does not give out. */
export type AmdEndorsementKey = 'vcek' | 'vlek';

/** Query parameter of each part (AMD 57230). */
export const KDS_QUERY: Readonly<Record<SnpTcbPart, string>> = {
  fmc: 'fmcSPL',
  bootloader: 'blSPL',
  tee: 'teeSPL',
  snp: 'snpSPL',
  microcode: 'ucodeSPL',
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
