import {
  type ErrorCode,
  equalBytes,
  isAnswerFor,
  isCurrent,
  signedBy,
  type UnixSeconds,
  whyNotCrlOf,
  whyNotOcspOf,
  type X509Certificate,
} from '../../core/index.ts';
import type { NvidiaChain, NvidiaRevocations, VerificationCache } from '../endorsements/index.ts';
import { type Check, failed, notRun, PASSED } from './check.ts';

/**
 * Certificates of a device's chain that NVIDIA can revoke: device CA, provisioner, identity CA. The leaf is made on the
 * device, so that no responder knows it.
 */
export const DEVICE_POSITIONS = [1, 2, 3] as const;
/** Of a manifest's chain: everything below the root. */
export const MANIFEST_POSITIONS = [0, 1, 2] as const;

/** What one OCSP answer or one list says of a certificate, or why it may not say anything. */
type Word = Readonly<{ says: 'good' | 'revoked' | 'unknown' } | { refused: ErrorCode; why: string }>;

/**
 * Whether each certificate at these positions is good at `now`. Everything given that is about one of them counts and
 * the least favourable wins: revoked, also on hold; a word that may not be relied on (not signed by the issuer or its
 * responder, not in date); unknown. A certificate that nothing is about leaves the check not run.
 * @param revoked code of a refusal
 */
export async function notRevoked(
  chain: NvidiaChain,
  positions: readonly number[],
  given: NvidiaRevocations,
  cache: VerificationCache,
  now: UnixSeconds,
  revoked: 'EVIDENCE_CHAIN_REVOKED' | 'ENDORSEMENT_REVOKED',
): Promise<Check> {
  const uncovered: string[] = [];
  for (const position of positions) {
    const subject = chain.certificates[position] as X509Certificate;
    const issuer = chain.certificates[position + 1] as X509Certificate;
    const name = `certificate ${position} (${subject.subject.commonName ?? 'without a name'})`;
    const words = await wordsOn(subject, issuer, given, cache, now);
    const isRevoked = words.some((word) => 'says' in word && word.says === 'revoked');
    if (isRevoked) return failed(revoked, `${name} is revoked`);
    for (const word of words) {
      if ('refused' in word) return failed(word.refused, `${name}: ${word.why}`);
      if (word.says === 'unknown') return failed(revoked, `${name} is unknown to the responder that should know it`);
    }
    if (words.length === 0) uncovered.push(name);
  }
  if (uncovered.length === 0) return PASSED;
  const [first] = given.unsuccessful;
  return notRun(`no OCSP answer or CRL covers ${uncovered.join(', ')}${first === undefined ? '' : ` (${first})`}`);
}

async function wordsOn(
  subject: X509Certificate,
  issuer: X509Certificate,
  { responses, crls }: NvidiaRevocations,
  { verify }: VerificationCache,
  now: UnixSeconds,
): Promise<Word[]> {
  const words: Word[] = [];
  for (const response of responses) {
    const answers = response.answers.filter((answer) => isAnswerFor(answer, subject, issuer));
    if (answers.length === 0) continue;
    const why = await whyNotOcspOf(response, issuer, now, verify);
    if (why !== null) words.push({ refused: 'ENDORSEMENT_SIGNATURE_INVALID', why: `its OCSP answer: ${why}` });
    else for (const answer of answers) words.push(currentWord(answer, now, answer.status, 'OCSP answer'));
  }
  for (const crl of crls) {
    if (!equalBytes(crl.issuer.der, issuer.subject.der)) continue;
    const why = whyNotCrlOf(crl, issuer);
    if (why !== null) words.push({ refused: 'ENDORSEMENT_CHAIN_INVALID', why });
    else if (!(await signedBy(crl, issuer.publicKey, verify))) {
      words.push({ refused: 'ENDORSEMENT_SIGNATURE_INVALID', why: 'the issuer did not sign its revocation list' });
    } else words.push(currentWord(crl, now, crl.revoked.has(subject.serial) ? 'revoked' : 'good', 'revocation list'));
  }
  return words;
}

function currentWord(
  from: Readonly<{ thisUpdate: UnixSeconds; nextUpdate: UnixSeconds }>,
  now: UnixSeconds,
  says: 'good' | 'revoked' | 'unknown',
  what: string,
): Word {
  if (isCurrent(from.thisUpdate, from.nextUpdate, now)) return { says };
  return { refused: 'ENDORSEMENT_NOT_CURRENT', why: `its ${what} is not current at the given time` };
}
