import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ed25519Key, sha256 } from '#crypto';
import {
  appraise,
  BoundedMap,
  earDigest,
  earOf,
  encodeRecordedInputs,
  type KnownBlock,
  loadVendorEndorsements,
  parseEvidenceBundle,
  type TrustAnchor,
  type VendorEndorsements,
  VerificationCache,
} from '../../attestation/index.ts';
import { currencyOf, DEVELOPMENT_NETWORK } from '../../chain/index.ts';
import { asCodedError, type Beacon, type Bytes, CodedError, toHex, utf8 } from '../../core/index.ts';
import { parseCheckpoint, parseNote } from '../../log/index.ts';
import { createLogClient } from '../../log/writer/index.ts';
import { type BeaconSource, createRouter, type LogPort, type Meter, type RouterService } from '../../router/index.ts';
import { encodePriceSheet, parsePriceSheet } from '../../session/index.ts';
import { type Ledger, openPostgresLedger, openSqliteLedger } from '../../store/index.ts';
import { chainPort, openChain } from './chain.ts';
import { type Collateral, type CollateralOptions, openCollateral } from './collateral.ts';
import { readText, secretOf, systemRandomness } from './files.ts';
import { followPolicy, type PolicyOptions } from './policy-in-force.ts';
import { openSettlement, type SettlementContracts, type SettlementOptions } from './settlement.ts';
import { loadTrust } from './trust.ts';

export type RouterOptions = PolicyOptions &
  CollateralOptions &
  SettlementOptions &
  Readonly<{
    chain: string;
    chainQuorum: number;
    log: string;
    logTokenFile: string;
    /** PostgreSQL, where several replicas share the ledger; SQLite in the data folder where absent. */
    database?: string;
  }>;

export type OpenedRouter = Readonly<{
  router: RouterService & Readonly<{ close(): Promise<void> }>;
  policy: string;
  simulated: boolean;
  contracts: SettlementContracts;
  close(): Promise<void>;
}>;

const COLLATERALS_MAX = 64;
const BEACON_FRESH_MS = 1_000;
const WALLET_LEAST = 500_000_000n;
const WALLET_POLL_MS = 250;
const WALLET_TRIES_MAX = 480;
const PRICE_SHEET = 'price-sheet';
/** nanoTON per million tokens, and the units that receipts round to. */
const PRICES = {
  perMillionIn: 50_000_000n,
  perMillionCached: 10_000_000n,
  perMillionOut: 200_000_000n,
  unitIn: 128,
  unitOut: 64,
};
const PRICE_LIFETIME_MS = 30 * 24 * 3_600_000;
const PRICE_MARGIN_MS = 7 * 24 * 3_600_000;

/** The router's parts put together: real clock, randomness, disk, chain and log. */
export async function openRouter(options: RouterOptions, meter?: Meter): Promise<OpenedRouter> {
  const atStart = loadTrust(options);
  const collateral = await openCollateral(options, atStart.trust.trustAnchors);
  const chain = await openChain(options.chain, secretOf(options.data, 'wallet'), options.chainQuorum);
  await chain.fund(WALLET_LEAST);
  const log = createLogClient({ url: options.log, token: readText(options.logTokenFile).trim() }) satisfies LogPort;
  const ledger =
    options.database === undefined
      ? openSqliteLedger(join(options.data, 'ledger.sqlite'))
      : await openPostgresLedger({ url: options.database });
  const withWallet = walletOfReplicas(ledger);
  const settlement = await openSettlement(options, chain, log, chain.network === DEVELOPMENT_NETWORK, withWallet);
  const port = chainPort(chain);
  const beacon = beaconOf(port, log, chain.network);
  const dispatchKey = ed25519Key(secretOf(options.data, 'dispatch'));
  const priceSheet = await priceSheetIn(ledger, chain.network);
  const policy = await followPolicy(log, options, (problem) => process.stderr.write(`${problem}\n`));
  const judgedWith = judgedWithOf(collateral);
  const router = createRouter({
    log,
    chain: { ...port, claim: (terms, voucher) => withWallet(() => port.claim(terms, voucher)) },
    ledger,
    appraise: async ({ bundle, certificates }, nonce, source) => {
      const known: KnownBlock = {
        network: source.beacon.network,
        seqno: source.beacon.seqno,
        rootHash: source.beacon.blockRootHash,
        at: source.madeAt,
      };
      const { trust, digest } = policy.current();
      const { endorsements, text: collateralText } = await judgedWith(bundle, certificates, trust.trustAnchors, digest);
      const judgedAt = Date.now();
      const knownBlocks = [known];
      const given = { ...trust, bundle, endorsements, now: judgedAt, expectedNonce: nonce, knownBlocks };
      const appraisal = await appraise(given);
      return {
        appraisal,
        judgedAt,
        collateral: utf8(collateralText),
        inputs: encodeRecordedInputs({ judgedAt, policyDigest: digest, nonce, knownBlocks }),
        result: earDigest(earOf(appraisal, trust.policy, judgedAt)),
      };
    },
    beacon,
    collateral: collateral.textFor,
    policy: () => {
      const { text, digest, policy: now } = policy.current();
      return { text, digest, number: now.number };
    },
    failed: reportFailed,
    dispatchKey,
    priceSheet,
    network: chain.network,
    payee: settlement.contracts.pool.address,
    feeBps: settlement.feeBps,
    voucherKey: ed25519Key(secretOf(options.data, 'voucher')),
    source: options.name,
    now: Date.now,
    monotonic: () => performance.now(),
    ...(meter === undefined ? {} : { meter }),
    randomness: systemRandomness,
  });
  const rounds = settlement.start({ ledger, watch: router.watchChannels, failed: reportFailed });
  return {
    router,
    contracts: settlement.contracts,
    policy: `${atStart.policy.id} #${atStart.policy.number}`,
    simulated: options.dangerouslyAllowSimulatedVendor !== undefined,
    close: async () => {
      await rounds.close();
      policy.close();
      await router.close();
      await collateral.close();
      await ledger.close();
    },
  };
}

