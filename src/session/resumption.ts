import type { SigningKey } from '#crypto';
import { type Bytes, labelledDigest } from '../core/index.ts';
import { signDigest, verifyDigest } from './objects.ts';

/** Why a worker that came back has to prove itself anew, which it always may. Told to it, and counted. */
const ANEW = {
  ticket: 'this router has no such ticket',
  proof: 'the identity key did not sign for this challenge and this evidence',
  identity: 'a worker with this identity is attached',
  lease: 'the lease is over',
  clock: 'the clock of the router is behind the ticket',
  log: 'the log does not say that it left for no fault of its own, and nothing since',
  device: 'one of its devices backs another worker',
  judgement: 'the evidence would not be accepted now',
  unavailable: 'it could not be found out',
} as const;
export type Anew = keyof typeof ANEW;

/** What a worker keeps of a router for later. */
export const TICKET_BYTES_MAX = 1024;

/** The words for what a router said. */
export function whyAnew(code: string): string {
  return Object.hasOwn(ANEW, code) ? ANEW[code as Anew] : 'the router does not say why';
}

/** What the identity key signs on a new connection: its challenge, what it shows, and the certificate it goes on with. */
export type Resumption = Readonly<{ nonce: Uint8Array; ticket: Uint8Array; certificateDigest: Uint8Array }>;

const digestOf = ({ nonce, ticket, certificateDigest }: Resumption): Bytes =>
  labelledDigest('resume', nonce, ticket, certificateDigest);

/** `Sign(IK, "resume", challenge nonce, ticket, ec_digest)`. IK exists in one boot alone, so whoever signs is that boot. */
export function signResumption(identityKey: SigningKey, resumption: Resumption): Promise<Bytes> {
  return signDigest(identityKey, digestOf(resumption));
}

export function verifyResumption(
  identityKey: Uint8Array,
  resumption: Resumption,
  signature: Uint8Array,
): Promise<boolean> {
  return verifyDigest(identityKey, digestOf(resumption), signature);
}
