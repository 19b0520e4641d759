import { CodedError, type X509Certificate } from '../../core/index.ts';
import type { Judged } from '../endorsements/index.ts';
import type { Parts, Window } from './document.ts';

/** What was judged, where it is good. @throws CodedError for what is wrong with it; a part that is not what its name says counts */
export function genuine<T>(judged: Judged<T>): T {
  if (judged.state === 'ok') return judged.value;
  if (judged.state === 'missing') throw new CodedError('ENDORSEMENT_CHAIN_INVALID', judged.reason);
  // Chains are verified as evidence is; these are endorsements.
  const code = judged.code === 'EVIDENCE_CHAIN_INVALID' ? 'ENDORSEMENT_CHAIN_INVALID' : judged.code;
  throw new CodedError(code, judged.reason);
}

export const mismatch = (why: string) => new CodedError('ENDORSEMENT_CHAIN_INVALID', `the document ${why}`);

/** Ids and parts also come from bundles, which anybody may have written. */
export function wellFormed(idHolds: boolean, parts: Parts, names: readonly string[]): void {
  if (!idHolds) throw new CodedError('ENDORSEMENT_MALFORMED', 'the id of a document is malformed');
  const given = Object.keys(parts);
  if (given.length !== names.length || !names.every((name) => Object.hasOwn(parts, name))) {
    throw new CodedError('ENDORSEMENT_MALFORMED', `a document of this kind has the parts ${names.join(', ')}`);
  }
}

export const windowOfCertificate = (certificate: Pick<X509Certificate, 'notBefore' | 'notAfter'>): Window => ({
  from: certificate.notBefore,
  until: certificate.notAfter,
});
