import { type Address, type Cell, toNano } from '@ton/core';
import { CodedError } from '../core/index.ts';
import { type CallerOptions, ContractCaller } from './caller.ts';
import {
  POOL_RESERVE,
  type PoolConfig,
  type PoolState,
  type PostedRoot,
  parsePoolData,
  poolAddress,
  poolInit,
  poolMessage,
} from './pool.ts';
import type { SumProof } from './sum-tree.ts';
import type { Wallet } from './wallet.ts';
import type { WorkerVoucher } from './worker-voucher.ts';

/** Beyond the reserve at the deployment: gas of the payments that come in is the pool's own small loss. */
const GAS_ALLOWANCE = toNano('0.1');

/** A pool as one state of the chain shows it. @property at the chain's clock, unix seconds */
export type PoolView = PoolState & Readonly<{ address: Address; balance: bigint; seqno: number; at: number }>;

/** Deploys, reads and works one pool; every write ends in a transaction that was seen. */
export class PoolClient {
  readonly #caller: ContractCaller;
  readonly config: PoolConfig;

  constructor(options: CallerOptions, config: PoolConfig) {
    this.#caller = new ContractCaller(options);
    this.config = config;
  }

  get address(): Address {
    return poolAddress(this.config);
  }

  /** @returns null where nothing was deployed. @throws CodedError CONTRACT_MISMATCH, CHAIN_UNREACHABLE */
  async find(): Promise<PoolView | null> {
    const account = await this.#caller.account('pool', poolInit(this.config));
    if (account === null) return null;
    const { address, data, balance, seqno, at } = account;
    return { ...parsePoolData(data, this.config), address, balance, seqno, at };
  }

  /** @throws CodedError CHAIN_REFUSED where the pool is not deployed, and as {@link find} */
  async view(): Promise<PoolView> {
    const found = await this.find();
    if (found === null) {
      throw new CodedError('CHAIN_REFUSED', 'the pool is not deployed on this chain', {
        todo: 'check the chain and the pool’s configuration: its router deploys it at its first start',
      });
    }
    return found;
  }

  /** Deploys the pool with what its storage needs, where it is not there. @throws CodedError as every operation */
  async deploy(wallet: Wallet): Promise<PoolView> {
    await this.#caller.requireNetwork(this.config.network);
    await this.#caller.deploy('pool', wallet, poolInit(this.config), POOL_RESERVE + GAS_ALLOWANCE);
    return this.view();
  }

  /** @throws CodedError CHAIN_REFUSED with the contract's reason, and as every operation */
  post(wallet: Wallet, root: PostedRoot): Promise<PoolView> {
    return this.#operate(wallet, poolMessage.post(root, this.#caller.queryId()));
  }

  /** Pays a payee its leaf; anybody may. @throws CodedError CHAIN_REFUSED with the contract's reason */
  claimLeaf(wallet: Wallet, proof: SumProof): Promise<PoolView> {
    return this.#operate(wallet, poolMessage.claimLeaf(proof, this.#caller.queryId()));
  }

  /**
   * Shows the pool a worker voucher that no root has paid; anybody may.
   * @param key the one that signed it, Ed25519, 32 bytes
   * @throws CodedError CHAIN_REFUSED with the contract's reason
   */
  challenge(wallet: Wallet, key: Uint8Array, voucher: WorkerVoucher, signature: Uint8Array): Promise<PoolView> {
    return this.#operate(wallet, poolMessage.challenge(key, voucher, signature, this.#caller.queryId()));
  }

  /** Pays what a challenge that is due was opened for; anybody may. @throws CodedError CHAIN_REFUSED, as above */
  enforce(wallet: Wallet, payee: Uint8Array): Promise<PoolView> {
    return this.#operate(wallet, poolMessage.enforce(payee, this.#caller.queryId()));
  }

  async #operate(wallet: Wallet, body: Cell): Promise<PoolView> {
    await this.#caller.operate('pool', wallet, poolInit(this.config), body);
    return this.view();
  }
}
