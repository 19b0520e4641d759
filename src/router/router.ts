import type { SigningKey } from '#crypto';
import { encodeWorkerVoucher, voucherChannel as rawAddress, signWorkerVoucher } from '../chain/index.ts';
import {
  type Bytes,
  CodedError,
  type MonotonicClock,
  type Randomness,
  type Tracer,
  type UnixMs,
} from '../core/index.ts';
import type { WorkerToRouter } from '../session/index.ts';
import type { Ledger } from '../store/index.ts';
import { type Accounts, createAccounts, workersShare } from './accounts.ts';
import { createTally } from './activity.ts';
import { createAdministration } from './administration.ts';
import { createAdmission, LEASE_MS_MAX } from './admission.ts';
import type { AppraiseEvidence } from './admission-deps.ts';
import { archivedOnce } from './archived-once.ts';
import { createAuditRecords } from './audit-records.ts';
import { createBatches } from './batches.ts';
import { createDepartures } from './departures.ts';
import { type Devices, ownDevices } from './devices.ts';
import { createEvictions } from './evictions.ts';
import { Fleet, Worker } from './fleet.ts';
import { leftOver } from './left-over.ts';
import type { WorkerControl } from './links.ts';
import { type Meter, NO_METER, timedAppraisal } from './meter.ts';
import { createOffers } from './offers.ts';
import { type AccountLimits, createPlacing } from './placing.ts';
import type { BeaconSource, ChainPort, LogPort } from './ports.ts';
import { createPrices, type ModelPrice } from './prices.ts';
import { printable } from './printable.ts';
import { createReceipts } from './receipts.ts';
import { watched } from './request-watch.ts';
import { createRequests, requestSignatures } from './requests.ts';
import { createReviews } from './reviews.ts';
import { Dispatcher } from './routing/index.ts';
import type { RouterService } from './service.ts';
import { createSessionBatches } from './session-batches.ts';
import { createSpotChecks } from './spot-checks.ts';
import { type Standing, Standings } from './standings.ts';
import { createTickets } from './tickets.ts';

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
  /** How often the collateral has changed; never less than before. */
  collateralChanges: () => number;
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
  /** 32 bytes, this router's alone and the same when it starts again: of the tickets that workers come back with. */
  ticketSecret: Bytes;
  source: string;
  now: () => UnixMs;
  randomness: Randomness;
  /** Of each channel; a benchmark asks for more. */
  accountLimits?: AccountLimits;
}>;

/** How long a request waits for an idle stream to the worker that has a slot for it. */
const LINK_WAIT_MS = 5_000;
const CREDIT_MAX = 100_000_000n;
const CLAIM_ABOVE = 5_000_000n;

/** One router: decides who serves and relays what it cannot read. */
export function createRouter(
  deps: RouterDeps,
): RouterService & Readonly<{ watchChannels: Accounts['watch']; close(): Promise<void> }> {
  const { ledger, log, now, randomness } = deps;
  const { meter, totals } = createTally(deps.meter ?? NO_METER);
  const seconds = () => deps.monotonic() / 1000;
  const fleet = new Fleet(() => ({ policyDigest: deps.policy().digest, collateral: deps.collateralChanges() }));
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
  const audits = createAuditRecords({ log, source: deps.source, now, randomness: deps.randomness });
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
    meter,
    tickets: createTickets(deps.ticketSecret),
    isAlone: deps.devices === undefined,
    devices,
    standings,
    log: archivedOnce(log),
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
  const reviews = createReviews({ fleet, admission, now, failed: (error) => deps.failed('review of workers', error) });
  const spotChecks = createSpotChecks({
    ...{ fleet, now, challenge: admission.challenge },
    random: () => uniform(randomness),
    failed: (error) => deps.failed('spot checks of workers', error),
  });
  const offers = createOffers({ fleet, dispatcher, reviews, now, meter });
  const placing = createPlacing({ fleet, dispatcher, reviews, now, meter }, LINK_WAIT_MS, deps.accountLimits);
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
      case 'resume':
        void admission.resume(worker, message);
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
    listModels: () => listModels(fleet.models(), now()),
    getOffers: offers.getOffers,
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
    ...createAdministration({
      ...{ source: deps.source, fleet, dispatcher, now, policy: deps.policy, totals },
      underWay: requests.underWay,
      voucherLag: accounts.voucherLag,
    }),
    recordExport: audits.recordExport,
    recordReview: audits.recordReview,
    accessed: audits.accessed,
    watchChannels: accounts.watch,
    async close() {
      await departures.close();
      await reviews.close();
      await spotChecks.close();
      await batches.close();
      await sessions.close();
      await admission.close();
      await evictions.close();
      await audits.close();
    },
  };
}

function schedule(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
}

/** In [0, 1). */
function uniform(randomness: Randomness): number {
  return new DataView(randomness(4).buffer).getUint32(0) / 2 ** 32;
}

function listModels(models: readonly (readonly Worker[])[], now: UnixMs): ReturnType<RouterService['listModels']> {
  return models.flatMap((workers) => {
    const serving = workers.filter((worker) => worker.isIn(now));
    const join = serving.at(-1)?.join ?? null;
    if (join === null) return [];
    const { modelDigest, modelName: name, contextTokensMax } = join;
    return [{ modelDigest, name, contextTokensMax, workers: serving.length }];
  });
}

/** @throws CodedError NOT_FOUND for a worker that this router has not heard of, or has forgotten */
function standingOf(workerId: Bytes, fleet: Fleet, refused: Standing['refused']): Omit<Standing, 'earned'> {
  const worker = fleet.byId(workerId);
  const logIndex = fleet.admission(workerId) ?? 0;
  if (worker?.admission) {
    const state = worker.state === 'draining' || worker.state === 'quarantined' ? worker.state : 'admitted';
    const { resumed, expiresAt: leaseExpiresAt } = worker.admission;
    return { state, resumed, refused, leaseExpiresAt, logIndex };
  }
  if (refused !== null) {
    const state = refused.isOutage ? 'unavailable' : 'refused';
    return { state, resumed: false, refused, leaseExpiresAt: 0, logIndex };
  }
  if (logIndex === 0) throw new CodedError('NOT_FOUND', 'no evidence of this worker has come to this router');
  return { state: 'gone', resumed: false, refused, leaseExpiresAt: 0, logIndex };
}
