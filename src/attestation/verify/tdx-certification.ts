import { Cursor, equalBytes, fromUtf8, parsePem } from '../../core/index.ts';
import {
  CHAIN_CERTIFICATES_MAX,
  type IntelEndorsements,
  type Judged,
  judgeParse,
  missing,
  ok,
  type PckIdentity,
  wrong,
} from '../endorsements/index.ts';
import { type ParsedTdxQuote, PPID_BYTES } from '../evidence/tdx/index.ts';

/**
 * The PEM chain of the quote's PCK leaf: its own where it carries one (type 5), else the caller's. A quote that only
 * names its platform (types 1 to 3) or carries the leaf alone (type 4) cannot be judged without.
 */
export function pckChainText(quote: ParsedTdxQuote, from: IntelEndorsements): Judged<string> {
  const type = quote.certificationType;
  if (type === 5) return decoded(quote);
  const text = type === 4 ? decoded(quote) : null;
  if (text?.state === 'failed') return text;
  const leaf = text?.state === 'ok' ? firstCertificate(text.value, 'certification data', 1) : null;
  if (leaf?.state === 'failed') return wrong('EVIDENCE_MALFORMED', leaf.reason);
  const chain = from.pckCertificateChain;
  if (chain === null) {
    return missing(`pck_certificate_chain is missing, and certification data of type ${type} has none`);
  }
  if (leaf?.state !== 'ok') return ok(chain);
  const first = firstCertificate(chain, 'pck_certificate_chain', CHAIN_CERTIFICATES_MAX);
  if (first.state !== 'ok') return first;
  if (equalBytes(first.value, leaf.value)) return ok(chain);
  return wrong('EVIDENCE_PLATFORM_MISMATCH', 'pck_certificate_chain begins with another leaf');
}

function decoded(quote: ParsedTdxQuote): Judged<string> {
  const text = judgeParse('certification data', () => fromUtf8(quote.certificationData, 'certification data'));
  return text.state === 'failed' ? wrong('EVIDENCE_MALFORMED', text.reason) : text;
}

/** The first certificate of a PEM text, DER. */
function firstCertificate(pem: string, field: string, certificatesMax: number): Judged<Uint8Array> {
  const parsed = judgeParse(field, () => parsePem(pem, 'CERTIFICATE', certificatesMax, field));
  if (parsed.state !== 'ok') return parsed;
  const [first] = parsed.value;
  return first === undefined ? wrong('EVIDENCE_MALFORMED', `${field}: no certificate`) : ok(first);
}

/** Why the certification data of types 1 to 3 names another platform than the chain certifies, or null. */
export function whyNotCertified(quote: ParsedTdxQuote, pck: PckIdentity): string | null {
  const type = quote.certificationType;
  if (type === 4 || type === 5) return null;
  const cursor = new Cursor(quote.certificationData, 'tdx.CERTIFICATION_DATA');
  const ppid = cursor.bytes('PPID', PPID_BYTES[type]);
  const cpuSvn = cursor.bytes('CPUSVN', 16);
  const pceSvn = cursor.u16('PCESVN');
  const pceId = cursor.left === 0 ? null : cursor.bytes('PCEID', 2);
  cursor.end();
  if (type === 1 && !equalBytes(ppid, pck.ppid)) return 'the PPID is not that of the PCK leaf';
  if (!equalBytes(cpuSvn, pck.cpuSvn) || pceSvn !== pck.pceSvn) return 'the SVNs are not those of the PCK leaf';
  return pceId === null || equalBytes(pceId, pck.pceId) ? null : 'the PCEID is not that of the PCK leaf';
}
