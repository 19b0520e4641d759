import {
  type Address,
  beginCell,
  Cell,
  getMethodId,
  loadShardAccount,
  loadTransaction,
  parseTuple,
  type ShardAccount,
  storeShardAccount,
  type Transaction,
  type TupleItem,
} from '@ton/core';
import { createEmptyShardAccount, defaultConfig, Executor } from '@ton/sandbox';
import { CodedError } from '../../core/index.ts';
import { networkConfig } from './network-config.ts';

const GET_METHOD_GAS_MAX = 1_000_000n;
const EMULATED_SEED = Buffer.alloc(32); // contracts that draw lots get the same ones: runs repeat exactly

export type Executed = Readonly<{ transaction: Transaction; transactionBoc: string; account: string }>;
export type GetMethodAnswer = Readonly<{ exitCode: number; gasUsed: number; stack: TupleItem[] }>;

/** TON's own transaction executor, one account and one message at a time; it keeps no state between calls. */
export class Emulator {
  readonly #executor: Executor;
  readonly config: string;

  private constructor(executor: Executor, config: string) {
    this.#executor = executor;
    this.config = config;
  }

  static async create(network: number): Promise<Emulator> {
    const config = networkConfig(defaultConfig, network).toBoc().toString('base64');
    return new Emulator(await Executor.create(), config);
  }

  /**
   * @param account shard account before, base64 bag of cells
   * @throws CodedError CHAIN_REFUSED where no transaction came about (an external message was not accepted)
   */
  async execute(message: Cell, account: string, now: number, logicalTime: bigint): Promise<Executed> {
    const { result } = await this.#executor.runTransaction({
      config: this.config,
      libs: null,
      verbosity: 'short',
      shardAccount: account,
      now,
      lt: logicalTime,
      randomSeed: EMULATED_SEED,
      ignoreChksig: false,
      debugEnabled: false,
      message,
    });
    if (!result.success) {
      throw new CodedError('CHAIN_REFUSED', 'cannot apply external message to current state: it was not accepted', {
        exitCode: result.vmResults?.vmExitCode ?? 0,
      });
    }
    const transaction = loadTransaction(Cell.fromBase64(result.transaction).beginParse());
    return { transaction, transactionBoc: result.transaction, account: result.shardAccount };
  }

  /** Exit code -13, as a node answers it, where the account has no code. */
  async runGetMethod(
    address: Address,
    account: ShardAccount,
    method: string | number,
    stack: TupleItem[],
    now: number,
  ): Promise<GetMethodAnswer> {
    const state = account.account?.storage.state;
    if (state?.type !== 'active' || !state.state.code || !state.state.data) {
      return { exitCode: -13, gasUsed: 0, stack: [] };
    }
    const { output } = await this.#executor.runGetMethod({
      code: state.state.code,
      data: state.state.data,
      methodId: typeof method === 'number' ? method : getMethodId(method),
      stack,
      config: this.config,
      verbosity: 'short',
      address,
      unixTime: now,
      balance: account.account?.storage.balance.coins ?? 0n,
      randomSeed: EMULATED_SEED,
      gasLimit: GET_METHOD_GAS_MAX,
      debugEnabled: false,
    });
    if (!output.success) throw new CodedError('CHAIN_REFUSED', 'the get-method could not be run');
    const exitCode = output.vm_exit_code;
    const ok = exitCode === 0 || exitCode === 1;
    return {
      exitCode: exitCode === 1 ? 0 : exitCode,
      gasUsed: Number(output.gas_used),
      stack: ok ? parseTuple(Cell.fromBase64(output.stack)) : [],
    };
  }
}

export function parseAccount(account: string): ShardAccount {
  return loadShardAccount(Cell.fromBase64(account).beginParse());
}

/** An account before its first transaction, base64 bag of cells. */
export function emptyAccount(address: Address): string {
  const cell = beginCell().store(storeShardAccount(createEmptyShardAccount(address)));
  return cell.endCell().toBoc().toString('base64');
}
