import type { SigningKey } from '#crypto';
import { encodeWorkerVoucher, voucherChannel as rawAddress, signWorkerVoucher } from '../chain/index.ts';
import {
  type Bytes,
  CodedError,
  type MonotonicClock,
  type Randomness,
  type Tracer,
  toHex,
  type UnixMs,
} from '../core/index.ts';
import {
  epochCertificateDigest,
  modelAlias,
  type OfferEntry,
  parseEpochCertificate,
  parseHello,
  parseOffer,
  type WorkerToRouter,
} from '../session/index.ts';
import type { Ledger } from '../store/index.ts';
import { type Accounts, createAccounts, workersShare } from './accounts.ts';
import { createTally } from './activity.ts';
import { createAdministration } from './administration.ts';
import { createAdmission, LEASE_MS_MAX } from './admission.ts';
import type { AppraiseEvidence } from './admission-deps.ts';
import { createBatches } from './batches.ts';
import { createDepartures } from './departures.ts';
import { type Devices, ownDevices } from './devices.ts';
import { createEvictions } from './evictions.ts';
import { Fleet, type HelloAnswer, Worker } from './fleet.ts';
import { createHolds } from './holds.ts';
import { leftOver } from './left-over.ts';
import type { WorkerControl } from './links.ts';
import { type Meter, NO_METER, timedAppraisal } from './meter.ts';
import { type AccountLimits, createPlacing } from './placing.ts';
import type { BeaconSource, ChainPort, LogPort } from './ports.ts';
import { createPrices, type ModelPrice } from './prices.ts';
import { printable } from './printable.ts';
import { createReceipts } from './receipts.ts';
import { watched } from './request-watch.ts';
import { createRequests, requestSignatures } from './requests.ts';
import { every } from './rounds.ts';
import { Dispatcher, type Work } from './routing/index.ts';
import type { RouterService } from './service.ts';
import { createSessionBatches } from './session-batches.ts';
import { type Standing, Standings } from './standings.ts';

export type RouterDeps = Readonly<{
  log: LogPort;
  chain: ChainPort;
  ledger: Ledger;
  /** Shared by replicas; where absent this router is the only one. */
  devices?: Devices;
  appraise: AppraiseEvidence;
  beacon: () => Promise<BeaconSource>;
  /** Vendor collateral in force for the platform of a bundle, as clients are given it beside evidence. */
  collateral: (bundle: Bytes) => Promise<string>;
  /** The policy in force, which may change while the router runs. */
  policy: () => Readonly<{ text: string; number: number; digest: Bytes }>;
  monotonic: MonotonicClock;
  meter?: Meter;
  /** Of spans without content; nobody traces where absent. */
  tracer?: Tracer;
  /** Told of what went wrong beside requests; it is tried again. */
  failed: (what: string, error: unknown) => void;
  dispatchKey: SigningKey;
  /** For every model, */
  priceSheet: Bytes;
  /** but those that have a price of their own. */
  modelPrices?: readonly ModelPrice[];
  network: number;
  /** The router's pool, raw address. */
  payee: string;
  feeBps: number;
  /** Signs what the pool owes each worker. */
  voucherKey: SigningKey;
  /** 32 bytes: the log holds who was served as commitments under it. */
  sessionSecret: Bytes;
  source: string;
  now: () => UnixMs;
  randomness: Randomness;
  /** Of each channel; a benchmark asks for more. */
  accountLimits?: AccountLimits;
}>;

const OFFERS_MAX = 8;
const HELLO_BYTES_MAX = 4096;
const OFFER_WAIT_MS = 5_000;
/** Who serves is judged again this soon after policy or collateral has changed. */
const REVIEW_SECONDS = 1;
/** Looked at this often whether a policy has changed. */
const HOLD_SECONDS = 0.2;
/** Entries of one review that are on their way to the log: it takes more, from others too. */
const LOGGED_AT_ONCE = 32;
/** How long a request waits for an idle stream to the worker that has a slot for it. */
const LINK_WAIT_MS = 5_000;
/** A Hello says nothing of the request that follows. */
const WORK_UNKNOWN: Work = { tokensIn: 512, tokensOut: 256 };
const CREDIT_MAX = 100_000_000n;
const CLAIM_ABOVE = 5_000_000n;

