import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ed25519Key } from '#crypto';
import { parseEvidenceBundle } from '../../attestation/index.ts';
import { currencyOf, DEVELOPMENT_NETWORK } from '../../chain/index.ts';
import { type Bytes, CodedError, type Tracer } from '../../core/index.ts';
import { createLogClient } from '../../log/writer/index.ts';
import {
  createRouter,
  type KeyRelease,
  type KnownBeacon,
  type LogPort,
  type Meter,
  type PolicyDesk,
  type RouterService,
  sharedDevices,
} from '../../router/index.ts';
import { type Ledger, openPostgresDevices, openPostgresLedger, openSqliteLedger } from '../../store/index.ts';
import { faultOf, type Logger } from '../logger.ts';
import { appraiserOf } from './appraising.ts';
import { beaconOf } from './beacon.ts';
import { chainPort, type OpenedChain, openChain } from './chain.ts';
import { type CollateralOptions, openCollateral } from './collateral.ts';
import { readText, secretOf, systemRandomness } from './files.ts';
import { createJudges } from './judging.ts';
import { openPolicyDesk } from './policy-desk.ts';
import { followPolicy, type PolicyOptions } from './policy-in-force.ts';
import { finishHandOver } from './policy-shelf.ts';
import { DEFAULT_PRICES, parsePriceFile, priceSheetsIn } from './prices.ts';
import { openKeyRelease, type ReleaseParts } from './release.ts';
import { openSettlement, type SettlementContracts, type SettlementOptions } from './settlement.ts';
import { type SharedPolicies, sharePolicies } from './shared-policies.ts';
import { loadTrust } from './trust.ts';

export type RouterOptions = PolicyOptions &
  CollateralOptions &
  SettlementOptions &
  Readonly<{
    chain: string;
    chainQuorum?: number;
    /** What models cost, in a file; the built-in prices where absent. */
    prices?: string;
    log: string;
    logTokenFile: string;
    /** PostgreSQL, where several replicas share the ledger; SQLite in the data folder where absent. */
    database?: string;
    /** Owners whose secrets this router releases; none where absent. */
    releaseOwners?: string;
    releaseKeyFile?: string;
  }>;

export type OpenedRouter = Readonly<{
  router: RouterService & Readonly<{ close(): Promise<void> }>;
  policy: string;
  /** Null where nobody is named who may sign policies. */
  policies: PolicyDesk | null;
  simulated: boolean;
  contracts: SettlementContracts;
  /** Where it releases keys too. */
  release: KeyRelease | null;
  close(): Promise<void>;
}>;

const WALLET_LEAST = 500_000_000n;
const WALLET_POLL_MS = 250;
const WALLET_TRIES_MAX = 480;

