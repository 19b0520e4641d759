import {
  type Beacon,
  type Bytes,
  type Clock,
  CodedError,
  clientNonceInput,
  encodeNonceProof,
  type MonotonicClock,
  parseBeacon,
  type Randomness,
  routerNonceInput,
  toHex,
  workerId,
} from '../core/index.ts';
import {
  createWorkerSession,
  type EvidenceMessage,
  epochCertificateDigest,
  helloDigest,
  KEM_XWING,
  type PriceSheet,
  parseHello,
  parsePriceSheet,
  priceId,
  type RouterToWorker,
  signResumption,
  TICKET_BYTES_MAX,
  whyAnew,
} from '../session/index.ts';
import { answer } from './answer.ts';
import { type Attachment, attach } from './attachments.ts';
import type { MadeEvidence } from './attester.ts';
import type { Boot } from './boot.ts';
import type { Engine } from './engines/index.ts';
import type { RouterLink, ServedRequest, ServePart } from './links.ts';

export type WorkerOptions = Readonly<{ name: string; concurrencyMax: number }>;

export type WorkerDeps = Readonly<{
  boot: Boot;
  engine: Engine;
  /** How to dial each router; replicas of one router, or several. */
  routers: readonly (() => RouterLink)[];
  now: Clock;
  monotonic: MonotonicClock;
  randomness: Randomness;
  /** Told of each change that an operator wants to see; facts only, nothing of a request. */
  report: (event: WorkerEvent) => void;
  /** Called after keys were let go: see EpochDeps. */
  releaseMemory: () => void;
}>;

export type WorkerEvent =
  | Readonly<{ event: 'admitted'; workerId: string; logIndex: number; expiresAt: number }>
  | Readonly<{ event: 'refused'; workerId: string; code: string; message: string; failedChecks: readonly string[] }>
  | Readonly<{ event: 'disconnected'; code: string; retryInMs: number }>
  | Readonly<{ event: 'draining'; reason: string }>
  /** The router does not go on from the admission that it was shown, and gets new evidence. */
  | Readonly<{ event: 'attesting'; because: string }>
  /** For its owner to keep, who can read it; hexadecimal. */
  | Readonly<{ event: 'voucher'; voucher: string; signature: string; key: string }>;

type Challenge = Extract<RouterToWorker, { kind: 'challenge' }>;

/** More than any voucher has. */
const VOUCHER_BYTES_MAX = 512;

const REQUEST_BYTES_MAX = 4 * 1024 * 1024;
/** The router frees a slot when it has the last part of an answer, a moment before that answer has ended here. */
const HANDOVER = 4;
const SPARE_STREAMS = 4;
/** Half an epoch: evidence and beacon are never much older. */
const RENEWAL_MS = 5 * 60_000;
const RENEWAL_LOOK_MS = 5_000;
/** Hellos of mode 2 that may wait for the next quote. */
const QUOTE_WAITERS_MAX = 1024;
const USED_MAX = 1_000_000;
const CONTEXTS_MAX = 10_000;

