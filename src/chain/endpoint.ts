import type { Address, Transaction, TupleItem } from '@ton/core';
import { CodedError, type Randomness } from '../core/index.ts';
import { createLiteserver } from './provider/liteserver.ts';
import type { AccountState, ChainProvider, MasterchainBlock, TimedBlock } from './provider/provider.ts';
import { askFaucet, createTonCenter } from './provider/toncenter.ts';

const REQUEST_MS_DEFAULT = 10_000;

export type EndpointOptions = Readonly<{
  /**
   * toncenter version 2 JSON-RPC, e.g. `https://toncenter.com/api/v2/jsonRPC` or the development chain's `url`; or a
   * liteserver, `liteserver://KEY@HOST:PORT` with its Ed25519 key in hexadecimal. Several, of different operators, stand
   * in for each other.
   */
  endpoint: string | readonly string[];
  /** So many of them must agree on the state of a contract; 1 where absent. */
  quorum?: number;
  requestMs?: number;
  apiKey?: string;
  /** For the keys of a connection to a liteserver; who has none needs it not. */
  randomness?: Randomness;
}>;

/** The chain through one provider or several. All errors are coded. */
export class ChainEndpoint {
  readonly #options: EndpointOptions;
  readonly #providers: readonly ChainProvider[];
  readonly #quorum: number;
  /** The one that answered last: the next question goes there first. */
  #current = 0;

  /** @throws CodedError CONFIG_INVALID for what is no provider, and a quorum that these cannot reach */
  constructor(options: EndpointOptions) {
    this.#options = options;
    const { endpoint, quorum = 1 } = options;
    const urls = typeof endpoint === 'string' ? [endpoint] : [...new Set(endpoint)];
    if (urls.length === 0 || quorum < 1 || quorum > urls.length) {
      throw new CodedError('CONFIG_INVALID', `${urls.length} providers of the chain, and ${quorum} must agree`);
    }
    this.#quorum = quorum;
    this.#providers = urls.map((url) =>
      url.startsWith('liteserver:') ? this.#liteserver(url) : createTonCenter(this.#tonCenterOptions(url)),
    );
  }

  #liteserver(url: string): ChainProvider {
    const { randomness } = this.#options;
    if (randomness === undefined) throw new CodedError('INVARIANT_BROKEN', 'no randomness for a liteserver');
    return createLiteserver(url, { requestMs: this.#requestMs, randomness });
  }

  get #requestMs(): number {
    return this.#options.requestMs ?? REQUEST_MS_DEFAULT;
  }

  #tonCenterOptions(url: string) {
    const { apiKey } = this.#options;
    if (!URL.canParse(url)) throw new CodedError('CONFIG_INVALID', 'a provider of the chain is a URL');
    return { url, requestMs: this.#requestMs, ...(apiKey === undefined ? {} : { apiKey }) };
  }

  /** Asks one provider after the other, the one that answered last first; a refusal is an answer. */
  async #firstOf<T>(ask: (provider: ChainProvider) => Promise<T>): Promise<T> {
    let last: unknown;
    for (let i = 0; i < this.#providers.length; i++) {
      const at = (this.#current + i) % this.#providers.length;
      try {
        const answer = await ask(this.#providers[at] as ChainProvider);
        this.#current = at;
        return answer;
      } catch (error) {
        if (!(error instanceof CodedError) || error.code !== 'CHAIN_UNREACHABLE') throw error;
        last = error;
      }
    }
    throw last;
  }

  /** An account as any one provider shows it. @throws CodedError CHAIN_UNREACHABLE where none answers, CHAIN_REFUSED */
  account(address: Address): Promise<AccountState> {
    return this.#firstOf((provider) => provider.account(address));
  }

  /**
   * The state of a contract on which enough providers agree: code and data, byte for byte.
   * @throws CodedError CHAIN_UNCONFIRMED where they do not, CHAIN_UNREACHABLE, CHAIN_REFUSED
   */
  async contractState(what: string, address: Address): Promise<AccountState> {
    if (this.#quorum === 1) return this.account(address);
    const asked = await Promise.allSettled(this.#providers.map((provider) => provider.account(address)));
    const answers = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    for (const answer of answers) {
      const agreeing = answers.filter((other) => sameState(answer, other));
      if (agreeing.length < this.#quorum) continue;
      return agreeing.reduce((newest, one) => (one.seqno > newest.seqno ? one : newest));
    }
    throw new CodedError('CHAIN_UNCONFIRMED', `${what}: no ${this.#quorum} providers agree`, {
      providers: this.#providers.length,
      answers: answers.length,
    });
  }

  runGetMethod(address: Address, method: string): Promise<Readonly<{ exitCode: number; stack: readonly TupleItem[] }>> {
    return this.#firstOf((provider) => provider.runGetMethod(address, method));
  }

  /** @param boc an external message; taking it is not yet success */
  send(boc: Buffer): Promise<void> {
    return this.#firstOf((provider) => provider.send(boc));
  }

  /** The newest transactions of an account, newest first. */
  transactions(address: Address, limit: number): Promise<readonly Transaction[]> {
    return this.#firstOf((provider) => provider.transactions(address, limit));
  }

  /** The newest block the endpoint knows. */
  head(): Promise<MasterchainBlock> {
    return this.#firstOf((provider) => provider.head());
  }

  /** A past block by its number. @throws CodedError CHAIN_REFUSED where the endpoint does not know it */
  block(seqno: number): Promise<MasterchainBlock> {
    return this.#firstOf((provider) => provider.block(seqno));
  }

  /** A past block with its time. @throws CodedError CHAIN_REFUSED where the endpoint does not know the block or its time */
  blockWithTime(seqno: number): Promise<TimedBlock> {
    return this.#firstOf((provider) => provider.blockWithTime(seqno));
  }

  /** The global id in the network's configuration (parameter 19). */
  network(): Promise<number> {
    return this.#firstOf((provider) => provider.network());
  }

  /** @throws CodedError CHAIN_NETWORK_MISMATCH unless the endpoint serves this network */
  async requireNetwork(network: number): Promise<void> {
    const served = await this.network();
    if (served !== network) {
      throw new CodedError('CHAIN_NETWORK_MISMATCH', `the endpoint serves network ${served}, not ${network}`, {
        served,
        network,
      });
    }
  }

  /** Money from the development chain's faucet. @param amount nanoTON. @throws CodedError CHAIN_REFUSED elsewhere */
  async faucet(address: Address, amount: bigint): Promise<void> {
    const url = this.#providers.find(({ name }) => name.startsWith('http'))?.name;
    if (url === undefined) throw new CodedError('CHAIN_REFUSED', 'a liteserver has no faucet');
    await askFaucet(this.#tonCenterOptions(url), address, amount);
  }

  /** Ends connections that are kept open. */
  close(): void {
    for (const provider of this.#providers) provider.close();
  }
}

const sameBytes = (a: Buffer | null, b: Buffer | null) => (a === null || b === null ? a === b : a.equals(b));

function sameState(a: AccountState, b: AccountState): boolean {
  return a.state === b.state && sameBytes(a.code, b.code) && sameBytes(a.data, b.data);
}
