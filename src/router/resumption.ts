import { evidenceDigest, parseEvidenceBundle } from '../attestation/index.ts';
import { equalBytes, toHex } from '../core/index.ts';
import { isHarmless, type Leaf } from '../log/index.ts';
import { type Anew, epochCertificateDigest, type ResumeMessage, verifyResumption } from '../session/index.ts';
import type { AdmissionDeps } from './admission-deps.ts';
import type { Challenge } from './challenges.ts';
import { signerOf } from './evidence-signer.ts';
import { leafOf } from './left-over.ts';
import type { Ticket } from './tickets.ts';

type ResumptionDeps = Pick<AdmissionDeps, 'log' | 'source' | 'tickets' | 'evictions' | 'isAlone' | 'now'>;

/**
 * What a worker shows on a new connection: a ticket of this very router, the evidence that the ticket speaks of, and that
 * it holds the identity key which that evidence attests, by a signature over this connection's challenge. What the
 * evidence is worth now is another question.
 */
export async function shownBy(
  deps: ResumptionDeps,
  challenge: Challenge,
  { ticket: sealed, evidence, signature }: ResumeMessage,
): Promise<Ticket | Anew> {
  const ticket = deps.tickets.open(sealed);
  if (ticket === null || ticket.router !== deps.source) return 'ticket';
  const signer = await signerOf(evidence);
  if (signer === null || !equalBytes(signer, ticket.workerId)) return 'proof';
  const parsed = parseEvidenceBundle(evidence.bundle);
  if (!equalBytes(evidenceDigest(parsed), ticket.evidenceDigest)) return 'proof';
  const signed = {
    nonce: challenge.nonce,
    ticket: sealed,
    certificateDigest: epochCertificateDigest(evidence.epochCertificate),
  };
  if (!(await verifyResumption(parsed.keyset.identityKey, signed, signature))) return 'proof';
  if (deps.now() < ticket.issuedAt) return 'clock';
  return ticket.leaseUntil > deps.now() ? ticket : 'lease';
}

/**
 * The entry that ended the admission of a ticket, where nothing is held against the worker: the log says that this router
 * let it in with this evidence until then, that it left for no fault of its own, and nothing in between. Whoever goes on
 * from there names the entry as the last one about the worker, and the log refuses where it is not.
 * @returns null where the log says anything else @throws CodedError where the log is away
 */
export async function leftAt(deps: ResumptionDeps, ticket: Ticket): Promise<number | null> {
  const { log, source } = deps;
  const ended = await deps.evictions.entryOf(ticket.workerId, ticket.logIndex, deps.isAlone);
  if (ended === null) return null;
  const workerKey = `sha256:${toHex(ticket.workerId)}`;
  const [admission, eviction] = [leafOf(await log.entry(ticket.logIndex)), leafOf(await log.entry(ended))];
  const letIn =
    (admission?.type === 'worker-admitted' || admission?.type === 're-attested') &&
    admission.src === source &&
    (admission as Leaf<'worker-admitted' | 're-attested'>).body.workerKey === workerKey &&
    (admission as Leaf<'worker-admitted'>).body.evidence === `sha256:${toHex(ticket.evidenceDigest)}` &&
    (admission as Leaf<'worker-admitted'>).body.leaseUntil === ticket.leaseUntil;
  const left =
    eviction?.type === 'evicted' &&
    eviction.src === source &&
    eviction.prev === ticket.logIndex &&
    (eviction as Leaf<'evicted'>).body.workerKey === workerKey &&
    isHarmless((eviction as Leaf<'evicted'>).body.cause);
  return letIn && left ? ended : null;
}
