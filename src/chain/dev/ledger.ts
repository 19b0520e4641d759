import {
  Address,
  beginCell,
  Cell,
  internal,
  loadMessage,
  type Message,
  type ShardAccount,
  storeMessage,
  type TupleItem,
} from '@ton/core';
import {
  type Bytes,
  type Clock,
  CodedError,
  concat,
  fromHex,
  labelledDigest,
  type Randomness,
  toHex,
  type UnixMs,
  utf8,
} from '../../core/index.ts';
import { Blocks } from './blocks.ts';
import { Emulator, emptyAccount, type GetMethodAnswer, parseAccount } from './emulator.ts';
import { Faults } from './faults.ts';
import { type ChainState, StateFile } from './state-file.ts';
import { withTransactions } from './transaction-history.ts';

/** Transactions one message may set off; more is refused as a whole. */
const CASCADE_MAX = 256;
export const ACCOUNTS_MAX = 10_000;
const WAITING_MAX = 256;
/** Blocks that may be shown before the state is written again. */
const RESERVED_BLOCKS = 64;
/** The most blocks one look at the clock makes up for. */
const CATCH_UP_BLOCKS_MAX = 50_000;
const LOGICAL_TIME_STEP = 1_000_000n;
export const FAUCET_NANOTON_MAX = 1_000_000n * 1_000_000_000n;
const SKIP_SECONDS_MAX = 400 * 86_400;
/** Where the faucet's money comes from: nobody holds a key to it. */
const FAUCET = new Address(0, Buffer.from(labelledDigest('development faucet')));

export type LedgerOptions = Readonly<{
  dataDirectory: string;
  network: number;
  clock: Clock;
  randomness: Randomness;
}>;

export type Head = Readonly<{ network: number; seqno: number; rootHash: Bytes; time: number; first: Bytes }>;
export type AccountView = Readonly<{ account: ShardAccount | null; head: Head }>;

type Accounts = Map<string, string>;

/** All of one moment, for the explorer; accounts and transactions as bags of cells, the account used last at the end. */
export type Snapshot = Readonly<{
  head: Head;
  accounts: ReadonlyMap<string, string>;
  transactions: ReadonlyMap<string, readonly string[]>;
}>;

/** An hour and more of blocks whose time can be told. */
const MARKS_MAX = 8192;

/**
 * The development chain itself: TON's transaction executor over accounts that live in one state file. Work is done one
 * piece at a time, and every change is on disk before it is acknowledged or visible to anybody.
 */
export class Ledger {
  /** What goes wrong on purpose. */
  readonly faults = new Faults();
  readonly #options: LedgerOptions;
  readonly #file: StateFile;
  readonly #emulator: Emulator;
  readonly #chainId: Bytes;
  #accounts: Accounts;
  #hashes = new Map<string, Bytes>();
  #transactions: Map<string, string[]>;
  #blocks: Blocks;
  #time: number;
  #skipped: number;
  #logicalTime: bigint;
  #reservedThrough: number;
  /** The wall clock when the newest block was made, milliseconds. */
  #blockAt: number;
  /** [sequence number, ms]: the newest block at that time. Not durable: times before a restart are not known. */
  readonly #marks: [number, UnixMs][] = [];
  #queue: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #closed = false;

