import { join } from 'node:path';
import { ed25519Key, sha256 } from '#crypto';
import {
  appraise,
  BoundedMap,
  encodeRecordedInputs,
  type KnownBlock,
  loadVendorEndorsements,
  type Policy,
  parseEvidenceBundle,
  policyDigest,
  type TrustAnchor,
  type VendorEndorsements,
  VerificationCache,
} from '../../attestation/index.ts';
import { currencyOf, DEVELOPMENT_NETWORK } from '../../chain/index.ts';
import { asCodedError, type Beacon, type Bytes, CodedError, KIND_OF_CODE, toHex, utf8 } from '../../core/index.ts';
import { isDigest, parseCheckpoint, parseLeaf, parseNote } from '../../log/index.ts';
import { createLogClient } from '../../log/writer/index.ts';
import { type BeaconSource, createRouter, type LogPort, type RouterService } from '../../router/index.ts';
import { encodePriceSheet, parsePriceSheet } from '../../session/index.ts';
import { openSqliteLedger } from '../../store/index.ts';
import { chainPort, openChain } from './chain.ts';
import { type Collateral, type CollateralOptions, openCollateral } from './collateral.ts';
import { readIfThere, readText, secretOf, systemRandomness, writeDurably } from './files.ts';
import { openSettlement, type SettlementContracts, type SettlementOptions } from './settlement.ts';
import { loadTrust, type TrustOptions } from './trust.ts';

export type RouterOptions = TrustOptions &
  CollateralOptions &
  SettlementOptions &
  Readonly<{ chain: string; log: string; logTokenFile: string }>;

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
export async function openRouter(options: RouterOptions): Promise<OpenedRouter> {
  const { policy, text, digest, trust } = loadTrust(options);
  const collateral = await openCollateral(options, trust.trustAnchors);
  const chain = await openChain(options.chain, secretOf(options.data, 'wallet'));
  await chain.fund(WALLET_LEAST);
  const log = createLogClient({ url: options.log, token: readText(options.logTokenFile).trim() }) satisfies LogPort;
  const settlement = await openSettlement(options, chain, log, chain.network === DEVELOPMENT_NETWORK);
  const beacon = beaconOf(chainPort(chain), log, chain.network);
  const ledger = openSqliteLedger(join(options.data, 'ledger.sqlite'));
  const dispatchKey = ed25519Key(secretOf(options.data, 'dispatch'));
  const priceSheet = priceSheetIn(options.data, chain.network);
  const published = await publishPolicy(log, options, policy, text);
  // Audit promise P2: the policy counts once the quorum of witnesses has seen it.
  await log.proof(published);
  const judgedWith = judgedWithOf(collateral, trust.trustAnchors);
  const router = createRouter({
    log,
    chain: chainPort(chain),
    ledger,
    appraise: async ({ bundle, certificates }, nonce, source) => {
      const known: KnownBlock = {
        network: source.beacon.network,
        seqno: source.beacon.seqno,
        rootHash: source.beacon.blockRootHash,
        at: source.madeAt,
      };
      const { endorsements, text: collateralText } = await judgedWith(bundle, certificates);
      const judgedAt = Date.now();
      const knownBlocks = [known];
      return {
        appraisal: await appraise({ ...trust, bundle, endorsements, now: judgedAt, expectedNonce: nonce, knownBlocks }),
        judgedAt,
        collateral: utf8(collateralText),
        inputs: encodeRecordedInputs({ judgedAt, policyDigest: digest, nonce, knownBlocks }),
      };
    },
    beacon,
    collateral: collateral.textFor,
    policy: { text, number: policy.number, digest },
    dispatchKey,
    priceSheet,
    network: chain.network,
    payee: settlement.contracts.pool.address,
    feeBps: settlement.feeBps,
    source: options.name,
    now: Date.now,
    randomness: systemRandomness,
  });
  const rounds = settlement.start({ ledger, watch: router.watchChannels, failed: settlementFailed });
  return {
    router,
    contracts: settlement.contracts,
    policy: `${policy.id} #${policy.number}`,
    simulated: options.dangerouslyAllowSimulatedVendor !== undefined,
    close: async () => {
      await rounds.close();
      await router.close();
      await collateral.close();
      ledger.close();
    },
  };
}

