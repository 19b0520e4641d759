import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Address,
  beginCell,
  type Cell,
  external as externalMessage,
  internal,
  SendMode,
  type StateInit,
  storeMessage,
} from '@ton/core';
import { WalletContractV5R1 } from '@ton/ton';
import { ed25519Sign, type SigningKey } from '#crypto';
import { type Clock, CodedError } from '../core/index.ts';
import type { ChainEndpoint } from './endpoint.ts';
import type { AccountState } from './provider/provider.ts';

/** Contracts section 6: what a wallet signs is good for a minute. */
export const WALLET_MESSAGE_SECONDS = 60;
const SEQNO_POLL_MS = 200;
/** For the wallet's own fees. */
const WALLET_FEE_ALLOWANCE = 20_000_000n;

export type OutgoingMessage = Readonly<{ to: Address; value: bigint; body: Cell; init?: StateInit; bounce?: boolean }>;

/**
 * A wallet of version 5 (revision 1). Its key signs transfers and nothing else; the contract is deployed by its first
 * message.
 */
export class Wallet {
  readonly #endpoint: ChainEndpoint;
  readonly #contract: WalletContractV5R1;
  readonly #key: SigningKey;
  readonly #clock: Clock;
  #last: Promise<unknown> = Promise.resolve();
  /** What was signed last: the next number is signed when this one is used, or can be used no more. */
  #signed: Readonly<{ seqno: number; validUntil: number }> | null = null;

  constructor(endpoint: ChainEndpoint, key: SigningKey, network: number, clock: Clock) {
    this.#endpoint = endpoint;
    this.#key = key;
    this.#clock = clock;
    this.#contract = walletContract(key.publicKey, network);
  }

  get address(): Address {
    return this.#contract.address;
  }

  /** nanoTON. */
  balance(): Promise<bigint> {
    return this.#endpoint.account(this.address).then(({ balance }) => balance);
  }

  /**
   * Signs and sends one message; resolves when the endpoint has taken it, which is not yet success: read that from the
   * receiver. Sends of one Wallet object wait for each other, because each uses the next sequence number.
   * @throws CodedError CHAIN_FUNDS_MISSING, CHAIN_REFUSED, CHAIN_UNREACHABLE
   */
  send(message: OutgoingMessage): Promise<void> {
    const run = this.#last.then(() => this.#send(message));
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #send({ to, value, body, init, bounce = true }: OutgoingMessage): Promise<void> {
    const state = await this.#endpoint.account(this.address);
    if (state.balance < value + WALLET_FEE_ALLOWANCE) {
      throw new CodedError('CHAIN_FUNDS_MISSING', 'the wallet holds less than the transfer and its fees', {
        balance: state.balance.toString(),
        needed: (value + WALLET_FEE_ALLOWANCE).toString(),
      });
    }
    const { seqno, now } = await this.#nextSeqno(state);
    const validUntil = now + WALLET_MESSAGE_SECONDS;
    const transfer = await this.#contract.createTransfer({
      seqno,
      timeout: validUntil,
      sendMode: SendMode.PAY_GAS_SEPARATELY + SendMode.IGNORE_ERRORS,
      messages: [internal({ to, value, body, bounce, ...(init === undefined ? {} : { init }) })],
      signer: async (cell: Cell) => Buffer.from(await ed25519Sign(this.#key, cell.hash())),
    });
    this.#signed = { seqno, validUntil };
    const { init: own } = this.#contract;
    const external = { to: this.address, body: transfer, ...(state.state === 'active' ? {} : { init: own }) };
    await this.#endpoint.send(
      beginCell()
        .store(storeMessage(externalMessage(external)))
        .endCell()
        .toBoc(),
    );
  }

  /** Two messages with one number would be one message: waits while the last one may still be applied. */
  async #nextSeqno(first: AccountState): Promise<{ seqno: number; now: number }> {
    for (let account = first; ; account = await this.#endpoint.account(this.address)) {
      const seqno = account.state === 'active' ? await this.#seqno() : 0;
      const now = Math.max(Math.floor(this.#clock() / 1000), account.at);
      if (this.#signed === null || seqno > this.#signed.seqno || now > this.#signed.validUntil) return { seqno, now };
      await sleep(SEQNO_POLL_MS);
    }
  }

  async #seqno(): Promise<number> {
    const { exitCode, stack } = await this.#endpoint.runGetMethod(this.address, 'seqno');
    const [seqno] = stack;
    if (exitCode !== 0 || seqno?.type !== 'int') {
      throw new CodedError('CHAIN_UNREACHABLE', 'the sequence number of the wallet could not be read', { exitCode });
    }
    return Number(seqno.value);
  }
}

function walletContract(publicKey: Uint8Array, network: number): WalletContractV5R1 {
  return WalletContractV5R1.create({
    publicKey: Buffer.from(publicKey),
    walletId: {
      networkGlobalId: network,
      context: { walletVersion: 'v5r1', workchain: 0, subwalletNumber: 0 },
    },
  });
}

/** The address of the wallet that a key opens on a network. */
export function walletAddress(publicKey: Uint8Array, network: number): Address {
  return walletContract(publicKey, network).address;
}
