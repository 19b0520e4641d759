import { EventEmitter } from 'node:events';
import { Cell, loadTransaction, parseTuple, type Slice } from '@ton/core';
import { LiteClient, type LiteEngine } from 'ton-lite-client';
import { TLReadBuffer, TLWriteBuffer } from 'ton-tl';
import { type Bytes, CodedError, equalBytes, fromHex, type Randomness } from '../../core/index.ts';
import { createAdnl, tlBytes } from './adnl.ts';
import {
  type AccountState,
  type ChainProvider,
  type MasterchainBlock,
  NO_CONTRACT,
  read,
  requireSeqno,
  risingHeads,
  type TimedBlock,
  unreachable,
} from './provider.ts';

const MASTERCHAIN_SHARD = '-9223372036854775808';
/** TL constructors, little-endian. */
const LITESERVER_QUERY = Uint8Array.of(0xdf, 0x06, 0x8c, 0x79);
const LITESERVER_ERROR = Uint8Array.of(0x48, 0xe1, 0xa9, 0xbb);
/** Of liteServer.error: busy, not there yet, too slow. Another server may know. */
const MAY_KNOW_ELSEWHERE = [228, 429, 651, 652];
const REASON_CHARACTERS_MAX = 200;
const BLOCK_TAG = 0x11ef55aa;
const BLOCK_INFO_TAG = 0x9bc7a987;
const MERKLE_PROOF = 3;

type Ask = Parameters<LiteEngine['query']>[0];

/** ton-lite-client's messages over our own connection: its own one dies of a bad frame and holds frames of any length. */
class Engine extends EventEmitter {
  readonly #adnl: ReturnType<typeof createAdnl>;

  constructor(adnl: ReturnType<typeof createAdnl>) {
    super();
    this.#adnl = adnl;
  }

  async query(ask: Ask, request: unknown): Promise<unknown> {
    const writer = new TLWriteBuffer();
    ask.encodeRequest(request, writer);
    const question = Uint8Array.from([...LITESERVER_QUERY, ...tlBytes(writer.build())]);
    const answer = await this.#adnl.query(question);
    if (equalBytes(answer.subarray(0, 4), LITESERVER_ERROR)) throw refusal(answer);
    return read('liteserver', () => ask.decodeResponse(new TLReadBuffer(Buffer.from(answer))));
  }

  close(): void {
    this.#adnl.close();
  }
  isClosed(): boolean {
    return false;
  }
  isReady(): boolean {
    return true;
  }
}

function refusal(answer: Uint8Array): CodedError {
  const { code, message } = read('liteserver', () => {
    const reader = new TLReadBuffer(Buffer.from(answer.subarray(4)));
    return { code: reader.readInt32(), message: reader.readString() };
  });
  const kind = MAY_KNOW_ELSEWHERE.includes(code) ? 'CHAIN_UNREACHABLE' : 'CHAIN_REFUSED';
  return new CodedError(kind, `liteserver: ${message.slice(0, REASON_CHARACTERS_MAX)}`, { status: code });
}

/** @throws CodedError CONFIG_INVALID unless it is `liteserver://KEY@HOST:PORT`, the key as 64 hexadecimal digits */
export function parseLiteserverUrl(url: string): Readonly<{ host: string; port: number; publicKey: Bytes }> {
  const match = /^liteserver:\/\/([0-9a-f]{64})@([\w.-]+|\[[0-9a-f:.]+\]):(\d{1,5})$/i.exec(url);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) {
    throw new CodedError('CONFIG_INVALID', 'a liteserver is liteserver://KEY@HOST:PORT, its key in hexadecimal');
  }
  const host = (match[2] as string).replace(/^\[|\]$/g, '');
  return { host, port, publicKey: fromHex((match[1] as string).toLowerCase(), 'key') };
}

/**
 * A liteserver. It shows who answered (its key), and that a block's header has the block's hash; that the block is one
 * of the validators is not proven here, so a liteserver counts as one provider among others.
 */