/**
 * Endorsements read from the very text that is archived and that clients are given: whoever makes the appraisal again
 * starts from the same bytes.
 */
function judgedWithOf(collateral: Collateral, anchors: readonly TrustAnchor[]) {
  const loaded = new BoundedMap<VendorEndorsements>(COLLATERALS_MAX);
  const nvidiaCache = new VerificationCache();
  return async (
    bundle: Bytes,
    certificates: readonly Bytes[],
  ): Promise<Readonly<{ endorsements: VendorEndorsements; text: string }>> => {
    await collateral.endorsementsFor(bundle, certificates); // fetched where it has to be
    const text = await collateral.textFor(bundle);
    const { tee } = parseEvidenceBundle(bundle);
    const key = `${tee}:${toHex(sha256(utf8(text)))}`;
    const endorsements = loaded.get(key) ?? (await loadVendorEndorsements(tee, text, anchors, nvidiaCache));
    loaded.set(key, endorsements);
    return { endorsements, text };
  };
}

/** Logs the policy, once for as long as it stays in force at this router. @returns index of its entry */
async function publishPolicy(log: LogPort, options: RouterOptions, policy: Policy, text: string): Promise<number> {
  const path = join(options.data, 'policy-in-force.txt');
  const digest = `sha256:${toHex(policyDigest(policy))}` as const;
  const [last = '', lastIndex = ''] = (readIfThere(path) ?? '').trim().split(' ');
  if (last === digest && (await isPolicyEntry(log, Number(lastIndex), digest))) return Number(lastIndex);
  const { index } = await log.append(
    {
      type: 'policy-published',
      src: options.name,
      subject: `policy:${policy.id}`,
      blobs: [`sha256:${toHex(sha256(utf8(text)))}`],
      body: {
        policyDigest: digest,
        number: policy.number,
        replaces: isDigest(last) && last !== digest ? last : null,
        effectiveFromIndex: null,
        reason: 'in force at this router',
      },
    },
    // A crash before the file is written asks again with the same key; a policy that comes back later does not.
    { idempotencyKey: `policy:${options.name}:${toHex(policyDigest(policy))}:after:${lastIndex}`, blobs: [utf8(text)] },
  );
  writeDurably(path, `${digest} ${index}\n`);
  return index;
}

async function isPolicyEntry(log: LogPort, index: number, digest: string): Promise<boolean> {
  try {
    const { leaf } = parseLeaf(await log.entry(index));
    return leaf.type === 'policy-published' && (leaf.body as { policyDigest?: unknown }).policyDigest === digest;
  } catch (error) {
    if (error instanceof CodedError && KIND_OF_CODE[error.code] === 'rejected') return false; // another log than then
    throw error;
  }
}

/** Nothing of it is lost: the next round tries again. */
function settlementFailed(what: string, error: unknown): void {
  const { code, message } = asCodedError(error);
  process.stderr.write(`settlement: ${what}: ${code} ${message}\n`);
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

/** The sheet in force; a new one in time before the old one ends. */
function priceSheetIn(folder: string, network: number): Uint8Array<ArrayBuffer> {
  const path = join(folder, 'price-sheet.hex');
  const kept = readIfThere(path);
  if (kept !== null) {
    const object = Uint8Array.from(Buffer.from(kept.trim(), 'hex'));
    const sheet = parsePriceSheet(object);
    if (sheet.currency === currencyOf(network) && sheet.notAfter > Date.now() + PRICE_MARGIN_MS) return object;
  }
  const object = encodePriceSheet({
    currency: currencyOf(network),
    ...PRICES,
    notAfter: Date.now() + PRICE_LIFETIME_MS,
  });
  writeDurably(path, `${toHex(object)}\n`);
  return object;
}
