import { type Address, Cell } from '@ton/core';
import { TonClient } from '@ton/ton';
import { z } from 'zod';
import { type Bytes, CodedError, fromBase64, type UnixMs } from '../core/index.ts';

const MASTERCHAIN_SHARD = '-9223372036854775808';
const REQUEST_MS_DEFAULT = 10_000;
const REASON_CHARACTERS_MAX = 200;
const ANSWER_BYTES_MAX = 1024 * 1024;

export type EndpointOptions = Readonly<{
  /**
   * toncenter version 2 JSON-RPC, e.g. `https://toncenter.com/api/v2/jsonRPC` or the development chain's `url`. Several,
   * of different operators, stand in for each other.
   */
  endpoint: string | readonly string[];
  /** So many of them must agree on the state of a contract; 1 where absent. */
  quorum?: number;
  requestMs?: number;
  apiKey?: string;
}>;

/** A masterchain block as the endpoint tells it: not proven, so nothing that others rely on may rest on it alone. */
export type MasterchainBlock = Readonly<{ seqno: number; rootHash: Bytes; fileHash: Bytes }>;

const blockIdSchema = z.object({ seqno: z.number().int().nonnegative(), root_hash: z.string(), file_hash: z.string() });
const answerSchema = z.object({ ok: z.boolean(), result: z.unknown().optional(), error: z.unknown().optional() });

/** The state of a contract as TonClient reads it. */
export type AccountState = Awaited<ReturnType<TonClient['getContractState']>>;

type Provider = { readonly url: string; readonly client: TonClient; highest: number };

/** Unmodified TonClients and what they have no method for. All errors are coded. */
export class ChainEndpoint {
  readonly #options: EndpointOptions;
  readonly #providers: readonly Provider[];
  readonly #quorum: number;
  /** The one that answered last: the next question goes there first. */
  #current = 0;

  /** @throws CodedError CONFIG_INVALID for a quorum that these providers cannot reach */
  constructor(options: EndpointOptions) {
    this.#options = options;
    const { endpoint, requestMs: timeout = REQUEST_MS_DEFAULT, apiKey, quorum = 1 } = options;
    const urls = typeof endpoint === 'string' ? [endpoint] : [...new Set(endpoint)];
    if (urls.length === 0 || quorum < 1 || quorum > urls.length) {
      throw new CodedError('CONFIG_INVALID', `${urls.length} providers of the chain, and ${quorum} must agree`);
    }
    this.#quorum = quorum;
    this.#providers = urls.map((url) => ({
      url,
      client: new TonClient({ endpoint: url, timeout, ...(apiKey === undefined ? {} : { apiKey }) }),
      highest: 0,
    }));
  }

  /** Asks one provider after the other, the one that answered last first; a refusal is an answer. */
  async #firstOf<T>(ask: (provider: Provider) => Promise<T>): Promise<T> {
    let last: unknown;
    for (let i = 0; i < this.#providers.length; i++) {
      const at = (this.#current + i) % this.#providers.length;
      try {
        const answer = await ask(this.#providers[at] as Provider);
        this.#current = at;
        return answer;
      } catch (error) {
        if (!(error instanceof CodedError) || error.code !== 'CHAIN_UNREACHABLE') throw error;
        last = error;
      }
    }
    throw last;
  }

  /** Runs a TonClient call. @throws CodedError CHAIN_UNREACHABLE where no provider answers, CHAIN_REFUSED */
  ask<T>(what: string, call: (client: TonClient) => Promise<T>): Promise<T> {
    return this.#firstOf(({ client }) => called(what, call(client)));
  }

  /**
   * The state of a contract on which enough providers agree: code and data, byte for byte.
   * @throws CodedError CHAIN_UNCONFIRMED where they do not, CHAIN_UNREACHABLE, CHAIN_REFUSED
   */
  async contractState(what: string, address: Address): Promise<AccountState> {
    const read = ({ client }: Provider) => called(what, client.getContractState(address));
    if (this.#quorum === 1) return this.#firstOf(read);
    const asked = await Promise.allSettled(this.#providers.map(read));
    const answers = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    for (const answer of answers) {
      const agreeing = answers.filter((other) => sameState(answer, other));
      if (agreeing.length < this.#quorum) continue;
      return agreeing.reduce((newest, one) => (one.blockId.seqno > newest.blockId.seqno ? one : newest));
    }
    throw new CodedError('CHAIN_UNCONFIRMED', `${what}: no ${this.#quorum} providers agree`, {
      providers: this.#providers.length,
      answers: answers.length,
    });
  }

  /** The newest block the endpoint knows. */
  head(): Promise<MasterchainBlock> {
    return this.#firstOf(async (provider) => {
      const answer = await this.#callAt(provider, 'getMasterchainInfo', {});
      const block = read('getMasterchainInfo', () => toBlock(z.object({ last: blockIdSchema }).parse(answer).last));
      if (block.seqno < provider.highest) {
        throw new CodedError('CHAIN_UNREACHABLE', 'the provider goes back in its blocks', { seqno: block.seqno });
      }
      provider.highest = block.seqno;
      return block;
    });
  }

  /** A past block by its number. @throws CodedError CHAIN_REFUSED where the endpoint does not know it */
  async block(seqno: number): Promise<MasterchainBlock> {
    const params = { workchain: -1, shard: MASTERCHAIN_SHARD, seqno };
    const answer = await this.#call('lookupBlock', params);
    const block = read('lookupBlock', () => toBlock(blockIdSchema.parse(answer)));
    if (block.seqno !== seqno) {
      throw new CodedError('CHAIN_UNREACHABLE', 'the endpoint answered with another block', { seqno });
    }
    return block;
  }

  /**
   * A past block with its time.
   * @returns `at` in ms, never later than the block was made
   * @throws CodedError CHAIN_REFUSED where the endpoint does not know the block or its time
   */
  async blockWithTime(seqno: number): Promise<MasterchainBlock & Readonly<{ at: UnixMs }>> {
    const params = { workchain: -1, shard: MASTERCHAIN_SHARD, seqno };
    const answer = await this.#call('getBlockHeader', params);
    const shape = z.object({ id: blockIdSchema, gen_utime: z.number().int().positive().optional() });
    const [header, block] = read('getBlockHeader', () => {
      const parsed = shape.parse(answer);
      return [parsed, toBlock(parsed.id)];
    });
    if (header.id.seqno !== seqno) {
      throw new CodedError('CHAIN_UNREACHABLE', 'the endpoint answered with another block', { seqno });
    }
    if (header.gen_utime === undefined) {
      throw new CodedError('CHAIN_REFUSED', 'the endpoint does not know the time of the block', { seqno });
    }
    return { ...block, at: header.gen_utime * 1000 };
  }

  /** The global id in the network's configuration (parameter 19). */
  async network(): Promise<number> {
    const answer = await this.#call('getConfigParam', { config_id: 19, param: 19 });
    return read('getConfigParam', () => {
      const { config } = z.object({ config: z.object({ bytes: z.string() }) }).parse(answer);
      return Cell.fromBase64(config.bytes).beginParse().loadInt(32);
    });
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
    const url = new URL('/faucet', (this.#providers[0] as Provider).url);
    await this.#post(url, { address: address.toRawString(), amount: amount.toString() }, 'faucet');
  }

  #call(method: string, params: Record<string, unknown>): Promise<unknown> {
    return this.#firstOf((provider) => this.#callAt(provider, method, params));
  }

  async #callAt({ url }: Provider, method: string, params: Record<string, unknown>): Promise<unknown> {
    const request = { id: '1', jsonrpc: '2.0', method, params };
    return (await this.#post(new URL(url), request, method)).result;
  }

  async #post(url: URL, body: unknown, what: string): Promise<z.infer<typeof answerSchema>> {
    const { requestMs = REQUEST_MS_DEFAULT, apiKey } = this.#options;
    let status: number;
    let text: string;
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(apiKey === undefined ? {} : { 'x-api-key': apiKey }) },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(requestMs),
      });
      status = response.status;
      text = await boundedText(response);
    } catch (cause) {
      throw unreachable(what, cause);
    }
    let answer: z.infer<typeof answerSchema>;
    try {
      answer = answerSchema.parse(JSON.parse(text));
    } catch (cause) {
      throw unreachable(what, cause);
    }
    if (status === 200 && answer.ok) return answer;
    throw refusedOrUnreachable(what, status, answer.error);
  }
}