  private constructor(options: LedgerOptions, file: StateFile, emulator: Emulator, state: ChainState | null) {
    this.#options = options;
    this.#file = file;
    this.#emulator = emulator;
    this.#accounts = new Map(state?.accounts);
    this.#transactions = new Map(state?.transactions.map(([address, list]) => [address, [...list]]));
    this.#chainId = state === null ? options.randomness(32) : fromHex(state.chainId);
    this.#skipped = state?.skippedSeconds ?? 0;
    this.#time = state?.time ?? 0;
    this.#logicalTime = BigInt(state?.logicalTime ?? 0);
    this.#reservedThrough = state?.reservedThrough ?? 0;
    this.#blockAt = options.clock();
    this.#blocks =
      state === null
        ? Blocks.genesis(this.#chainId, this.#stateHash(this.#accounts))
        : Blocks.restore(this.#chainId, state.blocks);
  }

  /**
   * Opens the chain of a data directory, or starts one there.
   * @throws CodedError STATE_LOCKED, CHAIN_STATE_FOREIGN, CHAIN_STATE_CORRUPT, STORAGE_FULL
   */
  static async open(options: LedgerOptions): Promise<Ledger> {
    const file = new StateFile(options.dataDirectory);
    try {
      const state = file.load();
      if (state !== null && state.network !== options.network) {
        throw new CodedError('CHAIN_STATE_FOREIGN', 'the state file belongs to another network', {
          network: state.network,
        });
      }
      const ledger = new Ledger(options, file, await Emulator.create(options.network), state);
      if (state !== null) ledger.#continueAfter(state);
      ledger.#tick();
      ledger.#save();
      return ledger;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** After a crash: blocks that may have been shown are made again, all without messages and so the same. */
  #continueAfter(state: ChainState): void {
    const latestStateHash = state.blocks.runs.at(-1)?.[1];
    if (latestStateHash !== toHex(this.#stateHash(this.#accounts))) {
      throw new CodedError('CHAIN_STATE_CORRUPT', 'the accounts of the state file are not those of its newest block');
    }
    if (state.reservedThrough > state.blocks.latest + RESERVED_BLOCKS) {
      throw new CodedError('CHAIN_STATE_CORRUPT', 'the state file reserves more blocks than it may');
    }
    this.#blocks.extendTo(state.reservedThrough);
  }

  get config(): string {
    return this.#emulator.config;
  }

  /** Runs one piece of work after all before it. @throws CodedError CHAIN_BUSY where too many wait, or after the end */
  async #serial<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#closed || this.#waiting >= WAITING_MAX) {
      throw new CodedError('CHAIN_BUSY', this.#closed ? 'the chain has stopped' : 'too many requests wait');
    }
    this.#waiting++;
    const run = this.#queue.then(work);
    this.#queue = run.catch(() => undefined);
    try {
      return await run;
    } finally {
      this.#waiting--;
    }
  }

  /** Makes the blocks that are due: one a second, none while nobody looks or the process is down. */
  #tick(): void {
    const now = this.#options.clock();
    const due = Math.min(Math.floor((now - this.#blockAt) / 1000), CATCH_UP_BLOCKS_MAX);
    this.#time = Math.max(this.#time, Math.floor(now / 1000) + this.#skipped);
    if (due > 0) {
      this.#blockAt = now - ((now - this.#blockAt) % 1000);
      this.#blocks.extendTo(this.#blocks.latest.seqno + due);
    }
    this.#mark(now);
    // Also where an earlier attempt failed: no block is shown that a crash could unmake.
    if (this.#blocks.latest.seqno > this.#reservedThrough) this.#save();
  }

  /** Remembers when the newest block was seen, for {@link timeOf}. */
  #mark(now: UnixMs): void {
    const { seqno } = this.#blocks.latest;
    if (this.#marks.at(-1)?.[0] === seqno) return;
    this.#marks.push([seqno, now]);
    if (this.#marks.length > MARKS_MAX) this.#marks.splice(0, MARKS_MAX / 2);
  }

  /** Unix seconds at or before which a block was made, or null where this process has not seen it come. */
  timeOf(seqno: number): Promise<number | null> {
    return this.#serial(() => {
      this.#tick();
      const mark = this.#marks.findLast(([at]) => at <= seqno);
      return mark === undefined || seqno > this.#blocks.latest.seqno ? null : Math.floor(mark[1] / 1000);
    });
  }

  #head(): Head {
    const { seqno, rootHash } = this.#blocks.latest;
    return { network: this.#options.network, seqno, rootHash, time: this.#time, first: this.#chainId };
  }

  /** The newest block. */
  head(): Promise<Head> {
    return this.#serial(() => {
      this.#tick();
      return this.#head();
    });
  }

  /** A block's root hash, or null where it is not remembered or does not exist yet. */
  blockAt(seqno: number): Promise<Bytes | null> {
    return this.#serial(() => {
      this.#tick();
      return this.#blocks.at(seqno);
    });
  }

  account(address: Address): Promise<AccountView> {
    return this.#serial(() => {
      this.#tick();
      const account = this.#accounts.get(address.toRawString());
      return { account: account === undefined ? null : parseAccount(account), head: this.#head() };
    });
  }

