import {
  type Address,
  beginCell,
  type Cell,
  loadMessage,
  type Message,
  type ShardAccount,
  storeMessage,
  type TupleItem,
} from '@ton/core';
import { type Emulator, emptyAccount, parseAccount } from '../../src/chain/dev/emulator.ts';
import { addressOfInit, type ContractInit } from '../../src/chain/index.ts';

export type Outgoing = Readonly<{ to: Address; value: bigint; body: Cell; bounced: boolean; bounce: boolean }>;
export type Outcome = Readonly<{
  /** Exit code of the contract; -1 where it did not run. */
  exitCode: number;
  /** Result of the action phase; null where there was none. */
  actionCode: number | null;
  aborted: boolean;
  gas: bigint;
  /** The balance before the message, its storage paid. */
  base: bigint;
  outgoing: readonly Outgoing[];
  /** What the transaction burnt and what its messages pay on the way: balances fall by exactly this. */
  fees: bigint;
}>;

/** One contract's account on the real executor, message by message. */
export class ContractBench<State> {
  readonly address: Address;
  readonly init: ContractInit;
  now = 1_800_000_000;
  readonly #emulator: Emulator;
  readonly #parse: (data: Cell) => State;
  #account: string;
  #cached: ShardAccount | null = null;
  #logicalTime = 0n;

  constructor(emulator: Emulator, init: ContractInit, parse: (data: Cell) => State, address = addressOfInit(init)) {
    this.#emulator = emulator;
    this.#parse = parse;
    this.address = address;
    this.init = init;
    this.#account = emptyAccount(address);
  }

  get #parsed(): ShardAccount {
    this.#cached ??= parseAccount(this.#account);
    return this.#cached;
  }

  get balance(): bigint {
    return this.#parsed.account?.storage.balance.coins ?? 0n;
  }

  /** Null before the deployment. */
  get state(): State | null {
    const state = this.#parsed.account?.storage.state;
    return state?.type === 'active' ? this.#parse(state.state.data as Cell) : null;
  }

  get(method: string, stack: TupleItem[] = []) {
    return this.#emulator.runGetMethod(this.address, this.#parsed, method, stack, this.now);
  }

  async send(src: Address, value: bigint, body: Cell, options: { bounce?: boolean; bounced?: boolean } = {}) {
    const message: Message = {
      info: {
        type: 'internal',
        ihrDisabled: true,
        bounce: options.bounce ?? true,
        bounced: options.bounced ?? false,
        src,
        dest: this.address,
        value: { coins: value },
        ihrFee: 0n,
        forwardFee: 0n,
        createdLt: 0n,
        createdAt: this.now,
      },
      init: this.init,
      body,
    };
    return this.#run(beginCell().store(storeMessage(message)).endCell());
  }

  async sendExternal(body: Cell): Promise<Outcome> {
    const info = { type: 'external-in', dest: this.address, importFee: 0n } as const;
    return this.#run(beginCell().store(storeMessage({ info, body })).endCell());
  }

  async #run(message: Cell): Promise<Outcome> {
    this.#logicalTime += 1_000_000n;
    const before = this.balance;
    const { transaction, account } = await this.#emulator.execute(message, this.#account, this.now, this.#logicalTime);
    this.#account = account;
    this.#cached = null;
    const { description } = transaction;
    if (description.type !== 'generic') throw new Error(`a ${description.type} transaction`);
    const compute = description.computePhase;
    const outgoing: Outgoing[] = [];
    let fees = transaction.totalFees.coins;
    for (const { info, body } of transaction.outMessages.values()) {
      if (info.type !== 'internal') throw new Error(`an ${info.type} message`);
      outgoing.push({ to: info.dest, value: info.value.coins, body, bounced: info.bounced, bounce: info.bounce });
      fees += info.forwardFee;
    }
    // Conservation, to the nanoTON, of every single transaction.
    const sent = loadMessage(message.beginParse()).info;
    const value = sent.type === 'internal' ? sent.value.coins : 0n;
    const left = this.balance + outgoing.reduce((sum, out) => sum + out.value, 0n) + fees;
    if (before + value !== left) throw new Error(`money is not conserved: ${before} + ${value} is not ${left}`);
    return {
      exitCode: compute.type === 'vm' ? compute.exitCode : -1,
      actionCode: description.actionPhase?.resultCode ?? null,
      aborted: description.aborted,
      gas: compute.type === 'vm' ? compute.gasUsed : 0n,
      base: before - (description.storagePhase?.storageFeesCollected ?? 0n),
      outgoing,
      fees,
    };
  }
}
