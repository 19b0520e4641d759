import { CodedError, Cursor, equalBytes, fromUtf8 } from '../../core/index.ts';
import {
  type IntelEndorsements,
  type Judged,
  judgeParse,
  missing,
  ok,
  type PckIdentity,
  wrong,
} from '../endorsements/index.ts';
import type { ParsedTdxQuote } from '../evidence/tdx/index.ts';

/** Bytes of the PPID, plain or encrypted, by certification data type (Intel DCAP quote format). */
const PPID_BYTES = { 1: 16, 2: 256, 3: 384 } as const;

/**
 * The PEM chain of the quote's PCK leaf: its own where it carries one (type 5), else the caller's. A quote that only
 * names its platform (types 1 to 3) or carries the leaf alone (type 4) cannot be judged without.
 */
export function pckChainText(quote: ParsedTdxQuote, from: IntelEndorsements): Judged<string> {
  const isChain = quote.certificationType === 5;
  if (isChain) return decoded(quote);
  if (from.pckCertificateChain === null) {
    return missing(
      `pck_certificate_chain is missing, and certification data of type ${quote.certificationType} has none`,
    );
  }
  if (quote.certificationType !== 4) return ok(from.pckCertificateChain);
  const leaf = decoded(quote);
  if (leaf.state !== 'ok') return leaf;
  const isSameLeaf = from.pckCertificateChain.startsWith(leaf.value.replace(/[\r\n\0]+$/, ''));
  if (!isSameLeaf) return wrong('EVIDENCE_PLATFORM_MISMATCH', 'pck_certificate_chain begins with another leaf');
  return ok(from.pckCertificateChain);
}

function decoded(quote: ParsedTdxQuote): Judged<string> {
  const text = judgeParse('certification data', () => fromUtf8(quote.certificationData, 'certification data'));
  return text.state === 'failed' ? wrong('EVIDENCE_MALFORMED', text.reason) : text;
}

/** Why the certification data of types 1 to 3 names another platform than the chain certifies, or null. */
export function whyNotCertified(quote: ParsedTdxQuote, pck: PckIdentity): string | null {
  const type = quote.certificationType;
  if (type === 4 || type === 5) return null;
  try {
    const cursor = new Cursor(quote.certificationData, 'tdx.CERTIFICATION_DATA');
    const ppid = cursor.bytes('PPID', PPID_BYTES[type]);
    const cpuSvn = cursor.bytes('CPUSVN', 16);
    const pceSvn = cursor.u16('PCESVN');
    const pceId = cursor.left === 0 ? null : cursor.bytes('PCEID', 2);
    cursor.end();
    if (type === 1 && !equalBytes(ppid, pck.ppid)) return 'the PPID is not that of the PCK leaf';
    if (!equalBytes(cpuSvn, pck.cpuSvn) || pceSvn !== pck.pceSvn) return 'the SVNs are not those of the PCK leaf';
    return pceId === null || equalBytes(pceId, pck.pceId) ? null : 'the PCEID is not that of the PCK leaf';
  } catch (error) {
    if (error instanceof CodedError) return error.message;
    throw error;
  }
}