async function called<T>(what: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw chainError(what, error);
  }
}

const sameBytes = (a: Buffer | null, b: Buffer | null) => (a === null || b === null ? a === b : a.equals(b));

function sameState(a: AccountState, b: AccountState): boolean {
  return a.state === b.state && sameBytes(a.code, b.code) && sameBytes(a.data, b.data);
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > ANSWER_BYTES_MAX) throw new RangeError(`more than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function toBlock(id: z.infer<typeof blockIdSchema>): MasterchainBlock {
  const rootHash = fromBase64(id.root_hash, 'root_hash');
  const fileHash = fromBase64(id.file_hash, 'file_hash');
  if (rootHash.length !== 32 || fileHash.length !== 32) {
    throw new RangeError('a block hash has 32 bytes');
  }
  return { seqno: id.seqno, rootHash, fileHash };
}

/** An answer that cannot be read is none: the endpoint is at fault, whoever asked. */
function read<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw unreachable(what, cause);
  }
}

const unreachable = (what: string, cause: unknown) =>
  new CodedError('CHAIN_UNREACHABLE', `${what}: the chain's endpoint gave no usable answer`, {}, { cause });

function refusedOrUnreachable(what: string, status: number, reason: unknown, cause?: unknown): CodedError {
  const text = (typeof reason === 'string' ? reason : '').slice(0, REASON_CHARACTERS_MAX);
  const refused = status >= 400 && status < 500 && status !== 429 && status !== 408;
  return new CodedError(refused ? 'CHAIN_REFUSED' : 'CHAIN_UNREACHABLE', `${what}: ${text}`, { status }, { cause });
}

/** What TonClient throws, coded: it reports a refusal as an HTTP error of its transport. */
function chainError(what: string, error: unknown): CodedError {
  if (error instanceof CodedError) return error;
  const { response } = error as { response?: { status?: number; data?: { error?: unknown } } };
  if (response?.status === undefined) return unreachable(what, error);
  return refusedOrUnreachable(what, response.status, response.data?.error, error);
}
