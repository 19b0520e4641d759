import type { KemId, SigningKey } from '#crypto';
import {
  type Beacon,
  type Bytes,
  CodedError,
  equalBytes,
  type Keyset,
  keysetDigest,
  type NonceProof,
  workerId,
} from '../core/index.ts';
import { type EpochCertificate, encodeEpochCertificate, epochCertificateDigest } from './epoch-certificate.ts';
import { type Epoch, type EpochDeps, EpochKeys, type EpochLimits } from './epoch-keys.ts';
import { bestCommonSuite, bestCommonVersion, helloDigest, parseHello } from './hello.ts';
import { isKnownKem } from './hpke.ts';
import { exactly, signDigest, VERSION } from './objects.ts';
import { encodeOffer, liveDigest } from './offer.ts';
import type { PriceSheet } from './price.ts';
import { ReceiptSigner } from './receipt.ts';
import { type AcceptedRequest, acceptRequest, type IncomingRequest } from './worker-accept.ts';

export type WorkerSessionLimits = EpochLimits &
  Readonly<{
    /** Bound of sealed_bytes. */
    requestBytesMax: number;
    outputTokensMax: number;
  }>;

export type WorkerSessionDeps = EpochDeps &
  Readonly<{
    /** IK and RK: private keys of the keyset's public ones. */
    identityKey: SigningKey;
    receiptKey: SigningKey;
    keyset: Keyset;
    /** M. */
    model: Uint8Array;
    /** The price sheet of this id, where the worker serves under it. */
    priceSheet: (priceId: Uint8Array) => PriceSheet | null;
    /** The dispatch key of the router that a request came from, from its registry entry: 32 bytes. */
    dispatchKey: (request: IncomingRequest) => Uint8Array;
    limits: WorkerSessionLimits;
  }>;

/** Evidence that certificates may speak under. */
export type CertifiedEvidence = Readonly<{ evidenceDigest: Bytes; beacon: Beacon }>;

export type SignedCertificate = Readonly<{ certificate: Bytes; signature: Bytes; digest: Bytes }>;

type Certified = Readonly<{ epoch: Epoch; evidence: CertifiedEvidence; signed: SignedCertificate }>;
/** A worker of one router needs no name for it. */
const ONLY_ROUTER = {};

/** The worker's side of AIS/1 for one boot: one keyset, its epochs, its chain of receipts. */
export class WorkerSession {
  readonly #deps: WorkerSessionDeps;
  readonly #epochs: EpochKeys;
  readonly #signer: ReceiptSigner;
  readonly #workerId: Bytes;
  readonly #keysetDigest: Bytes;
  /** By router: each has admitted the worker with evidence of its own. */
  readonly #evidence = new Map<object, CertifiedEvidence>();
  /** The newest certificate of each suite under each of them, for the modes that need no new evidence. */
  readonly #newest = new Map<object, Map<KemId, Certified>>();

  constructor(deps: WorkerSessionDeps) {
    const { keyset } = deps;
    if (
      !equalBytes(deps.identityKey.publicKey, keyset.identityKey) ||
      !equalBytes(deps.receiptKey.publicKey, keyset.receiptKey)
    ) {
      throw new CodedError('INVARIANT_BROKEN', 'the keys are not those of the keyset');
    }
    const suites = keyset.suites.filter(isKnownKem);
    if (suites.length !== keyset.suites.length || !keyset.versions.includes(VERSION)) {
      throw new CodedError('INVARIANT_BROKEN', 'the keyset promises a suite or version that is not here');
    }
    this.#deps = deps;
    this.#epochs = new EpochKeys(suites, deps, deps.limits);
    this.#signer = new ReceiptSigner(deps.receiptKey);
    this.#workerId = workerId(keyset.identityKey);
    this.#keysetDigest = keysetDigest(keyset);
  }

  /** The running epoch and what REPORT_DATA must commit to: ask for it right before a quote. */
  async epochKeyDigests(): Promise<Readonly<{ epoch: number; digests: readonly Bytes[] }>> {
    const epoch = await this.#epochs.current();
    return { epoch: epoch.number, digests: epoch.keyDigests() };
  }

  /** Certificates of the modes 0 and 1 that go over this router speak under this evidence from now on. */
  setEvidence(evidence: CertifiedEvidence, router: object = ONLY_ROUTER): void {
    this.#evidence.set(router, evidence);
  }