/** The router's parts put together: real clock, randomness, disk, chain and log. */
export async function openRouter(
  options: RouterOptions,
  say: Logger,
  { meter, tracer }: Readonly<{ meter: Meter; tracer: Tracer | null }>,
): Promise<OpenedRouter> {
  // Nothing of it is lost: the next round tries again.
  const failed = (what: string, error: unknown) => say('error', 'failed', { what, ...faultOf(error) });
  finishHandOver(options);
  const atStart = loadTrust(options);
  const collateral = await openCollateral(options, atStart.trust.trustAnchors);
  const chain = await openChain(options.chain, secretOf(options.data, 'wallet'), options.chainQuorum);
  await chain.fund(WALLET_LEAST);
  const log = createLogClient({ url: options.log, token: readText(options.logTokenFile).trim() }) satisfies LogPort;
  const ledger =
    options.database === undefined
      ? openSqliteLedger(join(options.data, 'ledger.sqlite'))
      : await openPostgresLedger({ url: options.database });
  const devices =
    options.database === undefined ? null : await openPostgresDevices({ url: options.database }, options.name);
  const withWallet = walletOfReplicas(ledger);
  const settlement = await openSettlement(options, chain, log, chain.network === DEVELOPMENT_NETWORK, withWallet);
  const port = chainPort(chain);
  const beacon = beaconOf(port.head, log);
  const dispatchKey = ed25519Key(secretOf(options.data, 'dispatch'));
  const list = options.prices === undefined ? DEFAULT_PRICES : parsePriceFile(readText(options.prices));
  const { priceSheet, modelPrices } = await priceSheetsIn(ledger, currencyOf(chain.network), list);
  const notTaken = (message: string) => say('error', 'policy-not-taken', { message });
  const shared = policiesOf(options, ledger, notTaken);
  await shared?.take();
  const policy = await followPolicy(log, options, notTaken);
  const judges = createJudges();
  const appraiser = appraiserOf(collateral, judges.judge);
  const router = createRouter({
    log,
    chain: { ...port, claim: (terms, voucher) => withWallet(() => port.claim(terms, voucher)) },
    ledger,
    ...(devices === null ? {} : { devices: sharedDevices(devices) }),
    appraise: async (evidence, nonce, source) =>
      appraiser(evidence, nonce, await namedBlocks(evidence.bundle, source, chain), policy.current()),
    beacon,
    collateral: collateral.textFor,
    collateralChanges: collateral.changes,
    policy: () => {
      const { text, digest, policy: now } = policy.current();
      return { text, digest, number: now.number };
    },
    failed,
    dispatchKey,
    priceSheet,
    modelPrices,
    network: chain.network,
    payee: settlement.contracts.pool.address,
    feeBps: settlement.feeBps,
    voucherKey: ed25519Key(secretOf(options.data, 'voucher')),
    sessionSecret: secretOf(options.data, 'sessions'),
    ticketSecret: secretOf(options.data, 'tickets'),
    source: options.name,
    now: Date.now,
    monotonic: () => performance.now(),
    meter,
    ...(tracer === null ? {} : { tracer }),
    randomness: systemRandomness,
  });
  const release = releaseOf(options, { log, beacon, appraiser, anchors: atStart.trust.trustAnchors });
  const rounds = settlement.start({ ledger, watch: router.watchChannels, failed });
  return {
    router,
    contracts: settlement.contracts,
    policies: openPolicyDesk(options, () => policy.current().policy, shared ?? undefined),
    policy: `${policy.current().policy.id} #${policy.current().policy.number}`,
    simulated: options.dangerouslyAllowSimulatedVendor !== undefined,
    release,
    close: async () => {
      await rounds.close();
      await release?.close();
      shared?.close();
      policy.close();
      await router.close();
      await judges.close();
      await collateral.close();
      await devices?.close();
      await ledger.close();
    },
  };
}

/** Where replicas share a database and people are named who may sign, policies reach all of them. */
function policiesOf(options: RouterOptions, ledger: Ledger, report: (problem: string) => void): SharedPolicies | null {
  const { database, policyApprovers } = options;
  if (database === undefined || policyApprovers === undefined) return null;
  return sharePolicies(ledger, { ...options, policyApprovers }, report);
}

/** @throws CodedError USAGE_INVALID where there are owners and no key for what they entrust */
function releaseOf(options: RouterOptions, parts: ReleaseParts): KeyRelease | null {
  const { releaseOwners: owners, releaseKeyFile: keyFile } = options;
  if (owners === undefined) return null;
  if (keyFile === undefined) {
    const why = 'secrets at rest need a key that is kept elsewhere: name its file with --release-key-file';
    throw new CodedError('USAGE_INVALID', why, { field: 'releaseKeyFile' });
  }
  return openKeyRelease(parts, { data: options.data, name: options.name, owners, keyFile });
}

/** A worker of several routers may know a newer block than this one named: what the chain has of it counts as well. */
async function namedBlocks(bundle: Bytes, source: KnownBeacon, chain: OpenedChain): Promise<readonly KnownBeacon[]> {
  const { seqno } = parseEvidenceBundle(bundle).beacon;
  if (seqno === source.beacon.seqno) return [source];
  const block = await chain.endpoint.blockWithTime(seqno).catch(() => null);
  if (block === null) return [source];
  return [source, { beacon: { ...source.beacon, seqno, blockRootHash: block.rootHash }, madeAt: block.at }];
}

/** One replica at a time sends from the wallet that they share: two messages with one number would be one. */
function walletOfReplicas(ledger: Ledger) {
  return async <Result>(work: () => Promise<Result>): Promise<Result> => {
    for (let tries = 0; tries < WALLET_TRIES_MAX; tries++) {
      let result: Readonly<{ of: Result }> | null = null;
      await ledger.alone('wallet', async () => {
        result = { of: await work() };
      });
      if (result !== null) return (result as { of: Result }).of;
      await sleep(WALLET_POLL_MS);
    }
    throw new CodedError('CHAIN_UNREACHABLE', 'another replica keeps the wallet busy');
  };
}