/** Serves for one boot, until `stop()`. */
export function createWorker(deps: WorkerDeps, options: WorkerOptions) {
  const { engine, now, randomness } = deps;
  const { identityKey, receiptKey, keyset, attester, modelDigest } = deps.boot;
  /** The newest price sheet of each router. */
  const prices = new Map<Attachment, Readonly<{ id: string; sheet: PriceSheet }>>();
  const cameFrom = new WeakMap<object, Attachment>();
  const session = createWorkerSession({
    identityKey,
    receiptKey,
    keyset,
    model: modelDigest,
    now,
    monotonic: deps.monotonic,
    randomness,
    releaseMemory: deps.releaseMemory,
    priceSheet: (id) => prices.values().find((price) => price.id === toHex(id))?.sheet ?? null,
    dispatchKey: (request) => {
      const key = cameFrom.get(request)?.dispatchKey ?? null;
      if (key === null) throw new CodedError('DISPATCH_REFUSED', 'no lease yet');
      return key;
    },
    limits: {
      requestBytesMax: REQUEST_BYTES_MAX,
      outputTokensMax: engine.contextTokensMax,
      usedMax: USED_MAX,
      contextsMax: CONTEXTS_MAX,
    },
  });
  const id = workerId(identityKey.publicKey);
  let beacon: Beacon | null = null;
  let running = 0;
  let stopped = false;
  const stopSignal = new AbortController();

  /** Anyone may hand the enclave a beacon; it never goes back (AIS/1 section 3). */
  const adopt = (offered: Bytes): Beacon => {
    const next = parseBeacon(offered);
    if (beacon === null || (next.seqno >= beacon.seqno && next.logSize >= beacon.logSize)) beacon = next;
    return beacon;
  };

  const makeEvidence = async (
    inputs: readonly Bytes[],
    at: Beacon,
  ): Promise<MadeEvidence & { epoch: number; beacon: Beacon }> => {
    const { epoch, digests } = await session.epochKeyDigests();
    return { ...(await attester.evidence(inputs, at, digests)), epoch, beacon: at };
  };

  /** A router that let this boot in is first shown that, once a connection; where it says why that does not do, and ever after, evidence is made. */
  const answerChallenge = async (attached: Attached, { nonce, beacon: offered, anew }: Challenge): Promise<void> => {
    const { of, to } = attached;
    const { admitted } = of;
    // Shown once: whatever comes of it, the next lease brings another ticket.
    of.admitted = null;
    const mayShow = attached.evidence === null && anew === '';
    if (anew !== '') deps.report({ event: 'attesting', because: whyAnew(anew) });
    if (admitted !== null && mayShow) {
      adopt(offered);
      attached.evidence = await renewedCertificate(admitted.evidence, of);
      const { ticket } = admitted;
      const certificateDigest = epochCertificateDigest(attached.evidence.epochCertificate);
      const signature = await signResumption(identityKey, { nonce, ticket, certificateDigest });
      to.send({ kind: 'resume', ticket, evidence: attached.evidence, signature });
      return;
    }
    const made = await makeEvidence([routerNonceInput(nonce)], adopt(offered));
    session.setEvidence({ evidenceDigest: made.evidenceDigest, beacon: made.beacon }, of);
    of.attestedAt = deps.monotonic();
    const proof = made.proofs[0] as MadeEvidence['proofs'][number];
    const fresh = { bundle: made.bundle, nonceProof: encodeNonceProof(proof), certificates: deps.boot.certificates() };
    attached.evidence = await renewedCertificate(fresh, of);
    to.send(attached.evidence);
  };

  /** The same evidence with the running epoch's certificate, which names it. */
  const renewedCertificate = async (
    { bundle, nonceProof, certificates }: Omit<EvidenceMessage, 'kind' | 'epochCertificate' | 'epochSignature'>,
    of: Attachment,
  ): Promise<EvidenceMessage> => {
    const { certificate, signature } = await session.issueEpochCertificate(KEM_XWING, of);
    return {
      ...{ kind: 'evidence', bundle, nonceProof, certificates },
      ...{ epochCertificate: certificate, epochSignature: signature },
    };
  };

  const quoted = quoteBatches(async (inputs) => {
    if (beacon === null) throw new CodedError('OFFER_REFUSED', 'no beacon yet', { check: 'evidence' });
    return makeEvidence(inputs, beacon);
  });

  const answerHello = async ({ of, to }: Attached, helloId: number, hello: Bytes): Promise<void> => {
    const nothing = new Uint8Array(0);
    try {
      if (parseHello(hello).mode !== 2) {
        const offer = await session.makeOffer(hello, undefined, of);
        to.send({ kind: 'offer', id: helloId, offer, bundle: nothing });
        return;
      }
      const made = await quoted(clientNonceInput(helloDigest(hello)));
      const offer = await session.makeOffer(hello, {
        evidenceDigest: made.evidenceDigest,
        beacon: made.beacon,
        epoch: made.epoch,
        nonceProof: made.proof,
      });
      to.send({ kind: 'offer', id: helloId, offer, bundle: made.bundle });
    } catch (error) {
      to.send({
        kind: 'offerRefused',
        id: helloId,
        reason: error instanceof CodedError ? error.code : 'INVARIANT_BROKEN',
      });
    }
  };

  async function* serve(from: Attachment, request: ServedRequest, cancelled: AbortSignal): AsyncGenerator<ServePart> {
    cameFrom.set(request, from);
    if (running >= options.concurrencyMax + HANDOVER || stopped || (engine.trouble?.() ?? null) !== null) {
      yield { kind: 'refused', reason: 'BUSY' };
      return;
    }
    running += 1;
    const ends = answerEnds();
    try {
      const accepted = await session.accept(request).catch((error: unknown) => {
        const unknown = error instanceof CodedError && error.code === 'SESSION_UNKNOWN';
        return unknown ? ('SESSION_UNKNOWN' as const) : ('OPEN_FAILED' as const);
      });
      if (typeof accepted === 'string') {
        yield { kind: 'refused', reason: accepted };
        return;
      }
      const leftMs = Math.max(1, Math.min(request.timeLeftMs, accepted.header.deadline - now(), 2 ** 31 - 1));
      ends.listen([cancelled, stopSignal.signal], leftMs);
      yield* answer(accepted, engine, ends.signal);
    } finally {
      ends.over();
      running -= 1;
    }
  }

  const onMessage = (attached: Attached, message: RouterToWorker): void => {
    const { to, of } = attached;
    switch (message.kind) {
      case 'challenge':
        void answerChallenge(attached, message).catch(() => to.close());
        return;
      case 'lease': {
        of.dispatchKey = message.dispatchKey;
        prices.set(of, { id: toHex(priceId(message.priceSheet)), sheet: parsePriceSheet(message.priceSheet) });
        const lease = toHex(message.lease);
        if (attached.served !== lease) to.serve(message.lease, SPARE_STREAMS, (...asked) => serve(of, ...asked));
        attached.served = lease;
        const { ticket } = message;
        const { evidence } = attached;
        const isKept = evidence !== null && ticket.length > 0 && ticket.length <= TICKET_BYTES_MAX;
        of.admitted = isKept ? { ticket, evidence } : null;
        const { logIndex, expiresAt } = message;
        deps.report({ event: 'admitted', workerId: toHex(id), logIndex, expiresAt });
        return;
      }
      case 'refusal':
        deps.report({
          event: 'refused',
          workerId: toHex(id),
          code: message.code,
          message: message.message,
          failedChecks: message.failedChecks,
        });
        if (message.retryAfterMs > 0) setTimeout(() => to.send({ kind: 'renewal' }), message.retryAfterMs).unref();
        return;
      case 'hello':
        void answerHello(attached, message.id, message.hello);
        return;
      case 'drain':
        of.draining = true;
        deps.report({ event: 'draining', reason: message.reason });
        return;
      case 'voucher': {
        if (message.voucher.length > VOUCHER_BYTES_MAX) return;
        const [voucher, signature, key] = [message.voucher, message.signature, message.key].map(toHex) as [
          string,
          string,
          string,
        ];
        deps.report({ event: 'voucher', voucher, signature, key });
        return;
      }
    }
  };

  const attachOnce = async (of: Attachment): Promise<void> => {
    const to = of.connect();
    of.link = to;
    const attached: Attached = { of, to, served: null, evidence: null };
    const connectedAt = deps.monotonic();
    let askedAt = connectedAt - RENEWAL_MS;
    const renewal = setInterval(() => {
      // By when evidence was made, not by when this connection began: a router that starts again is not asked by all at once.
      const since = attached.served === null ? connectedAt : (of.attestedAt ?? connectedAt);
      if (deps.monotonic() - Math.max(askedAt, since) < RENEWAL_MS) return;
      askedAt = deps.monotonic();
      to.send({ kind: 'renewal' });
    }, RENEWAL_LOOK_MS);
    try {
      to.send({
        kind: 'join',
        join: {
          versions: keyset.versions,
          name: options.name,
          modelDigest,
          modelName: engine.modelId,
          contextTokensMax: engine.contextTokensMax,
          concurrencyMax: options.concurrencyMax,
        },
      });
      for await (const message of to.messages) onMessage(attached, message);
      throw new CodedError('ROUTER_UNREACHABLE', 'the router closed the connection');
    } finally {
      clearInterval(renewal);
      to.close();
    }
  };
  const attachments = deps.routers.map(
    (connect): Attachment => ({
      connect,
      link: null,
      draining: false,
      dispatchKey: null,
      attestedAt: null,
      admitted: null,
    }),
  );

  return {
    workerId: id,
    /** Keeps attached to every router until `stop()`, or until each has drained it: then what ran has ended too. */
    async run(): Promise<void> {
      // Keys die on time whether or not a router is there.
      const expiry = setInterval(() => session.expire(), 1_000);
      stopSignal.signal.addEventListener('abort', () => clearInterval(expiry), { once: true });
      const told = (event: WorkerEvent) => deps.report(event);
      const kept = { monotonic: deps.monotonic, randomness, stop: stopSignal.signal, report: told };
      await Promise.all(attachments.map((one) => attach(one, () => attachOnce(one), kept)));
    },
    /** Erases this boot's keys; running answers end. */
    stop(): void {
      stopped = true;
      stopSignal.abort();
      for (const { link } of attachments) link?.close();
      session.erase();
    },
  };
}

