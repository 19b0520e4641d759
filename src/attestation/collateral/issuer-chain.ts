import { CodedError, parsePem } from '../../core/index.ts';
import { CHAIN_CERTIFICATES_MAX } from '../endorsements/index.ts';
import type { HttpAnswer } from './fetcher.ts';

/** RFC 3986 section 2.3, and complete escapes; a bare `+` is refused: clients differ on whether it is a space. */
const PERCENT_ENCODED = /^(?:[A-Za-z0-9\-_.~]|%[0-9A-Fa-f]{2})+$/;
/** What PEM is made of. */
const PEM_TEXT = /^[A-Za-z0-9+/=\- \r\n]+$/;

/**
 * The PEM issuer chain that Intel's services send percent-encoded in a header (PCS API v4), under one of these names.
 * A field sent twice, or with anything but PEM certificates in it, is refused.
 * @throws CodedError ENCODING_INVALID; EVIDENCE_TOO_LARGE for too many certificates
 */
export function issuerChain(answer: HttpAnswer, names: readonly string[]): string {
  const field = names[0] as string;
  const values = names.map((name) => answer.header(name)).filter((value) => value !== null);
  const [value, another] = values;
  const invalid = (why: string) => new CodedError('ENCODING_INVALID', `header ${field}: ${why}`, { field });
  if (value === undefined) throw invalid('absent');
  if (another !== undefined) throw invalid('comes twice');
  if (!PERCENT_ENCODED.test(value)) throw invalid('not percent-encoded');
  const text = value.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  if (!PEM_TEXT.test(text)) throw invalid('not PEM');
  parsePem(text, 'CERTIFICATE', CHAIN_CERTIFICATES_MAX, `header ${field}`);
  return text;
}
