import { type Bytes, fromBase64 } from '../bytes.ts';
import { CodedError } from '../errors.ts';

export type PemLabel = 'CERTIFICATE' | 'X509 CRL';

const LINE_CHARACTERS_MAX = 76;

/**
 * The blocks of a PEM text (RFC 7468), all with one label. Strict: nothing but blocks, each line base64, canonical
 * padding; NUL bytes and line ends are tolerated after the last block only, blank lines between blocks.
 * @throws CodedError ENCODING_INVALID; EVIDENCE_TOO_LARGE beyond `blocksMax`
 */
export function parsePem(text: string, label: PemLabel, blocksMax: number, field = 'pem'): Bytes[] {
  const wrong = (line: number, why: string) =>
    new CodedError('ENCODING_INVALID', `${field}, line ${line}: ${why}`, { field, line });
  const lines = text.replace(/[\r\n\0]+$/, '').split(/\r?\n/);
  const blocks: Bytes[] = [];
  for (let i = 0; i < lines.length; i++) {
    if (lines[i] === '' && blocks.length > 0) continue;
    if (lines[i] !== `-----BEGIN ${label}-----`) throw wrong(i + 1, `not the start of a ${label} block`);
    if (blocks.length === blocksMax) {
      throw new CodedError('EVIDENCE_TOO_LARGE', `${field}: more than ${blocksMax} blocks`, { field, blocksMax });
    }
    const body: string[] = [];
    for (i++; lines[i] !== `-----END ${label}-----`; i++) {
      const line = lines[i];
      if (line === undefined) throw wrong(i, 'a block without end');
      // What stands in a line is for the decoder, which takes base64 alone; padding begins no line.
      if (line === '' || line.length > LINE_CHARACTERS_MAX || line.startsWith('=')) throw wrong(i + 1, 'not base64');
      body.push(line);
    }
    blocks.push(fromBase64(body.join(''), field));
  }
  return blocks;
}