/** One connection to one router. @property served lease that streams are parked under @property evidence that it was sent last */
type Attached = {
  readonly of: Attachment;
  readonly to: RouterLink;
  served: string | null;
  evidence: EvidenceMessage | null;
};

/** What ends one answer before its time. As AbortSignal.any and timeout, and gone with the answer. */
function answerEnds() {
  const ending = new AbortController();
  const end = () => ending.abort();
  let signals: readonly AbortSignal[] = [];
  let late: NodeJS.Timeout | undefined;
  return {
    signal: ending.signal,
    listen(to: readonly AbortSignal[], leftMs: number): void {
      signals = to;
      late = setTimeout(end, leftMs);
      for (const signal of to) {
        if (signal.aborted) end();
        else signal.addEventListener('abort', end, { once: true });
      }
    },
    over(): void {
      clearTimeout(late);
      for (const signal of signals) signal.removeEventListener('abort', end);
    },
  };
}

type Quoted = Omit<MadeEvidence, 'proofs'> &
  Readonly<{ epoch: number; beacon: Beacon; proof: MadeEvidence['proofs'][number] }>;

/** Gathers nonces while a quote is being made; the next quote answers all of them. */
function quoteBatches(make: (inputs: readonly Bytes[]) => Promise<MadeEvidence & { epoch: number; beacon: Beacon }>) {
  type Waiter = Readonly<{ input: Bytes; resolve: (quoted: Quoted) => void; reject: (error: unknown) => void }>;
  let waiting: Waiter[] = [];
  let busy = false;
  const next = async (): Promise<void> => {
    if (busy || waiting.length === 0) return;
    busy = true;
    const batch = waiting;
    waiting = [];
    try {
      const { proofs, ...made } = await make(batch.map(({ input }) => input));
      for (const [i, { resolve }] of batch.entries()) resolve({ ...made, proof: proofs[i] as Quoted['proof'] });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      busy = false;
      void next();
    }
  };
  return (input: Bytes): Promise<Quoted> =>
    new Promise((resolve, reject) => {
      if (waiting.length >= QUOTE_WAITERS_MAX)
        return reject(new CodedError('ROUTER_BUSY', 'too many wait for a quote'));
      waiting.push({ input, resolve, reject });
      void next();
    });
}