  /**
   * The running epoch's certificate for one suite under the evidence set last for this router (AIS/1 section 4): signed
   * once, then kept.
   * @throws CodedError OFFER_REFUSED `facts.check` `evidence` before {@link setEvidence}
   */
  async issueEpochCertificate(kem: number, router: object = ONLY_ROUTER): Promise<SignedCertificate> {
    const evidence = this.#evidence.get(router);
    if (evidence === undefined) throw refuseOffer('evidence', 'no evidence yet');
    const epoch = await this.#epochs.current();
    const newest = this.#newest.get(router) ?? new Map<KemId, Certified>();
    this.#newest.set(router, newest);
    const known = isKnownKem(kem) ? newest.get(kem) : undefined;
    if (known !== undefined && known.epoch === epoch && known.evidence === evidence) return known.signed;
    const signed = await this.#certify(epoch, kem, evidence);
    newest.set(kem as KemId, { epoch, evidence, signed });
    return signed;
  }

  async #certify(epoch: Epoch, kem: number, evidence: CertifiedEvidence): Promise<SignedCertificate> {
    const key = isKnownKem(kem) ? epoch.keys.get(kem) : undefined;
    if (key === undefined) throw refuseOffer('suite', 'not a suite of this keyset');
    const { limits } = this.#deps;
    const certificate: EpochCertificate = {
      version: VERSION,
      workerId: this.#workerId,
      epoch: epoch.number,
      notBefore: epoch.notBefore,
      notAfter: epoch.notAfter,
      kem: key.kem,
      publicKey: key.publicKey,
      evidenceDigest: exactly(32, 'evidenceDigest', evidence.evidenceDigest) as Bytes,
      requestBytesMax: limits.requestBytesMax,
      outputTokensMax: limits.outputTokensMax,
      beacon: evidence.beacon,
    };
    const object = encodeEpochCertificate(certificate);
    const digest = epochCertificateDigest(object);
    epoch.addCertificate(digest, certificate);
    return { certificate: object, digest, signature: await signDigest(this.#deps.identityKey, digest) };
  }

  /**
   * Answers a Hello (section 5). Mode 2 needs evidence made for it: its nonce proof, and the epoch whose keys it covers.
   * @param quoted mode 2 only @param router through which it was asked
   * @throws CodedError OBJECT_MALFORMED for a Hello that cannot be read; OFFER_REFUSED with `facts.check` `suite`,
   *   `version`, `evidence` or `epoch`: a mode is never lowered
   */
  async makeOffer(
    helloObject: Uint8Array,
    quoted?: (CertifiedEvidence & Readonly<{ epoch: number; nonceProof: NonceProof }>) | undefined,
    router: object = ONLY_ROUTER,
  ): Promise<Bytes> {
    const hello = parseHello(helloObject);
    const { keyset, identityKey } = this.#deps;
    const kem = bestCommonSuite(hello.suites, keyset.suites);
    if (kem === null) throw refuseOffer('suite', 'no common suite');
    if (bestCommonVersion(hello.versions, keyset.versions) !== VERSION)
      throw refuseOffer('version', 'no common version');
    let signed: SignedCertificate;
    if (hello.mode === 2) {
      if (quoted === undefined) throw refuseOffer('evidence', 'mode 2 needs evidence made for this Hello');
      const epoch = await this.#epochs.current();
      if (epoch.number !== quoted.epoch) throw refuseOffer('epoch', 'the evidence covers the keys of another epoch');
      signed = await this.#certify(epoch, kem, quoted);
    } else {
      signed = await this.issueEpochCertificate(kem, router);
    }
    const live = liveDigest(helloDigest(helloObject), signed.digest);
    return encodeOffer({
      version: VERSION,
      certificate: signed.certificate,
      signature: signed.signature,
      keysetDigest: this.#keysetDigest,
      live: hello.mode === 1 ? await signDigest(identityKey, live) : null,
      nonceProof: hello.mode === 2 && quoted !== undefined ? quoted.nonceProof : null,
    });
  }

  /** The nine steps of section 6. See {@link acceptRequest} for errors. */
  accept(request: IncomingRequest): Promise<AcceptedRequest> {
    return acceptRequest(request, {
      epochs: this.#epochs,
      signer: this.#signer,
      workerId: this.#workerId,
      keysetDigest: this.#keysetDigest,
      deps: this.#deps,
    });
  }

  /** Erases epochs past their overlap; the owner calls it each second. */
  expire(): void {
    this.#epochs.expire();
  }

  /** The end of this boot's keys: shutdown, GPU reset, lost device session. */
  erase(): void {
    this.#epochs.eraseAll();
    this.#newest.clear();
    this.#evidence.clear();
  }
}

function refuseOffer(name: string, why: string): CodedError {
  return new CodedError('OFFER_REFUSED', why, { check: name });
}

/** @throws CodedError INVARIANT_BROKEN where the private keys are not the keyset's, or it names unknown suites */
export function createWorkerSession(deps: WorkerSessionDeps): WorkerSession {
  return new WorkerSession(deps);
}
