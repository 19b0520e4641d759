import {
  type Bytes,
  CodedError,
  type NonceProof,
  parseNonceProof,
  routerNonceInput,
  type UnixMs,
} from '../core/index.ts';
import type { EvidenceMessage } from '../session/index.ts';
import type { KnownBeacon } from './ports.ts';

/** Of the key that signed a quote: old and new, where a host's firmware has just been updated, and room. */
export const CERTIFICATES_MAX = 4;

/** Evidence and the challenge that it is held against. */
export type Answer = Readonly<{
  evidence: EvidenceMessage;
  challenge: Bytes;
  nonce: Readonly<{ input: Bytes; proof: NonceProof }>;
  source: KnownBeacon;
  /** When it was judged for the first time; null where that is now. */
  attestedAt: UnixMs | null;
}>;

/** @throws CodedError EVIDENCE_TOO_LARGE, or for a proof that cannot be read */
export function answerTo(
  { nonce, source }: Readonly<{ nonce: Bytes; source: KnownBeacon }>,
  evidence: EvidenceMessage,
  attestedAt: UnixMs | null,
): Answer {
  if (evidence.certificates.length > CERTIFICATES_MAX) {
    throw new CodedError('EVIDENCE_TOO_LARGE', `at most ${CERTIFICATES_MAX} certificates come with evidence`);
  }
  const proof = parseNonceProof(evidence.nonceProof);
  return { evidence, challenge: nonce, nonce: { input: routerNonceInput(nonce), proof }, source, attestedAt };
}