/** One router: decides who serves and relays what it cannot read. */
export function createRouter(
  deps: RouterDeps,
): RouterService & Readonly<{ watchChannels: Accounts['watch']; close(): Promise<void> }> {
  const { ledger, log, now, randomness } = deps;
  const { meter, totals } = createTally(deps.meter ?? NO_METER);
  const seconds = () => deps.monotonic() / 1000;
  const fleet = new Fleet();
  const dispatcher = new Dispatcher<Worker>({ now, random: () => uniform(randomness), schedule });
  const prices = createPrices(deps);
  const accounts = createAccounts(
    { ledger, chain: deps.chain, now, randomness },
    {
      network: deps.network,
      payee: deps.payee,
      priceIdOf: prices.idOf,
      creditMax: CREDIT_MAX,
      claimAbove: CLAIM_ABOVE,
      feeBps: deps.feeBps,
    },
  );
  const evictions = createEvictions({
    log,
    source: deps.source,
    // Replicas keep that in their store: a worker may still be at another one.
    leftOver: async () =>
      deps.devices === undefined ? leftOver({ log, source: deps.source, now: now() }, LEASE_MS_MAX) : [],
  });
  const batches = createBatches({ ledger, log, source: deps.source });
  const standings = new Standings();
  const sessions = createSessionBatches({ log, source: deps.source, secret: deps.sessionSecret, failed: deps.failed });
  const devices = deps.devices ?? ownDevices();
  const admission = createAdmission({
    fleet,
    devices,
    standings,
    log,
    evictions,
    appraise: timedAppraisal(deps.appraise, meter, seconds),
    beacon: deps.beacon,
    now,
    randomness,
    source: deps.source,
    policy: deps.policy,
    dispatchKey: deps.dispatchKey.publicKey,
    priceSheetOf: prices.objectOf,
    collateral: deps.collateral,
    onAdmitted: (worker) => {
      if (fleet.has(worker)) dispatcher.add(worker, worker.join?.concurrencyMax ?? 1);
    },
    onEvicted: (worker) => dispatcher.remove(worker),
  });
  const departures = createDepartures({ admission, devices, evictions, failed: deps.failed });
  const placing = createPlacing({ fleet, dispatcher, now, meter }, LINK_WAIT_MS, deps.accountLimits);
  /** Hands a worker what the pool owes its payee in all; one that is lost is made up for by the next. */
  const promise = async (worker: Worker, payee: Bytes): Promise<void> => {
    const voucher = {
      pool: rawAddress(deps.payee),
      payee,
      cumulative: workersShare(await ledger.accepted(payee), deps.feeBps),
      issued: Math.floor(now() / 1000),
    };
    const { publicKey: key } = deps.voucherKey;
    const signature = await signWorkerVoucher(voucher, deps.voucherKey);
    worker.control.send({ kind: 'voucher', voucher: encodeWorkerVoucher(voucher), signature, key });
  };
  const onReceipt = (worker: Worker, payee: Bytes | null): void => {
    batches.notify();
    if (payee !== null) void promise(worker, payee).catch(() => undefined);
  };
  const receipts = createReceipts({ placing, ledger, priceOf: prices.sheetOf, now, onReceipt });
  const signatures = requestSignatures(deps.dispatchKey, deps.monotonic);
  const requests = createRequests({ placing, accounts, receipts, signatures, now, onServed: sessions.served });
  batches.notify(); // what a crash left unlogged
  const reviewAll = async (): Promise<void> => {
    const failed = (error: unknown) => deps.failed('review of a worker', error);
    const left: (() => Promise<void>)[] = [];
    // Who is out gets nothing more before anybody waits for the log, however many there are.
    for (const worker of fleet.all()) {
      // Everything that it had has ended, uploads under way included: now it may go.
      if (worker.state === 'draining' && worker.busy === 0) worker.control.close();
      const rest = await admission.review(worker).catch(failed);
      if (rest != null) left.push(() => rest().catch(failed));
      await new Promise((resolve) => setImmediate(resolve)); // requests go on between them
    }
    for (const some of chunks(left, LOGGED_AT_ONCE)) await Promise.all(some.map((rest) => rest()));
  };
  const reviews = every(REVIEW_SECONDS, reviewAll, (error) => deps.failed('review of workers', error));
  const holds = createHolds({ fleet, policy: () => deps.policy().digest, now });
  const holding = every(
    HOLD_SECONDS,
    async () => holds.look(),
    (error) => deps.failed('holds', error),
  );

  let helloId = 0;
  const askForOffer = (worker: Worker, hello: Bytes, waitMs: number): Promise<HelloAnswer> =>
    new Promise((resolve) => {
      helloId = (helloId + 1) >>> 0;
      const id = helloId;
      const settle = (answer: HelloAnswer) => {
        clearTimeout(timer);
        worker.hellos.delete(id);
        resolve(answer);
      };
      const timer = setTimeout(() => settle({ refused: 'TIMEOUT' }), waitMs);
      worker.hellos.set(id, settle);
      worker.control.send({ kind: 'hello', id, hello });
    });

  const offerFrom = async (worker: Worker, hello: Bytes, waitMs: number): Promise<OfferEntry | null> => {
    const askedAt = now();
    const answer = await askForOffer(worker, hello, waitMs);
    if (!('refused' in answer) && answer.bundle.length === 0) dispatcher.timedRoundTrip(worker, now() - askedAt);
    if ('refused' in answer || worker.admission === null) return null;
    const certificate = parseOffer(answer.offer).certificate;
    const { evidenceDigest } = parseEpochCertificate(certificate);
    worker.knowCertificate(epochCertificateDigest(certificate));
    // Believed by nobody: the client recomputes ED from the bundle it is given.
    if (answer.bundle.length > 0) fleet.keepBundle(evidenceDigest, answer.bundle);
    return {
      offer: answer.offer,
      evidenceDigest,
      workerId: worker.admission.workerId,
      workerName: worker.join?.name ?? '',
    };
  };

  const receive = (worker: Worker, message: WorkerToRouter): void => {
    switch (message.kind) {
      case 'join':
        if (worker.join !== null) {
          worker.control.close();
          return;
        }
        worker.join = {
          ...message.join,
          name: printable(message.join.name),
          modelName: printable(message.join.modelName),
        };
        void admission.challenge(worker);
        return;
      case 'renewal':
        if (worker.join !== null) void admission.challenge(worker);
        return;
      case 'evidence':
        void admission.evidence(worker, message);
        return;
      case 'offer':
        worker.hellos.get(message.id)?.({ offer: message.offer, bundle: message.bundle });
        return;
      case 'offerRefused':
        worker.hellos.get(message.id)?.({ refused: message.reason });
        return;
      case 'status':
        return;
    }
  };

  const gone = (worker: Worker): void => {
    const { admission: last } = worker;
    const wasOut = worker.state === 'quarantined'; // and that stands in the log already
    const cause = worker.state === 'draining' ? 'operator' : 'disconnected';
    worker.state = 'gone';
    fleet.remove(worker);
    dispatcher.remove(worker);
    for (const settle of [...worker.hellos.values()]) settle({ refused: 'GONE' });
    worker.close();
    departures.left(worker, wasOut ? null : last, cause);
  };

  return {
    listModels: () => listModels(fleet.serving(now())),
    async getOffers(hello, offersMax, deadline) {
      if (hello.length > HELLO_BYTES_MAX) throw new CodedError('REQUEST_MALFORMED', 'a Hello has at most 4096 bytes');
      const { model } = parseHello(hello);
      const wanted = toHex(model);
      const able = fleet
        .serving(now())
        .filter(
          ({ join }) => join && (toHex(join.modelDigest) === wanted || toHex(modelAlias(join.modelName)) === wanted),
        );
      const asked = dispatcher.rank(able, WORK_UNKNOWN, null, Math.min(Math.max(offersMax, 1), OFFERS_MAX));
      if (asked.length === 0) throw new CodedError('NO_WORKER', 'no admitted worker serves this model now');
      const waitMs = Math.max(1, Math.min(OFFER_WAIT_MS, deadline - now()));
      const offers = await Promise.all(asked.map((worker) => offerFrom(worker, hello, waitMs).catch(() => null)));
      return offers.filter((offer) => offer !== null);
    },
    infer: (open, deadline, client, parent = null) => {
      const seen = watched(client, { meter, tracer: deps.tracer ?? null, seconds }, parent);
      return requests.infer(open, deadline, seen.client, seen.watch);
    },
    async getEvidence(evidenceDigest) {
      const bundle = fleet.bundle(evidenceDigest);
      if (bundle === undefined) throw new CodedError('NOT_FOUND', 'no evidence with this digest is held here');
      return { bundle, collateral: await deps.collateral(bundle) };
    },
    async getAdmission(workerId) {
      const index = fleet.admission(workerId);
      if (index === undefined) throw new CodedError('NOT_FOUND', 'no worker with this identity was admitted here');
      return { leaf: await log.entry(index), proof: await log.proof(index) };
    },
    async standing(workerId) {
      const payee = fleet.byId(workerId)?.admission?.keyset.payee.account;
      const earned = payee === undefined ? null : workersShare(await ledger.accepted(payee), deps.feeBps);
      return { ...standingOf(workerId, fleet, standings.get(workerId)), earned };
    },
    getReceiptProof: batches.proof,
    getTerms: async () => ({
      ...(await prices.offered()),
      network: deps.network,
      payee: deps.payee,
      dispatchKey: deps.dispatchKey.publicKey,
    }),
    delegate: accounts.delegate,
    submitVoucher: accounts.submitVoucher,
    getChannel: accounts.account,
    requestClaim: accounts.claim,
    attach(control: WorkerControl) {
      const worker = new Worker(control);
      if (!fleet.add(worker)) control.close();
      return { receive: (message) => receive(worker, message), gone: () => gone(worker) };
    },
    park: (lease, link) => fleet.byLease(lease)?.park(link) ?? false,
    ...createAdministration({ source: deps.source, fleet, dispatcher, now, policy: deps.policy, totals }),
    watchChannels: accounts.watch,
    async close() {
      await departures.close();
      await holding.close();
      await reviews.close();
      await batches.close();
      await sessions.close();
      await admission.close();
      await evictions.close();
    },
  };
}

