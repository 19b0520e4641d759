import { Address, Cell, Dictionary } from '@ton/core';
import { z } from 'zod';
import { CodedError, labelledDigest, toHex } from '../../core/index.ts';
import type { Head, Ledger } from './ledger.ts';
import { parseArguments, stackToJson } from './stack.ts';
import { transactionToJson } from './transaction-json.ts';

const EXTERNAL_MESSAGE_BYTES_MAX = 65_535;
const TRANSACTIONS_ANSWERED_MAX = 100;
const SHARD = '-9223372036854775808';
const NO_HASH = Buffer.alloc(32).toString('base64');

const address = z
  .string()
  .max(100)
  .transform((text, context) => {
    try {
      return Address.parse(text);
    } catch {
      context.addIssue({ code: 'custom', message: 'not an address' });
      return z.NEVER;
    }
  });
const seqno = z.coerce.number().int().nonnegative().max(0xffff_ffff);
const logicalTime = z.coerce.bigint().nonnegative();

function bagOfCells(text: string, bytesMax: number): Cell {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length > bytesMax) throw new CodedError('CHAIN_REFUSED', `boc: more than ${bytesMax} bytes`);
  try {
    const cells = Cell.fromBoc(bytes);
    if (cells.length === 1) return cells[0] as Cell;
  } catch {
    // refused below, as a bag of several roots is
  }
  throw new CodedError('CHAIN_REFUSED', 'boc: not a bag of cells with one root');
}

function blockId(at: number, rootHash: Uint8Array) {
  return {
    '@type': 'ton.blockIdExt',
    workchain: -1,
    shard: SHARD,
    seqno: at,
    root_hash: Buffer.from(rootHash).toString('base64'),
    file_hash: Buffer.from(labelledDigest('development block file', rootHash)).toString('base64'),
  };
}

const headId = (head: Head) => blockId(head.seqno, head.rootHash);

async function blockIdAt(ledger: Ledger, at: number) {
  const rootHash = await ledger.blockAt(at);
  if (rootHash === null) {
    throw new CodedError('CHAIN_REFUSED', 'block not known: in the future, or too old', { seqno: at });
  }
  return blockId(at, rootHash);
}

/** A block of before this process started has no time here, rather than a wrong one. */
function timeField(time: number | null): { gen_utime?: number } {
  return time === null ? {} : { gen_utime: time };
}

async function addressInformation(ledger: Ledger, of: Address) {
  const { account, head } = await ledger.account(of);
  const state = account?.account?.storage.state;
  const active = state?.type === 'active' ? state.state : null;
  const hash = account && account.lastTransactionLt > 0n ? account.lastTransactionHash : null;
  return {
    '@type': 'raw.fullAccountState',
    balance: (account?.account?.storage.balance.coins ?? 0n).toString(),
    code: active?.code?.toBoc().toString('base64') ?? '',
    data: active?.data?.toBoc().toString('base64') ?? '',
    last_transaction_id: {
      '@type': 'internal.transactionId',
      lt: (account?.lastTransactionLt ?? 0n).toString(),
      hash: hash === null ? NO_HASH : Buffer.from(hash.toString(16).padStart(64, '0'), 'hex').toString('base64'),
    },
    block_id: headId(head),
    frozen_hash: '',
    sync_utime: head.time,
    state: state?.type === 'active' ? 'active' : state?.type === 'frozen' ? 'frozen' : 'uninitialized',
  };
}

const lookUp = z.object({ seqno });

async function sendBoc(ledger: Ledger, boc: string) {
  const message = bagOfCells(boc, EXTERNAL_MESSAGE_BYTES_MAX);
  await ledger.sendExternal(message);
  return message;
}

/** An answer of toncenter's version 2 interface, as far as wallets, deployments, get-methods and history need it. */
type Method = (ledger: Ledger, params: unknown) => Promise<unknown>;

