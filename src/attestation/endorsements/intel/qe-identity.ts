import { type Bytes, CodedError, type Json, parseStrictJson, type UnixSeconds } from '../../../core/index.ts';
import { DocumentFields } from './document-fields.ts';
import { parseSvnLevels, type SvnLevel } from './tcb-info.ts';

/** Intel's identity of the TD quoting enclave, version 2: which enclave may certify attestation keys. */
export type TdQeIdentity = Readonly<{
  issueDate: UnixSeconds;
  nextUpdate: UnixSeconds;
  evaluationNumber: number;
  mrSigner: Bytes;
  isvProdId: number;
  miscSelect: Bytes;
  miscSelectMask: Bytes;
  attributes: Bytes;
  attributesMask: Bytes;
  /** Descending by isvsvn. */
  levels: readonly SvnLevel[];
}>;

/**
 * Parses Intel's enclave identity (PCS API v4, V2) of the TD quoting enclave, strictly. Its siblings (QE, QVE, QAE) are
 * signed by the same key and refused here.
 * @param text the exact signed text
 * @throws CodedError ENDORSEMENT_MALFORMED
 */
export function parseTdQeIdentity(text: string): TdQeIdentity {
  return tdQeIdentityOf(parseStrictJson(text, 'qe_identity'));
}

/** {@link parseTdQeIdentity} of a text that is parsed already. */
export function tdQeIdentityOf(document: Json): TdQeIdentity {
  const fields = new DocumentFields(document, 'qe_identity');
  fields.oneOf('id', ['TD_QE']);
  if (fields.integer('version', 1000) !== 2) {
    throw new CodedError('ENDORSEMENT_MALFORMED', 'qe_identity.version: not 2');
  }
  return {
    issueDate: fields.date('issueDate'),
    nextUpdate: fields.date('nextUpdate'),
    evaluationNumber: fields.integer('tcbEvaluationDataNumber', 2 ** 31),
    mrSigner: fields.hex('mrsigner', 32),
    isvProdId: fields.integer('isvprodid', 65_535),
    miscSelect: fields.hex('miscselect', 4),
    miscSelectMask: fields.hex('miscselectMask', 4),
    attributes: fields.hex('attributes', 16),
    attributesMask: fields.hex('attributesMask', 16),
    levels: parseSvnLevels(fields, 65_535),
  };
}
