import { type Address, Cell } from '@ton/core';
import { TonClient } from '@ton/ton';
import { z } from 'zod';
import { CodedError, fromBase64 } from '../../core/index.ts';
import {
  type AccountState,
  type ChainProvider,
  type MasterchainBlock,
  read,
  requireSeqno,
  risingHeads,
  unreachable,
} from './provider.ts';

const MASTERCHAIN_SHARD = '-9223372036854775808';
const REASON_CHARACTERS_MAX = 200;
const ANSWER_BYTES_MAX = 1024 * 1024;

const blockIdSchema = z.object({ seqno: z.number().int().nonnegative(), root_hash: z.string(), file_hash: z.string() });
const answerSchema = z.object({ ok: z.boolean(), result: z.unknown().optional(), error: z.unknown().optional() });

export type TonCenterOptions = Readonly<{ url: string; requestMs: number; apiKey?: string }>;

/** toncenter's version 2 interface: an unmodified TonClient, and what it has no method for. */
export function createTonCenter(options: TonCenterOptions): ChainProvider {
  const { url, requestMs: timeout, apiKey } = options;
  const client = new TonClient({ endpoint: url, timeout, ...(apiKey === undefined ? {} : { apiKey }) });
  const rising = risingHeads();
  const call = async (method: string, params: Record<string, unknown>): Promise<unknown> => {
    const request = { id: '1', jsonrpc: '2.0', method, params };
    return (await postTo(new URL(url), request, method, options)).result;
  };

  return {
    name: url,
    async head() {
      const answer = await call('getMasterchainInfo', {});
      return rising(read('getMasterchainInfo', () => toBlock(z.object({ last: blockIdSchema }).parse(answer).last)));
    },
    async block(seqno) {
      const answer = await call('lookupBlock', { workchain: -1, shard: MASTERCHAIN_SHARD, seqno });
      return requireSeqno(
        read('lookupBlock', () => toBlock(blockIdSchema.parse(answer))),
        seqno,
      );
    },
    async blockWithTime(seqno) {
      const answer = await call('getBlockHeader', { workchain: -1, shard: MASTERCHAIN_SHARD, seqno });
      const shape = z.object({ id: blockIdSchema, gen_utime: z.number().int().positive().optional() });
      const [header, block] = read('getBlockHeader', () => {
        const parsed = shape.parse(answer);
        return [parsed, requireSeqno(toBlock(parsed.id), seqno)];
      });
      if (header.gen_utime === undefined) {
        throw new CodedError('CHAIN_REFUSED', 'the endpoint does not know the time of the block', { seqno });
      }
      return { ...block, at: header.gen_utime * 1000 };
    },
    async network() {
      const answer = await call('getConfigParam', { config_id: 19, param: 19 });
      return read('getConfigParam', () => {
        const { config } = z.object({ config: z.object({ bytes: z.string() }) }).parse(answer);
        return Cell.fromBase64(config.bytes).beginParse().loadInt(32);
      });
    },
    account: (address) => accountOf(client, address),
    async runGetMethod(address, method) {
      const { exit_code: exitCode, stack } = await called(method, client.runMethodWithError(address, method));
      const items = read(method, () => Array.from({ length: stack.remaining }, () => stack.pop()));
      return { exitCode, stack: items };
    },
    send: (boc) => called('message', client.sendFile(boc)),
    transactions: (address, limit) => called('transactions', client.getTransactions(address, { limit })),
    close: () => undefined,
  };
}

async function accountOf(client: TonClient, address: Address): Promise<AccountState> {
  const { state, balance, code, data, blockId, timestampt } = await called('account', client.getContractState(address));
  // Read here, so that another provider is asked where this one answers with something broken.
  read('account', () => [code, data].map((boc) => boc !== null && Cell.fromBoc(boc)));
  return { state, balance, code, data, seqno: blockId.seqno, at: timestampt };
}

/** Money from the development chain's faucet. @param amount nanoTON. @throws CodedError CHAIN_REFUSED elsewhere */
export async function askFaucet(options: TonCenterOptions, address: Address, amount: bigint): Promise<void> {
  const order = { address: address.toRawString(), amount: amount.toString() };
  await postTo(new URL('/faucet', options.url), order, 'faucet', options);
}

async function postTo(
  url: URL,
  body: unknown,
  what: string,
  { requestMs, apiKey }: TonCenterOptions,
): Promise<z.infer<typeof answerSchema>> {
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
  const answer = read(what, () => answerSchema.parse(JSON.parse(text)));
  if (status === 200 && answer.ok) return answer;
  throw refusedOrUnreachable(what, status, answer.error);
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
  if (rootHash.length !== 32 || fileHash.length !== 32) throw new RangeError('a block hash has 32 bytes');
  return { seqno: id.seqno, rootHash, fileHash };
}

function refusedOrUnreachable(what: string, status: number, reason: unknown, cause?: unknown): CodedError {
  const text = (typeof reason === 'string' ? reason : '').slice(0, REASON_CHARACTERS_MAX);
  const refused = status >= 400 && status < 500 && status !== 429 && status !== 408;
  return new CodedError(refused ? 'CHAIN_REFUSED' : 'CHAIN_UNREACHABLE', `${what}: ${text}`, { status }, { cause });
}

/** Runs a TonClient call; what it throws is coded: it reports a refusal as an HTTP error of its transport. */
async function called<T>(what: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof CodedError) throw error;
    const { response } = error as { response?: { status?: number; data?: { error?: unknown } } };
    if (response?.status === undefined) throw unreachable(what, error);
    throw refusedOrUnreachable(what, response.status, response.data?.error, error);
  }
}
