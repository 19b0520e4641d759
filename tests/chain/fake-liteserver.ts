import { createCipheriv, createDecipheriv } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import {
  type Account,
  Address,
  beginCell,
  Cell,
  convertToMerkleProof,
  Dictionary,
  ShardAccountRefValue,
  serializeTuple,
  storeAccount,
  storeShardAccounts,
} from '@ton/core';
import { Codecs } from 'ton-lite-client/dist/schema.js';
import { TLReadBuffer, TLWriteBuffer } from 'ton-tl';
import type { AccountState } from '../../src/chain/index.ts';
import {
  adnlId,
  frame,
  frameReader,
  handshakeCipher,
  parseTlBytes,
  sharedSecret,
  tlBytes,
} from '../../src/chain/provider/adnl.ts';
import { createTonCenter } from '../../src/chain/provider/toncenter.ts';
import { ed25519Key, sha256 } from '../../src/core/crypto/node.ts';
import { concat, equalBytes, toHex } from '../../src/core/index.ts';

/** How it answers: as it should, not at all, with a frame whose checksum is wrong, or one of four gigabytes. */
export type Mode = 'honest' | 'silent' | 'checksum' | 'endless' | 'garbage' | 'busy';

const SHARD = '-9223372036854775808';
const NONE = Buffer.alloc(32);
const int32 = (value: number) => Buffer.from(new Int32Array([value]).buffer);

/** Blocks of its own over a development chain's numbers: a header that says network and time, and its hash. */
function blockOf(network: number, seqno: number, madeAt: number) {
  const info = beginCell()
    .storeUint(0x9bc7a987, 32)
    .storeUint(0, 32 + 8 + 8)
    .storeUint(seqno, 32)
    .storeUint(0, 32 + 104)
    .storeUint(madeAt, 32)
    .endCell();
  const block = beginCell().storeUint(0x11ef55aa, 32).storeInt(network, 32).storeRef(info).endCell();
  const id = {
    kind: 'tonNode.blockIdExt',
    workchain: -1,
    shard: SHARD,
    seqno,
    rootHash: block.hash(),
    fileHash: NONE,
  } as const;
  return { id, headerProof: convertToMerkleProof(block).toBoc() };
}

/** A bag of cells with these roots; `Cell.toBoc` knows only one: they hang on one that is then left out of the roots. */
export function bagOf(roots: readonly Cell[]): Buffer {
  const parent = roots.reduce((cell, root) => cell.storeRef(root), beginCell()).endCell();
  const boc = parent.toBoc({ idx: false, crc32: false });
  const [size, offset] = [(boc[4] as number) & 7, boc[5] as number];
  const cells = 6 + 3 * size + offset + size;
  const indexes = boc.subarray(cells + 2, cells + 2 + size * roots.length);
  const count = Buffer.alloc(size);
  count.writeUIntBE(roots.length, 0, size);
  const head = [boc.subarray(0, 6 + size), count, boc.subarray(6 + 2 * size, 6 + 3 * size + offset)];
  return Buffer.concat([...head, indexes, boc.subarray(cells)]);
}

function accountOf(address: Address, state: AccountState): Account {
  const [code, data] = [state.code, state.data].map((boc) => (boc === null ? null : (Cell.fromBoc(boc)[0] as Cell)));
  return {
    addr: address,
    storageStats: { used: { cells: 1n, bits: 1n }, storageExtra: null, lastPaid: 0, duePayment: null },
    storage: {
      lastTransLt: 1n,
      balance: { coins: state.balance },
      state:
        state.state === 'active'
          ? { type: 'active', state: { code: code ?? null, data: data ?? null } }
          : { type: 'uninit' },
    },
  };
}

