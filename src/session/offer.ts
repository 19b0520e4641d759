import {
  type Bytes,
  clientNonceInput,
  decodeObject,
  encodeNonceProof,
  encodeObject,
  epochKeyDigest,
  equalBytes,
  type Keyset,
  keysetDigest,
  labelledDigest,
  type NonceProof,
  nonceRoot,
  parseNonceProof,
  type Randomness,
  type UnixMs,
  u16,
  workerId,
} from '../core/index.ts';
import { type Check, check, notPassed, notRun } from './checks.ts';
import {
  EPOCH_MS_MAX,
  type EpochCertificate,
  epochCertificateDigest,
  parseEpochCertificate,
} from './epoch-certificate.ts';
import { bestCommonSuite, bestCommonVersion, type Hello, type Mode } from './hello.ts';
import { exactly, malformed, readUint, VERSION, verifyDigest } from './objects.ts';

/**
 * A worker's answer to a Hello (AIS/1 section 5). The evidence bundle travels beside it, found by the certificate's ED.
 * Object: version u16, EC, signature by IK[64], keyset_digest[32], live signature (0 or 64), inclusion proof (0 or
 * u32 index ‖ u32 size ‖ path).
 */
export type Offer = Readonly<{
  version: number;
  /** EC object, as signed. */
  certificate: Bytes;
  signature: Bytes;
  keysetDigest: Bytes;
  /** Mode 1: `Sign(IK, "live", hello_digest, ec_digest)`. */
  live: Bytes | null;
  /** Mode 2: place of this Hello's leaf under the evidence's nonce root. */
  nonceProof: NonceProof | null;
}>;

export const OFFER_BYTES_MAX = 65_536;
/** A client's and a worker's wall clocks may differ by this much. */
export const CLOCK_SKEW_MS = 60_000;

const RULES = [
  { name: 'version', length: 2 },
  { name: 'certificate', length: 'any' },
  { name: 'signature', length: 64 },
  { name: 'keysetDigest', length: 32 },
  { name: 'live', length: [0, 64] },
  { name: 'nonceProof', length: 'any' },
] as const;

export function encodeOffer(offer: Offer): Bytes {
  return encodeObject([
    u16(offer.version),
    offer.certificate,
    exactly(64, 'signature', offer.signature),
    exactly(32, 'keysetDigest', offer.keysetDigest),
    offer.live ?? new Uint8Array(0),
    offer.nonceProof === null ? new Uint8Array(0) : encodeNonceProof(offer.nonceProof),
  ]);
}

/** @throws CodedError OBJECT_MALFORMED, also for more than {@link OFFER_BYTES_MAX} or an unknown version */
export function parseOffer(object: Uint8Array): Offer {
  if (object.length > OFFER_BYTES_MAX) throw malformed('offer', 'length', 'too long');
  const f = decodeObject(object, 'offer', RULES) as [Bytes, Bytes, Bytes, Bytes, Bytes, Bytes];
  const version = readUint(f[0]);
  if (version !== VERSION) throw malformed('offer', 'version', 'unknown');
  return {
    version,
    certificate: f[1],
    signature: f[2],
    keysetDigest: f[3],
    live: f[4].length === 0 ? null : f[4],
    nonceProof: f[5].length === 0 ? null : parseNonceProof(f[5]),
  };
}

/** What the client's own appraisal of an evidence bundle established. Nothing here may come from the router's word. */
export type AttestedWorker = Readonly<{
  keyset: Keyset;
  /** ED of the bundle that was appraised. */
  evidenceDigest: Bytes;
  /** N, under which the bundle answers nonces. */
  nonceRoot: Bytes;
  /** `H("ek", kem, EK)` for each suite of the keyset, as REPORT_DATA commits to them. */
  epochKeyDigests: readonly Bytes[];
  /** M: digest of the model manifest. */
  model: Bytes;
  /**
   * Time of the beacon's block on the chain, or of the cosigned log entry that admitted the worker (section 3, item 7).
   * Null where neither could be checked: then the evidence's age is unknown and the offer is refused.
   */
  madeAt: UnixMs | null;
  /** Least of the deadlines of collateral and appraisal. */
  deadline: UnixMs;
}>;