const method =
  <Shape extends z.ZodType>(
    shape: Shape,
    answer: (ledger: Ledger, params: z.output<Shape>) => Promise<unknown>,
  ): Method =>
  async (ledger, params) => {
    const parsed = shape.safeParse(params);
    if (!parsed.success) {
      const fields = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'params'}: ${issue.message}`);
      throw new CodedError('CHAIN_REFUSED', fields.slice(0, 4).join('; '));
    }
    return answer(ledger, parsed.data);
  };

const ofAddress = z.object({ address });

export const METHODS: Readonly<Record<string, Method>> = {
  getMasterchainInfo: method(z.object({}), async (ledger) => {
    const head = await ledger.head();
    const state = Buffer.from(head.rootHash).toString('base64');
    return {
      '@type': 'blocks.masterchainInfo',
      last: headId(head),
      state_root_hash: state,
      init: blockId(0, head.first),
    };
  }),
  lookupBlock: method(lookUp, (ledger, params) => blockIdAt(ledger, params.seqno)),
  getBlockHeader: method(lookUp, async (ledger, params) => ({
    '@type': 'blocks.header',
    id: await blockIdAt(ledger, params.seqno),
    ...timeField(await ledger.timeOf(params.seqno)),
    ...(params.seqno > 1 ? { prev_blocks: [await blockIdAt(ledger, params.seqno - 1).catch(() => null)] } : {}),
  })),
  getAddressInformation: method(ofAddress, (ledger, params) => addressInformation(ledger, params.address)),
  getAddressBalance: method(ofAddress, async (ledger, params) => {
    return (await addressInformation(ledger, params.address)).balance;
  }),
  getAddressState: method(ofAddress, async (ledger, params) => {
    return (await addressInformation(ledger, params.address)).state;
  }),
  sendBoc: method(z.object({ boc: z.string() }), async (ledger, params) => {
    await sendBoc(ledger, params.boc);
    return { '@type': 'ok' };
  }),
  sendBocReturnHash: method(z.object({ boc: z.string() }), async (ledger, params) => {
    const message = await sendBoc(ledger, params.boc);
    return { '@type': 'raw.extMessageInfo', hash: message.hash().toString('base64') };
  }),
  runGetMethod: method(
    z.object({
      address,
      method: z.union([z.string().min(1).max(128), z.number().int()]),
      stack: z.unknown().default([]),
    }),
    async (ledger, params) => {
      const answer = await ledger.runGetMethod(params.address, params.method, parseArguments(params.stack));
      return {
        '@type': 'smc.runResult',
        gas_used: answer.gasUsed,
        exit_code: answer.exitCode,
        stack: stackToJson(answer.stack),
      };
    },
  ),
  getTransactions: method(
    z.object({
      address,
      limit: z.coerce.number().int().min(1).max(1000).default(10),
      lt: logicalTime.optional(),
      hash: z.string().max(128).optional(),
      to_lt: logicalTime.default(0n),
    }),
    async (ledger, params) => {
      const all = (await ledger.transactions(params.address)).map(transactionToJson);
      const from = params.lt === undefined ? 0 : all.findIndex(({ transaction_id: id }) => BigInt(id.lt) === params.lt);
      if (from < 0) throw new CodedError('CHAIN_REFUSED', 'cannot locate the transaction with this lt');
      return all
        .slice(from)
        .filter(({ transaction_id: id }) => BigInt(id.lt) > params.to_lt)
        .slice(0, Math.min(params.limit, TRANSACTIONS_ANSWERED_MAX));
    },
  ),
  getConfigParam: method(
    z.object({ config_id: z.coerce.number().int().optional(), param: z.coerce.number().int().optional() }),
    async (ledger, params) => {
      const id = params.config_id ?? params.param ?? Number.NaN;
      const cells = Cell.fromBase64(ledger.config)
        .beginParse()
        .loadDictDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell());
      const cell = Number.isInteger(id) ? cells.get(id) : undefined;
      if (cell === undefined) throw new CodedError('CHAIN_REFUSED', 'no such configuration parameter');
      return { '@type': 'configInfo', config: { '@type': 'tvm.cell', bytes: cell.toBoc().toString('base64') } };
    },
  ),
};

/** Ours, beside toncenter's: `POST /faucet`, `POST /skip`, `POST /faults`, `GET /block?seqno=`, `GET /status`. */
export const OWN_METHODS: Readonly<Record<string, Method>> = {
  faucet: method(
    z.object({ address, amount: z.string().regex(/^\d{1,20}$/, 'nanoTON as a string of digits') }),
    async (ledger, params) => {
      await ledger.faucet(params.address, BigInt(params.amount));
      return { address: params.address.toRawString(), amount: params.amount };
    },
  ),
  skip: method(z.object({ seconds: z.number() }), async (ledger, params) => ({
    time: (await ledger.skip(params.seconds)).time,
  })),
  faults: method(
    z.object({
      delayMs: z.number().int().min(0).max(600_000).default(0),
      drop: z.number().int().min(0).max(10_000).default(0),
      duplicate: z.number().int().min(0).max(10_000).default(0),
      status: z.union([z.literal(429), z.number().int().min(500).max(599)]).default(503),
      failures: z.number().int().min(0).max(10_000).default(0),
    }),
    async (ledger, plan) => {
      ledger.faults.set(plan);
      return { faults: plan };
    },
  ),
  block: method(lookUp, async (ledger, params) => {
    const rootHash = await ledger.blockAt(params.seqno);
    if (rootHash === null) throw new CodedError('CHAIN_REFUSED', 'block not known', { seqno: params.seqno });
    return { seqno: params.seqno, rootHash: toHex(rootHash) };
  }),
  status: method(z.object({}), async (ledger) => {
    const head = await ledger.head();
    return {
      chain: 'development',
      network: head.network,
      seqno: head.seqno,
      rootHash: toHex(head.rootHash),
      time: head.time,
    };
  }),
};