/** The state of a shard with one account in it, as far as a client reads it. */
function shardState(address: Address, account: Account, last: Readonly<{ lt: bigint; hash: bigint }>): Cell {
  const accounts = Dictionary.empty(Dictionary.Keys.BigUint(256), ShardAccountRefValue);
  const balance = account.storage.balance;
  accounts.set(BigInt(`0x${address.hash.toString('hex')}`), {
    depthBalanceInfo: { splitDepth: 0, balance },
    shardAccount: { account, lastTransactionHash: last.hash, lastTransactionLt: last.lt },
  });
  return beginCell()
    .storeUint(0x9023afe2, 32)
    .storeUint(0, 32 + 104 + 32 + 32 + 32 + 64 + 32)
    .storeRef(new Cell())
    .storeBit(0)
    .storeRef(beginCell().store(storeShardAccounts(accounts)).endCell())
    .storeRef(new Cell())
    .storeBit(0)
    .endCell();
}

/** A liteserver on loopback over a development chain, speaking ADNL. */
export async function fakeLiteserver(chainUrl: string) {
  const seed = new Uint8Array(32).fill(5);
  const { publicKey } = ed25519Key(seed);
  const chain = createTonCenter({ url: chainUrl, requestMs: 10_000 });
  const network = await chain.network();
  let mode: Mode = 'honest';
  const sockets = new Set<Socket>();

  const newest = async () => {
    const { seqno } = await chain.head();
    return blockOf(network, seqno, 1_700_000_000 + seqno);
  };

  async function answer(
    question: Uint8Array,
  ): Promise<[codec: string, value: unknown] | { code: number; message: string }> {
    const reader = new TLReadBuffer(Buffer.from(question));
    const addressOf = (account: { workchain: number; id: Buffer }) => new Address(account.workchain, account.id);
    switch (reader.readInt32()) {
      case -1984567762: {
        const { id } = await newest();
        const init = { kind: 'tonNode.zeroStateIdExt', workchain: -1, rootHash: NONE, fileHash: NONE };
        return [
          'liteServer_MasterchainInfo',
          { kind: 'liteServer.masterchainInfo', last: id, stateRootHash: NONE, init },
        ];
      }
      case 569116318: {
        const { id } = Codecs.liteServer_getBlockHeader.decode(reader);
        const { headerProof } = blockOf(network, id.seqno, 1_700_000_000 + id.seqno);
        return ['liteServer_BlockHeader', { kind: 'liteServer.blockHeader', id, mode: 1, headerProof }];
      }
      case -87492834: {
        const { id: asked } = Codecs.liteServer_lookupBlock.decode(reader);
        if (asked.seqno > (await chain.head()).seqno) return { code: 651, message: 'block is not in db' };
        const { id, headerProof } = blockOf(network, asked.seqno, 1_700_000_000 + asked.seqno);
        return ['liteServer_BlockHeader', { kind: 'liteServer.blockHeader', id, mode: 1, headerProof }];
      }
      case 1804144165: {
        const { id, account } = Codecs.liteServer_getAccountState.decode(reader);
        const address = addressOf(account);
        const state = await chain.account(address);
        const [last] = await chain.transactions(address, 1);
        const held = accountOf(address, state);
        const hash = BigInt(`0x${last?.hash().toString('hex') ?? '0'}`);
        const proof = convertToMerkleProof(shardState(address, held, { lt: last?.lt ?? 0n, hash }));
        const there = state.state === 'active' || state.balance > 0n;
        return [
          'liteServer_AccountState',
          {
            kind: 'liteServer.accountState',
            id,
            shardblk: id,
            shardProof: Buffer.alloc(0),
            proof: bagOf([proof, proof]),
            state: there ? beginCell().storeBit(1).store(storeAccount(held)).endCell().toBoc() : Buffer.alloc(0),
          },
        ];
      }
      case 1556504018: {
        const { id, account, methodId } = Codecs.liteServer_runSmcMethod.decode(reader);
        if (methodId !== '85143') return { code: 0, message: 'only seqno here' };
        const { exitCode, stack } = await chain.runGetMethod(addressOf(account), 'seqno');
        const none = { shardProof: null, proof: null, stateProof: null, initC7: null, libExtras: null };
        const result = serializeTuple([...stack]).toBoc();
        return [
          'liteServer_RunMethodResult',
          { kind: 'liteServer.runMethodResult', mode: 4, id, shardblk: id, ...none, exitCode, result },
        ];
      }
      case 1762317442: {
        const { body } = Codecs.liteServer_sendMessage.decode(reader);
        try {
          await chain.send(body);
        } catch (error) {
          return { code: 0, message: (error as Error).message };
        }
        return ['liteServer_SendMsgStatus', { kind: 'liteServer.sendMsgStatus', status: 1 }];
      }
      case 474015649: {
        const { account, count } = Codecs.liteServer_getTransactions.decode(reader);
        const found = await chain.transactions(addressOf(account), Math.min(count, 4));
        const { id } = await newest();
        const transactions = bagOf(found.map(({ raw }) => raw));
        return [
          'liteServer_TransactionList',
          { kind: 'liteServer.transactionList', ids: found.map(() => id), transactions },
        ];
      }
      default:
        return { code: 0, message: 'unknown question' };
    }
  }

  async function encoded(question: Uint8Array): Promise<Uint8Array> {
    const made = mode === 'busy' ? { code: 228, message: 'too many requests' } : await answer(question);
    const writer = new TLWriteBuffer();
    if (!Array.isArray(made)) {
      writer.writeInt32(-1146494648);
      writer.writeInt32(made.code);
      writer.writeString(made.message);
      return writer.build();
    }
    const codecs = Codecs as unknown as Record<string, { encode(value: unknown, writer: TLWriteBuffer): void }>;
    codecs[made[0]]?.encode(made[1], writer);
    return writer.build();
  }

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    void serve(socket).catch(() => socket.destroy());
  });
  async function serve(socket: Socket): Promise<void> {
    const pieces: Buffer[] = [];
    while (Buffer.concat(pieces).length < 256) pieces.push((await once(socket, 'data'))[0] as Buffer);
    const whole = Uint8Array.from(Buffer.concat(pieces));
    const [peer, hash] = [whole.slice(32, 64), whole.slice(64, 96)];
    const params = Uint8Array.from(handshakeCipher(await sharedSecret(seed, peer), hash).update(whole.slice(96, 256)));
    if (!equalBytes(whole.slice(0, 32), adnlId(publicKey)) || !equalBytes(sha256(params), hash))
      return void socket.destroy();
    const encrypt = createCipheriv('aes-256-ctr', params.slice(0, 32), params.slice(64, 80));
    const decrypt = createDecipheriv('aes-256-ctr', params.slice(32, 64), params.slice(80, 96));
    const say = (payload: Uint8Array) => socket.write(encrypt.update(frame(payload, new Uint8Array(32))));
    say(new Uint8Array(0));
    const take = frameReader((payload) => {
      const id = payload.slice(4, 36);
      void encoded(parseTlBytes(parseTlBytes(payload.slice(36)).slice(4))).then(
        (bytes) => {
          const packet = concat(int32(0x0fac8416), id, tlBytes(mode === 'garbage' ? bytes.slice(0, 9) : bytes));
          if (mode === 'checksum')
            socket.write(encrypt.update(frame(packet, new Uint8Array(32)).map((b, i) => (i === 40 ? b ^ 1 : b))));
          else if (mode === 'endless') socket.write(encrypt.update(Buffer.alloc(8, 0xff)));
          else if (mode !== 'silent') say(packet);
        },
        () => socket.destroy(),
      );
    });
    take(decrypt.update(whole.slice(256)));
    socket.on('data', (chunk) => take(decrypt.update(chunk)));
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `liteserver://${toHex(publicKey)}@127.0.0.1:${port}`,
    port,
    set: (next: Mode) => {
      mode = next;
    },
    /** Every connection is cut, as when the server starts again. */
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