/** The relying party's own terms for an offer. */
export type OfferPolicy = Readonly<{
  leastMode: Mode;
  evidenceAgeMsMax: number;
  /** M that the header will name; the Hello may name it by alias. */
  model: Uint8Array;
}>;

export type OfferCheckName =
  | 'evidenceDigest'
  | 'keysetReference'
  | 'workerId'
  | 'certificateSignature'
  | 'certificateWindow'
  | 'bestVersion'
  | 'bestSuite'
  | 'model'
  | 'evidenceAge'
  | 'deadlines'
  | 'leastMode'
  | 'modeProof';
export type OfferChecks = Readonly<Record<OfferCheckName, Check>>;

declare const verified: unique symbol;
/** An offer whose every check passed: the only thing a client encapsulates to. */
export type VerifiedOffer = Readonly<{
  certificate: EpochCertificate;
  certificateDigest: Bytes;
  keyset: Keyset;
  keysetDigest: Bytes;
  model: Bytes;
  mode: Mode;
  /** Least of all deadlines, the certificate's own included: nothing starts under this offer after it. */
  deadline: UnixMs;
  readonly [verified]: true;
}>;

/**
 * `severity` says how to end it: `loud` where somebody signed or served something false, `soft` where it is only old or
 * absent and another worker may do.
 */
export type OfferVerdict = Readonly<{ checks: OfferChecks }> &
  (
    | Readonly<{ verdict: 'verified'; offer: VerifiedOffer }>
    | Readonly<{ verdict: 'refused'; failed: readonly OfferCheckName[]; severity: 'loud' | 'soft' }>
  );

const SOFT: ReadonlySet<OfferCheckName> = new Set(['certificateWindow', 'evidenceAge', 'deadlines']);

/**
 * Verifies one Offer for one Hello against evidence this client appraised itself (AIS/1 sections 4, 5 and 9).
 * @throws CodedError OBJECT_MALFORMED where the offer or its certificate cannot be read
 */
export async function verifyOffer(
  offerObject: Uint8Array,
  hello: Readonly<{ hello: Hello; digest: Bytes }>,
  attested: AttestedWorker,
  policy: OfferPolicy,
  now: UnixMs,
): Promise<OfferVerdict> {
  const offer = parseOffer(offerObject);
  const certificate = parseEpochCertificate(offer.certificate);
  const certificateDigest = epochCertificateDigest(offer.certificate);
  const { keyset } = attested;
  const attestedKeyset = keysetDigest(keyset);
  const deadline = Math.min(certificate.notAfter + CLOCK_SKEW_MS, attested.deadline, keyset.notAfter);
  const signed = await verifyDigest(keyset.identityKey, certificateDigest, offer.signature);
  const checks: OfferChecks = {
    evidenceDigest: check(
      equalBytes(certificate.evidenceDigest, attested.evidenceDigest),
      'the certificate speaks under other evidence',
    ),
    keysetReference: check(equalBytes(offer.keysetDigest, attestedKeyset), 'the offer names another keyset'),
    workerId: check(equalBytes(certificate.workerId, workerId(keyset.identityKey)), 'another worker'),
    certificateSignature: check(signed, 'the certificate is not signed by the attested identity key'),
    certificateWindow: checkWindow(certificate, now),
    bestVersion: check(
      certificate.version === bestCommonVersion(hello.hello.versions, keyset.versions),
      'not the best common version of Hello and attested keyset',
    ),
    bestSuite: check(
      certificate.kem === bestCommonSuite(hello.hello.suites, keyset.suites),
      'not the best common suite of Hello and attested keyset',
    ),
    model: check(equalBytes(attested.model, policy.model), 'the evidence is for another model'),
    evidenceAge: checkAge(attested.madeAt, policy.evidenceAgeMsMax, now),
    deadlines: check(
      now <= Math.min(attested.deadline, keyset.notAfter),
      'a deadline of evidence or keyset has passed',
    ),
    leastMode: check(hello.hello.mode >= policy.leastMode, 'the mode is below the least that policy allows'),
    modeProof: await checkMode(offer, certificate, certificateDigest, hello, attested),
  };
  const failed = notPassed(checks);
  if (failed.length > 0) {
    return { verdict: 'refused', checks, failed, severity: failed.every((name) => SOFT.has(name)) ? 'soft' : 'loud' };
  }
  const passed = {
    certificate,
    certificateDigest,
    keyset,
    keysetDigest: attestedKeyset,
    model: attested.model,
    mode: hello.hello.mode,
    deadline,
  };
  return { verdict: 'verified', checks, offer: passed as VerifiedOffer };
}

