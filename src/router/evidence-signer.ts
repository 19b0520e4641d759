import { evidenceDigest, parseEvidenceBundle } from '../attestation/index.ts';
import { type Bytes, CodedError, equalBytes, KIND_OF_CODE, workerId } from '../core/index.ts';
import { type EvidenceMessage, parseEpochCertificate, verifyEpochSignature } from '../session/index.ts';

/**
 * The worker whose identity key signed the epoch certificate that comes with evidence, where it speaks of this very
 * evidence; null for any other certificate. What the evidence is worth is another question.
 */
export async function signerOf({ bundle, epochCertificate, epochSignature }: EvidenceMessage): Promise<Bytes | null> {
  try {
    const parsed = parseEvidenceBundle(bundle);
    const { identityKey } = parsed.keyset;
    const certificate = parseEpochCertificate(epochCertificate);
    const isOurs =
      equalBytes(certificate.workerId, workerId(identityKey)) &&
      equalBytes(certificate.evidenceDigest, evidenceDigest(parsed)) &&
      (await verifyEpochSignature(identityKey, epochCertificate, epochSignature));
    return isOurs ? certificate.workerId : null;
  } catch (error) {
    if (error instanceof CodedError && KIND_OF_CODE[error.code] === 'rejected') return null;
    throw error;
  }
}