  runGetMethod(address: Address, method: string | number, stack: TupleItem[]): Promise<GetMethodAnswer> {
    return this.#serial(async () => {
      this.#tick();
      const account = this.#accounts.get(address.toRawString());
      if (account === undefined) return { exitCode: -13, gasUsed: 0, stack: [] };
      return this.#emulator.runGetMethod(address, parseAccount(account), method, stack, this.#time);
    });
  }

  /** What is there now; later changes do not show in it. */
  snapshot(): Promise<Snapshot> {
    return this.#serial(() => {
      this.#tick();
      return { head: this.#head(), accounts: this.#accounts, transactions: this.#transactions };
    });
  }

  /** Recent transactions of an account as bags of cells, newest first. */
  transactions(address: Address): Promise<readonly string[]> {
    return this.#serial(() => this.#transactions.get(address.toRawString()) ?? []);
  }

  /**
   * Applies an external message and all that follows from it.
   * @throws CodedError CHAIN_REFUSED where it is not an external message or its receiver does not accept it
   */
  async sendExternal(message: Cell): Promise<void> {
    let parsed: Message;
    try {
      parsed = loadMessage(message.beginParse());
    } catch (cause) {
      throw new CodedError('CHAIN_REFUSED', 'not a message', {}, { cause });
    }
    if (parsed.info.type !== 'external-in') {
      throw new CodedError('CHAIN_REFUSED', 'only external messages are taken', { type: parsed.info.type });
    }
    return this.faults.deliver(() => this.#serial(() => this.#apply(parsed)));
  }

  /** Money out of nothing, as only a development chain has it. @param amount nanoTON */
  async faucet(to: Address, amount: bigint): Promise<void> {
    if (amount <= 0n || amount > FAUCET_NANOTON_MAX) {
      throw new CodedError('CHAIN_REFUSED', `the faucet gives 1 to ${FAUCET_NANOTON_MAX} nanoTON`);
    }
    const { info, body } = internal({ to, value: amount, bounce: false });
    if (info.type !== 'internal') throw new CodedError('INVARIANT_BROKEN', 'the faucet made no internal message');
    return this.#serial(() => this.#apply({ info: { ...info, src: FAUCET }, body }));
  }

  /** Moves the chain's time forward, for what takes days on a real network. */
  async skip(seconds: number): Promise<Head> {
    if (!Number.isInteger(seconds) || seconds < 1 || seconds + this.#skipped > SKIP_SECONDS_MAX) {
      throw new CodedError('CHAIN_REFUSED', `at most ${SKIP_SECONDS_MAX} seconds can be skipped in all`);
    }
    return this.#serial(() => {
      this.#skipped += seconds;
      try {
        this.#save();
      } catch (error) {
        this.#skipped -= seconds;
        throw error;
      }
      this.#tick();
      return this.#head();
    });
  }

  async #apply(first: Message): Promise<void> {
    this.#tick();
    const changed: Accounts = new Map();
    const done: { address: string; boc: string }[] = [];
    let logicalTime = this.#logicalTime;
    const queue: Message[] = [first];
    for (let message = queue.shift(); message !== undefined; message = queue.shift()) {
      if (message.info.type === 'external-out') continue;
      if (done.length >= CASCADE_MAX) {
        throw new CodedError('CHAIN_REFUSED', `the message sets off more than ${CASCADE_MAX} transactions`);
      }
      const address = message.info.dest;
      const key = address.toRawString();
      const before = changed.get(key) ?? this.#accounts.get(key) ?? emptyAccount(address);
      logicalTime += LOGICAL_TIME_STEP;
      const cell = beginCell().store(storeMessage(message)).endCell();
      const result = await this.#emulator.execute(cell, before, this.#time, logicalTime);
      changed.set(key, result.account);
      done.push({ address: key, boc: result.transactionBoc });
      queue.push(...result.transaction.outMessages.values());
    }
    this.#commit(changed, done, logicalTime);
  }

  /** All of it, on disk, or nothing. */
  #commit(changed: Accounts, done: readonly { address: string; boc: string }[], logicalTime: bigint): void {
    const accounts = new Map([...this.#accounts, ...changed]);
    if (accounts.size > ACCOUNTS_MAX) {
      throw new CodedError('CHAIN_REFUSED', `the development chain holds ${ACCOUNTS_MAX} accounts`);
    }
    const before = {
      accounts: this.#accounts,
      transactions: this.#transactions,
      logicalTime: this.#logicalTime,
    };
    for (const key of changed.keys()) this.#hashes.delete(key);
    this.#blocks.append(this.#stateHash(accounts));
    this.#accounts = accounts;
    this.#transactions = withTransactions(this.#transactions, done);
    this.#logicalTime = logicalTime;
    try {
      this.#save();
    } catch (error) {
      this.#accounts = before.accounts;
      this.#transactions = before.transactions;
      this.#logicalTime = before.logicalTime;
      this.#blocks.takeBack();
      for (const key of changed.keys()) this.#hashes.delete(key);
      throw error;
    }
  }

  /** Over all accounts in the order of their addresses. */
  #stateHash(accounts: Accounts): Bytes {
    const parts: Bytes[] = [];
    for (const [address, account] of [...accounts].sort(([a], [b]) => (a < b ? -1 : 1))) {
      let hash = this.#hashes.get(address);
      if (hash === undefined) {
        hash = Uint8Array.from(Cell.fromBase64(account).hash());
        this.#hashes.set(address, hash);
      }
      parts.push(utf8(address), hash);
    }
    return labelledDigest('development state', concat(...parts));
  }

  #save(): void {
    const reservedThrough = this.#blocks.latest.seqno + (this.#closed ? 0 : RESERVED_BLOCKS);
    this.#file.save({
      network: this.#options.network,
      chainId: toHex(this.#chainId),
      time: this.#time,
      skippedSeconds: this.#skipped,
      logicalTime: this.#logicalTime.toString(),
      reservedThrough,
      blocks: this.#blocks.record() as ChainState['blocks'],
      accounts: [...this.#accounts],
      transactions: [...this.#transactions],
    });
    this.#reservedThrough = reservedThrough;
    this.#blocks.trim();
  }

  /** Waits for work that has begun, writes the exact number of the newest block and lets the data directory go. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.faults.close();
    await this.#queue;
    try {
      this.#save();
    } finally {
      this.#file.close();
    }
  }
}
