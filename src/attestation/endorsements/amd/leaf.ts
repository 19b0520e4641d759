import { type Bytes, CodedError, DER_TAG, DerReader, fromUtf8, type X509Certificate } from '../../../core/index.ts';
import type { SnpTcb, SnpTcbPart } from '../../evidence/snp/index.ts';

const ARC = '1.3.6.1.4.1.3704.1';
/** AMD 57230: the SPLs of a VCEK or VLEK. */
const SPL: Readonly<Record<SnpTcbPart, string>> = {
  bootloader: `${ARC}.3.1`,
  tee: `${ARC}.3.2`,
  snp: `${ARC}.3.3`,
  microcode: `${ARC}.3.8`,
  fmc: `${ARC}.3.9`,
};
const RESERVED_SPL: readonly string[] = [`${ARC}.3.4`, `${ARC}.3.5`, `${ARC}.3.6`, `${ARC}.3.7`];
const HWID_BYTES: readonly number[] = [64, 8];
const TEXT_CHARACTERS_MAX = 256;

/** What AMD states in the extensions of a VCEK or VLEK (AMD 57230, arc 1.3.6.1.4.1.3704.1). */
export type AmdLeafFacts = Readonly<{
  structVersion: number;
  /** The product line, or line and stepping (`Milan-B0`) in early certificates. */
  productName: string;
  /** The levels that the certificate has; which ones it must have goes by product line. */
  tcb: SnpTcb;
  /** 64 or 8 bytes; null in a VLEK. */
  hwid: Bytes | null;
  /** The cloud provider that a VLEK was made for; null in a VCEK. */
  cspId: string | null;
}>;

/**
 * Reads AMD's extensions of a leaf. Integers are DER-minimal, 0 to 255; reserved levels are zero where present.
 * @throws CodedError CERTIFICATE_MALFORMED
 */
export function readAmdLeaf(certificate: X509Certificate): AmdLeafFacts {
  try {
    const structVersion = integer(certificate, `${ARC}.1`);
    const productName = text(certificate, `${ARC}.2`);
    if (structVersion === null || productName === null) throw malformed('struct version or product name is absent');
    const tcb: Partial<Record<SnpTcbPart, number>> = {};
    for (const [part, id] of Object.entries(SPL)) {
      const level = integer(certificate, id);
      if (level !== null) tcb[part as SnpTcbPart] = level;
    }
    for (const id of RESERVED_SPL) if ((integer(certificate, id) ?? 0) !== 0) throw malformed(`${id} is not zero`);
    return { structVersion, productName, tcb, hwid: hwidOf(certificate), cspId: text(certificate, `${ARC}.5`) };
  } catch (cause) {
    if (!(cause instanceof CodedError) || cause.code === 'CERTIFICATE_MALFORMED') throw cause;
    throw new CodedError('CERTIFICATE_MALFORMED', `AMD certificate: ${cause.message}`, cause.facts, { cause });
  }
}

function malformed(why: string): CodedError {
  return new CodedError('CERTIFICATE_MALFORMED', `AMD certificate: ${why}`);
}

function integer(certificate: X509Certificate, id: string): number | null {
  const extension = certificate.extensions.get(id);
  if (extension === undefined) return null;
  const reader = new DerReader(extension.value, id);
  const value = reader.smallInteger('value', 255);
  reader.end();
  return value;
}

function text(certificate: X509Certificate, id: string): string | null {
  const extension = certificate.extensions.get(id);
  if (extension === undefined) return null;
  const reader = new DerReader(extension.value, id);
  const value = fromUtf8(reader.content('value', DER_TAG.ia5String), id);
  reader.end();
  // Printable ASCII: the text goes into messages and claims.
  if (value.length > TEXT_CHARACTERS_MAX || !/^[\x20-\x7e]+$/.test(value)) throw malformed(`${id} is not plain text`);
  return value;
}

/** Raw bytes without a tag, or wrapped: decided by length alone, since a HWID may begin with any byte. */
function hwidOf(certificate: X509Certificate): Bytes | null {
  const value = certificate.extensions.get(`${ARC}.4`)?.value;
  if (value === undefined) return null;
  if (HWID_BYTES.includes(value.length)) return value;
  const isWrapped = HWID_BYTES.includes(value.length - 2) && value[0] === DER_TAG.octetString;
  if (isWrapped && value[1] === value.length - 2) return new Uint8Array(value.subarray(2));
  throw malformed('HWID has neither 64 nor 8 bytes');
}

/** The line part of a product name: steppings in certificates have been wrong, and are not compared. */
export function lineOfProductName(productName: string): string {
  return productName.split('-', 1)[0] as string;
}