export function createLiteserver(
  url: string,
  options: Readonly<{ requestMs: number; randomness: Randomness }>,
): ChainProvider {
  const adnl = createAdnl({ ...parseLiteserverUrl(url), ...options });
  const client = new LiteClient({ engine: new Engine(adnl) as unknown as LiteEngine });
  const rising = risingHeads();
  const last = async () => (await called('head', () => client.getMasterchainInfo())).last;
  const lookup = async (seqno: number) => {
    const found = await called('block', () =>
      client.lookupBlockByID({ workchain: -1, shard: MASTERCHAIN_SHARD, seqno }),
    );
    return requireSeqno({ ...toBlock(found.id), id: found.id, headerProof: found.headerProof }, seqno);
  };
  const newest = async () => {
    const id = await last();
    return { id, ...headerOf(await called('header', () => client.getBlockHeader(id)), id.rootHash) };
  };
  const provider: ChainProvider = {
    name: url,
    head: async () => rising(toBlock(await last())),
    async block(seqno) {
      const { rootHash, fileHash } = await lookup(seqno);
      return { seqno, rootHash, fileHash };
    },
    async blockWithTime(seqno): Promise<TimedBlock> {
      const { rootHash, fileHash, id, headerProof } = await lookup(seqno);
      return { seqno, rootHash, fileHash, at: headerOf({ headerProof }, id.rootHash).madeAt * 1000 };
    },
    network: async () => (await newest()).network,
    async account(address): Promise<AccountState> {
      const { id, madeAt } = await newest();
      rising(toBlock(id));
      const { state } = await called('account', () => client.getAccountState(address, id));
      const { type = 'uninit' } = state?.storage.state ?? {};
      const init = state?.storage.state.type === 'active' ? state.storage.state.state : null;
      return {
        state: type === 'uninit' ? 'uninitialized' : type,
        balance: state?.storage.balance.coins ?? 0n,
        code: init?.code?.toBoc() ?? null,
        data: init?.data?.toBoc() ?? null,
        seqno: id.seqno,
        at: madeAt,
      };
    },
    async runGetMethod(address, method) {
      const id = await last();
      const { exitCode, result } = await called(method, () => client.runMethod(address, method, Buffer.alloc(0), id));
      // A node without a contract to run answers with the code of a fatal error.
      if (exitCode === NO_CONTRACT || exitCode === -256 || result === null) return { exitCode, stack: [] };
      return { exitCode, stack: read(method, () => parseTuple(Cell.fromBase64(result))) };
    },
    async send(boc) {
      const { status } = await called('message', () => client.sendMessage(boc));
      if (status !== 1) throw new CodedError('CHAIN_REFUSED', 'the liteserver did not take the message', { status });
    },
    async transactions(address, limit) {
      const id = await last();
      const { lastTx } = await called('account', () => client.getAccountState(address, id));
      if (lastTx === null) return [];
      const hash = Buffer.from(lastTx.hash.toString(16).padStart(64, '0'), 'hex');
      const from = lastTx.lt.toString();
      const { transactions } = await called('transactions', () =>
        client.getAccountTransactions(address, from, hash, limit),
      );
      return read('transactions', () => Cell.fromBoc(transactions).map((cell) => loadTransaction(cell.beginParse())));
    },
    close: () => adnl.close(),
  };
  return provider;
}

type BlockId = Readonly<{ seqno: number; rootHash: Buffer; fileHash: Buffer }>;
const toBlock = ({ seqno, rootHash, fileHash }: BlockId): MasterchainBlock => ({
  seqno,
  rootHash: Uint8Array.from(rootHash),
  fileHash: Uint8Array.from(fileHash),
});

/**
 * What a block says in its header, by a Merkle proof to the block's own hash.
 * @returns `madeAt` in unix seconds
 */
function headerOf({ headerProof }: Readonly<{ headerProof: Buffer }>, rootHash: Buffer) {
  return read('header', () => {
    const [proof] = Cell.fromBoc(headerProof) as [Cell];
    const block = proof.refs[0] as Cell;
    if (!proof.isExotic || proof.bits.length !== 280 || proof.beginParse(true).loadUint(8) !== MERKLE_PROOF) {
      throw new RangeError('no Merkle proof');
    }
    if (!block.hash(0).equals(rootHash)) throw new RangeError('the header of another block');
    const slice = block.beginParse();
    if (slice.loadUint(32) !== BLOCK_TAG) throw new RangeError('no block');
    const network = slice.loadInt(32);
    return { network, madeAt: madeAtOf(slice.loadRef().beginParse()) };
  });
}

/** `gen_utime` of block_info (TL-B), after its flags, its numbers and its shard. */
function madeAtOf(info: Slice): number {
  if (info.loadUint(32) !== BLOCK_INFO_TAG) throw new RangeError('no header');
  info.skip(32 + 8 + 8 + 32 + 32 + 104);
  return info.loadUint(32);
}

/** Whatever a client library throws over an answer is the server's fault. */
async function called<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw error instanceof CodedError ? error : unreachable(what, error);
  }
}
