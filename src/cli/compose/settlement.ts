import { ed25519Key } from '#crypto';
import { Address, LogAnchorClient, type LogAnchorConfig, PoolClient, type PoolConfig } from '../../chain/index.ts';
import { type Bytes, CodedError, fromHex, toHex } from '../../core/index.ts';
import { parseVkey, type VerifierKey } from '../../log/index.ts';
import type { LogClient } from '../../log/writer/index.ts';
import { createAnchoring, createPayouts, every, type RouterDeps } from '../../router/index.ts';
import type { OpenedChain } from './chain.ts';
import { secretOf } from './files.ts';

export type SettlementOptions = Readonly<{
  data: string;
  name: string;
  /** Raw address of who takes the pool's fee, may veto a root, and owns the log's anchor. */
  poolOwner?: string;
  /** Seconds from the post of a root until it counts. */
  poolPostDelay: number;
  /** nanoTON from which on a worker is paid. */
  payAbove: bigint;
  /** Seconds between two rounds of watching, paying and anchoring. */
  settleEvery: number;
}>;

/** In ten-thousandths: what the router keeps of what its pool collects. */
const FEE_BPS = 1000;
const MIN_CHALLENGE = 100_000_000n;
const ANCHOR_GAP_SECONDS = 600;
/** Nobody has its key: what is slashed is gone. */
const SINK = new Address(0, Buffer.alloc(32));
/** For the deployments, and for operations until the next funding. */
const WALLET_LEAST = 1_000_000_000n;

/** A contract's configuration as JSON can carry it: who reads it recomputes the address. */
export type SettlementContracts = Readonly<{
  pool: Readonly<{
    address: string;
    owner: string;
    operator: string;
    postDelaySeconds: number;
    minChallenge: string;
    bps: number;
    voucherKey: string;
  }>;
  anchor: Readonly<{
    address: string;
    minGapSeconds: number;
    owner: string;
    relayer: string;
    sink: string;
    origin: string;
    key: string;
  }>;
}>;

/** @throws CodedError CONTRACT_CONFIG_INVALID, ENCODING_INVALID */
export function poolConfigOf({ pool }: SettlementContracts, network: number): PoolConfig {
  return {
    network,
    owner: Address.parseRaw(pool.owner),
    operator: Address.parseRaw(pool.operator),
    postDelaySeconds: pool.postDelaySeconds,
    minChallenge: BigInt(pool.minChallenge),
    bps: pool.bps,
    voucherKey: fromHex(pool.voucherKey, 'voucherKey'),
  };
}

/** @throws CodedError CONTRACT_CONFIG_INVALID, ENCODING_INVALID */
export function anchorConfigOf({ anchor }: SettlementContracts, network: number): LogAnchorConfig {
  return {
    network,
    minGapSeconds: anchor.minGapSeconds,
    owner: Address.parseRaw(anchor.owner),
    relayer: Address.parseRaw(anchor.relayer),
    sink: Address.parseRaw(anchor.sink),
    origin: anchor.origin,
    key: fromHex(anchor.key, 'key'),
  };
}

export type Settlement = Readonly<{
  contracts: SettlementContracts;
  feeBps: number;
  /** Begins the rounds: watch channels, pay workers, anchor the log. */
  start(
    deps: Pick<RouterDeps, 'ledger'> &
      Readonly<{ watch: () => Promise<readonly { error: unknown }[]>; failed: (what: string, error: unknown) => void }>,
  ): Readonly<{ close(): Promise<void> }>;
}>;

/**
 * The router's pool, deployed where it is not, and its log's anchor.
 * @throws CodedError CONFIG_INVALID without an owner on a real network, CHAIN_FUNDS_MISSING, and of the chain
 */
export async function openSettlement(
  options: SettlementOptions,
  chain: OpenedChain,
  log: LogClient,
  development: boolean,
  /** Does what sends from the wallet while nobody else does. */
  withWallet: <Result>(work: () => Promise<Result>) => Promise<Result>,
): Promise<Settlement> {
  const logKey = parseVkey(await log.vkey());
  const contracts = contractsOf(options, chain, logKey, development);
  const pool = new PoolClient(chain.caller, poolConfigOf(contracts, chain.network));
  const anchor = new LogAnchorClient(chain.caller, anchorConfigOf(contracts, chain.network));
  await chain.fund(WALLET_LEAST);
  await withWallet(() => pool.deploy(chain.wallet));
  return {
    contracts: {
      pool: { ...contracts.pool, address: pool.address.toRawString() },
      anchor: { ...contracts.anchor, address: anchor.address.toRawString() },
    },
    feeBps: FEE_BPS,
    start({ ledger, watch, failed }) {
      const { wallet } = chain;
      const payouts = createPayouts(
        {
          ledger,
          log,
          source: options.name,
          pool: {
            view: () => pool.view(),
            post: (root) => withWallet(() => pool.post(wallet, root)),
            claimLeaf: (proof) => withWallet(() => pool.claimLeaf(wallet, proof)),
          },
        },
        { payAbove: options.payAbove },
      );
      const anchoring = createAnchoring({
        log,
        logKey,
        source: options.name,
        anchor: {
          view: () => anchor.view(),
          anchor: (head, proof) => withWallet(() => anchor.anchor(wallet, head, proof)),
        },
      });
      const tried = (what: string, work: () => Promise<unknown>) =>
        work().catch((error: unknown) => failed(what, error));
      return every(
        options.settleEvery,
        // Of several replicas one does it; the others find it done.
        () =>
          ledger.alone('settlement', async () => {
            await tried('fees', () => chain.fund(WALLET_LEAST));
            for (const { error } of await watch()) failed('watch', error);
            await tried('payouts', payouts.round);
            await tried('anchoring', anchoring.round);
          }),
        (error) => failed('settlement', error),
      );
    },
  };
}

function contractsOf(
  options: SettlementOptions,
  chain: OpenedChain,
  logKey: VerifierKey,
  development: boolean,
): SettlementContracts {
  const own = chain.wallet.address.toRawString();
  if (options.poolOwner === undefined && !development) {
    throw new CodedError('CONFIG_INVALID', 'a pool on a real network needs an owner', {
      todo: 'give --pool-owner the address of a wallet or multisig that is not the router’s own',
    });
  }
  const owner = options.poolOwner ?? own;
  const voucherKey: Bytes = ed25519Key(secretOf(options.data, 'voucher')).publicKey;
  return {
    pool: {
      address: '',
      owner,
      operator: own,
      postDelaySeconds: options.poolPostDelay,
      minChallenge: MIN_CHALLENGE.toString(),
      bps: FEE_BPS,
      voucherKey: toHex(voucherKey),
    },
    anchor: {
      address: '',
      minGapSeconds: ANCHOR_GAP_SECONDS,
      owner,
      relayer: own,
      sink: SINK.toRawString(),
      origin: logKey.name,
      key: toHex(logKey.publicKey),
    },
  };
}