/** In pieces of so many. */
function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

function schedule(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
}

/** In [0, 1). */
function uniform(randomness: Randomness): number {
  return new DataView(randomness(4).buffer).getUint32(0) / 2 ** 32;
}

function listModels(workers: readonly Worker[]): ReturnType<RouterService['listModels']> {
  const models = new Map<string, ReturnType<RouterService['listModels']>[number]>();
  for (const { join } of workers) {
    if (join === null) continue;
    const key = toHex(join.modelDigest);
    const { modelDigest, modelName: name, contextTokensMax } = join;
    models.set(key, { modelDigest, name, contextTokensMax, workers: (models.get(key)?.workers ?? 0) + 1 });
  }
  return [...models.values()];
}

/** @throws CodedError NOT_FOUND for a worker that this router has not heard of, or has forgotten */
function standingOf(workerId: Bytes, fleet: Fleet, refused: Standing['refused']): Omit<Standing, 'earned'> {
  const worker = fleet.byId(workerId);
  const logIndex = fleet.admission(workerId) ?? 0;
  if (worker?.admission) {
    const state = worker.state === 'draining' || worker.state === 'quarantined' ? worker.state : 'admitted';
    return { state, refused, leaseExpiresAt: worker.admission.expiresAt, logIndex };
  }
  if (refused !== null) {
    return { state: refused.isOutage ? 'unavailable' : 'refused', refused, leaseExpiresAt: 0, logIndex };
  }
  if (logIndex === 0) throw new CodedError('NOT_FOUND', 'no evidence of this worker has come to this router');
  return { state: 'gone', refused, leaseExpiresAt: 0, logIndex };
}
