import { CodedError, parseCrl, parseOcspResponse, type X509Crl, type X509OcspResponse } from '../../../core/index.ts';
import { type Judged, judgeParse, ok, wrong } from '../judged.ts';

export const REVOCATIONS_MAX = 256;

/** OCSP responses and revocation lists, parsed, from whoever had them: each is signed, so that the source does not matter. */
export type NvidiaRevocations = Readonly<{
  responses: readonly X509OcspResponse[];
  crls: readonly X509Crl[];
  /** Responders that answered with an error status, which says nothing of any certificate. */
  unsuccessful: readonly string[];
}>;

export const NO_REVOCATIONS: NvidiaRevocations = { responses: [], crls: [], unsuccessful: [] };

/** @param ocsp responses, DER @param crls DER */
export function loadNvidiaRevocations(
  ocsp: readonly Uint8Array[],
  crls: readonly Uint8Array[],
): Judged<NvidiaRevocations> {
  if (ocsp.length + crls.length > REVOCATIONS_MAX) {
    return wrong('EVIDENCE_TOO_LARGE', `more than ${REVOCATIONS_MAX} OCSP responses and revocation lists`);
  }
  const responses: X509OcspResponse[] = [];
  const unsuccessful: string[] = [];
  for (const der of ocsp) {
    try {
      responses.push(parseOcspResponse(der));
    } catch (error) {
      if (!(error instanceof CodedError) || error.code === 'INVARIANT_BROKEN') throw error;
      if (error.code !== 'OCSP_UNSUCCESSFUL') return wrong(error.code, error.message);
      unsuccessful.push(error.message);
    }
  }
  const lists = judgeParse('revocation list', () => crls.map(parseCrl));
  return lists.state === 'ok' ? ok({ responses, crls: lists.value, unsuccessful }) : lists;
}
