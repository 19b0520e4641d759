import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, type Cell, internal, SendMode, type StateInit } from '@ton/core';
import { type TonClient, WalletContractV5R1 } from '@ton/ton';
import { ed25519Sign, type SigningKey } from '#crypto';
import { type Clock, CodedError } from '../core/index.ts';
import type { ChainEndpoint } from './endpoint.ts';

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
    return this.#endpoint.ask('balance of the wallet', (client) => client.getBalance(this.address));
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
    const state = await this.#endpoint.ask('state of the wallet', (client) => client.getContractState(this.address));
    if (state.balance < value + WALLET_FEE_ALLOWANCE) {
      throw new CodedError('CHAIN_FUNDS_MISSING', 'the wallet holds less than the transfer and its fees', {
        balance: state.balance.toString(),
        needed: (value + WALLET_FEE_ALLOWANCE).toString(),
      });
    }
    const { seqno, now } = await this.#nextSeqno(state.timestampt);
    const validUntil = now + WALLET_MESSAGE_SECONDS;
    const transfer = await this.#contract.createTransfer({
      seqno,
      timeout: validUntil,
      sendMode: SendMode.PAY_GAS_SEPARATELY + SendMode.IGNORE_ERRORS,
      messages: [internal({ to, value, body, bounce, ...(init === undefined ? {} : { init }) })],
      signer: async (cell: Cell) => Buffer.from(await ed25519Sign(this.#key, cell.hash())),
    });
    this.#signed = { seqno, validUntil };
    await this.#endpoint.ask('transfer', (client) => this.#contract.send(this.#provider(client), transfer));
  }

  #provider(client: TonClient) {
    return client.provider(this.address, this.#contract.init);
  }

  /** Two messages with one number would be one message: waits while the last one may still be applied. */
  async #nextSeqno(chainTime: number): Promise<{ seqno: number; now: number }> {
    for (let at = chainTime; ; ) {
      const seqno = await this.#endpoint.ask('sequence number of the wallet', (client) =>
        this.#contract.getSeqno(this.#provider(client)),
      );
      const now = Math.max(Math.floor(this.#clock() / 1000), at);
      if (this.#signed === null || seqno > this.#signed.seqno || now > this.#signed.validUntil) return { seqno, now };
      await sleep(SEQNO_POLL_MS);
      at = (await this.#endpoint.ask('state of the wallet', (client) => client.getContractState(this.address)))
        .timestampt;
    }
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