function checkWindow(certificate: EpochCertificate, now: UnixMs): Check {
  const { notBefore, notAfter } = certificate;
  if (notAfter <= notBefore || notAfter - notBefore > EPOCH_MS_MAX) {
    return check(false, 'the certificate is valid for no time or for more than 600 s');
  }
  return check(now >= notBefore - CLOCK_SKEW_MS && now <= notAfter + CLOCK_SKEW_MS, 'the certificate is not in date');
}

function checkAge(madeAt: UnixMs | null, ageMsMax: number, now: UnixMs): Check {
  if (madeAt === null) return notRun('the time of the evidence could not be checked against the chain or the log');
  return check(now - madeAt <= ageMsMax, 'the evidence is older than policy allows');
}

/** `Sign(IK, "live", hello_digest, ec_digest)`: this is its digest. */
export function liveDigest(helloDigest: Uint8Array, certificateDigest: Uint8Array): Bytes {
  return labelledDigest('live', helloDigest, certificateDigest);
}

async function checkMode(
  offer: Offer,
  certificate: EpochCertificate,
  certificateDigest: Uint8Array,
  hello: Readonly<{ hello: Hello; digest: Bytes }>,
  attested: AttestedWorker,
): Promise<Check> {
  if (hello.hello.mode === 0) return { outcome: 'passed' };
  if (hello.hello.mode === 1) {
    if (offer.live === null) return check(false, 'no live signature');
    const digest = liveDigest(hello.digest, certificateDigest);
    const live = await verifyDigest(attested.keyset.identityKey, digest, offer.live);
    return check(live, 'the live signature does not answer this Hello');
  }
  if (offer.nonceProof === null) return check(false, 'no inclusion proof');
  const root = nonceRoot(clientNonceInput(hello.digest), offer.nonceProof);
  if (root === null || !equalBytes(root, attested.nonceRoot)) {
    return check(false, 'the evidence was not made for this Hello');
  }
  const digest = epochKeyDigest(certificate.kem, certificate.publicKey);
  const place = attested.keyset.suites.indexOf(certificate.kem);
  const committed = attested.epochKeyDigests.length === attested.keyset.suites.length && place >= 0;
  return check(
    committed && equalBytes(attested.epochKeyDigests[place] as Bytes, digest),
    'the evidence does not cover this epoch key',
  );
}

/**
 * Draws `count` items without bias, in random order: a client takes its candidates at random among the offers that
 * pass, so no router steers it to one worker (section 7).
 */
export function drawAtRandom<Item>(items: readonly Item[], count: number, randomness: Randomness): Item[] {
  const pool = [...items];
  const drawn: Item[] = [];
  while (drawn.length < count && pool.length > 0) {
    const [item] = pool.splice(uniformBelow(pool.length, randomness), 1);
    drawn.push(item as Item);
  }
  return drawn;
}

function uniformBelow(bound: number, randomness: Randomness): number {
  const limit = Math.floor(2 ** 32 / bound) * bound;
  // Each draw is refused with a probability below 1/2; a source that is refused 128 times is broken.
  for (let attempt = 0; attempt < 128; attempt++) {
    const value = readUint(randomness(4));
    if (value < limit) return value % bound;
  }
  throw malformed('randomness', 'draw', 'never in range');
}