/**
 * Endorsements read from the very text that is archived and that clients are given: whoever makes the appraisal again
 * starts from the same bytes.
 */
function judgedWithOf(collateral: Collateral) {
  const loaded = new BoundedMap<VendorEndorsements>(COLLATERALS_MAX);
  const nvidiaCache = new VerificationCache();
  return async (
    bundle: Bytes,
    certificates: readonly Bytes[],
    anchors: readonly TrustAnchor[],
    policyDigest: Bytes,
  ): Promise<Readonly<{ endorsements: VendorEndorsements; text: string }>> => {
    await collateral.endorsementsFor(bundle, certificates); // fetched where it has to be
    const text = await collateral.textFor(bundle);
    const { tee } = parseEvidenceBundle(bundle);
    const key = `${tee}:${toHex(policyDigest)}:${toHex(sha256(utf8(text)))}`;
    const endorsements = loaded.get(key) ?? (await loadVendorEndorsements(tee, text, anchors, nvidiaCache));
    loaded.set(key, endorsements);
    return { endorsements, text };
  };
}

/** Nothing of it is lost: the next round tries again. */
function reportFailed(what: string, error: unknown): void {
  const { code, message } = asCodedError(error);
  process.stderr.write(`${what}: ${code} ${message}\n`);
}

/** The newest block and log head, asked for at most once a second. */
function beaconOf(chain: ReturnType<typeof chainPort>, log: LogPort, network: number): () => Promise<BeaconSource> {
  let latest: Promise<BeaconSource> | null = null;
  let askedAt = 0;
  const ask = async (): Promise<BeaconSource> => {
    const [head, checkpoint] = await Promise.all([chain.head(), log.checkpoint()]);
    const { origin, size, root } = parseCheckpoint(parseNote(utf8(checkpoint)).text);
    const beacon: Beacon = {
      network,
      seqno: head.seqno,
      blockRootHash: head.rootHash,
      logOriginSha256: sha256(utf8(origin)),
      logSize: BigInt(size),
      logRoot: root,
    };
    return { beacon, checkpoint, madeAt: Date.now() };
  };
  return () => {
    if (latest === null || Date.now() - askedAt > BEACON_FRESH_MS) {
      askedAt = Date.now();
      latest = ask();
      latest.catch(() => {
        latest = null;
      });
    }
    return latest;
  };
}

/** The sheet in force, the same at all replicas; a new one in time before the old one ends. */
async function priceSheetIn(ledger: Ledger, network: number): Promise<Bytes> {
  const kept = await ledger.setting(PRICE_SHEET);
  if (kept !== null) {
    const sheet = parsePriceSheet(kept);
    if (sheet.currency === currencyOf(network) && sheet.notAfter > Date.now() + PRICE_MARGIN_MS) return kept;
  }
  const next = encodePriceSheet({
    currency: currencyOf(network),
    ...PRICES,
    notAfter: Date.now() + PRICE_LIFETIME_MS,
  });
  return ledger.putSetting(PRICE_SHEET, kept, next);
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
