import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Address, beginCell, Cell, Dictionary } from '@ton/core';
import { defaultConfig } from '@ton/sandbox';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileContract, compiledText, contractNames } from '../../scripts/compile-contracts.ts';
import { networkConfig } from '../../src/chain/dev/network-config.ts';
import {
  type ChannelConfig,
  channelAddress,
  channelInitialData,
  channelMessage,
  channelStateInit,
  contractCode,
  encodeVoucher,
  parseChannelData,
  parseVoucher,
  requireChannelAddress,
  signVoucher,
  verifyVoucher,
  voucherCell,
} from '../../src/chain/index.ts';
import { ed25519Key } from '../../src/core/crypto/node.ts';
import {
  CodedError,
  type ErrorCode,
  labelledDigest,
  leafHash,
  nodeHash,
  receiptsRoot,
  toHex,
  u64,
} from '../../src/core/index.ts';

const refused = (code: ErrorCode) => (error: unknown) => error instanceof CodedError && error.code === code;
const throwing = (run: () => unknown) => new Promise((resolve) => resolve(run()));
const account = (byte: number) => new Address(0, Buffer.alloc(32, byte));
const key = ed25519Key(new Uint8Array(32).fill(7));

// contracts document, section 9
const config: ChannelConfig = {
  network: -239,
  clientKey: key.publicKey,
  closeDelaySeconds: 86_400,
  salt: 1n,
  client: account(0xaa),
  payee: account(0xbb),
};
const voucher = { channel: account(0x11), cumulative: 1_500_000_000n, receipts: new Uint8Array(32).fill(0x22) };

describe('the committed code', () => {
  test.each(contractNames())('%s is what its source compiles to', async (name) => {
    const file = new URL(`../../contracts/compiled/${name}.json`, import.meta.url);
    expect(readFileSync(file, 'utf8')).toBe(compiledText(await compileContract(name)));
  });

  test('every compiled file has a source', () => {
    const files = readdirSync(fileURLToPath(new URL('../../contracts/compiled', import.meta.url)));
    expect(files.sort()).toEqual(
      contractNames()
        .map((name) => `${name}.json`)
        .sort(),
    );
  });
});

describe('the channel’s initial data', () => {
  test('has the known hash, and another one on another network', () => {
    expect(toHex(key.publicKey)).toBe('ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c');
    const hash = (network: number) =>
      channelInitialData({ ...config, network })
        .hash()
        .toString('hex');
    expect(hash(-239)).toBe('50b6f9834350ef95054a6ee76a344137ae020487e9e5884949cd5fe00b02990e');
    expect(hash(-3)).toBe('1a5c8d9916be5d7aba1596f734ce9afde682dff3df26bbbd2da3cc85e932c9e1');
  });

  test('the address is that of code and initial data, and each field moves it', () => {
    const { code, data } = channelStateInit(config);
    expect(code.equals(contractCode('channel'))).toBe(true);
    const stateInit = beginCell().storeUint(0b00110, 5).storeRef(code).storeRef(data).endCell();
    expect(channelAddress(config).hash.equals(stateInit.hash())).toBe(true);
    const others: ChannelConfig[] = [
      { ...config, network: -3 },
      { ...config, clientKey: new Uint8Array(32) },
      { ...config, closeDelaySeconds: 86_401 },
      { ...config, salt: 2n },
      { ...config, client: account(0xac) },
      { ...config, payee: account(0xbc) },
    ];
    const addresses = [config, ...others].map((one) => channelAddress(one).toRawString());
    expect(new Set(addresses).size).toBe(7);
    requireChannelAddress(channelAddress(config), config);
    for (const other of others) {
      expect(() => requireChannelAddress(channelAddress(other), config)).toThrow(
        expect.objectContaining({ code: 'CHANNEL_MISMATCH' }),
      );
      expect(() => parseChannelData(channelInitialData(other), config)).toThrow(
        expect.objectContaining({ code: 'CONTRACT_MISMATCH' }),
      );
    }
    expect(parseChannelData(channelInitialData(config), config)).toEqual({
      version: 1,
      state: 'open',
      deposited: 0n,
      claimed: 0n,
      closeAt: 0,
    });
    expect(() => parseChannelData(new Cell(), config)).toThrow(expect.objectContaining({ code: 'CONTRACT_MISMATCH' }));
  });

  test.each([
    ['network', { network: 2 ** 31 }],
    ['clientKey', { clientKey: new Uint8Array(31) }],
    ['closeDelaySeconds', { closeDelaySeconds: 2 ** 32 }],
    ['salt', { salt: 1n << 64n }],
    ['salt', { salt: -1n }],
  ])('%s out of range is refused', async (_field, change) => {
    const run = throwing(() => channelInitialData({ ...config, ...change }));
    await expect(run).rejects.toSatisfy(refused('CONTRACT_CONFIG_INVALID'));
  });
});

describe('a voucher', () => {
  test('has the known hash and signature', async () => {
    expect(voucherCell(voucher).bits.length).toBe(591);
    expect(voucherCell(voucher).hash().toString('hex')).toBe(
      'c4a7c06266a623f37a282841de05ca4f16418db9e484a24ca05ace3bf1959e55',
    );
    const signature = await signVoucher(voucher, key);
    expect(toHex(signature)).toBe(
      '44fd60d37c5f1e32eb512cbaaf4cd2f5d3a1ed30d2d25e9511f510dfd3d089a3' +
        '37df9f5199021a1ff505450a3d8528a6b7ced9eccc4f57ee0eabde33412ee306',
    );
    expect(await verifyVoucher(voucher, signature, key.publicKey)).toBe(true);
    expect(await verifyVoucher({ ...voucher, cumulative: 1_500_000_001n }, signature, key.publicKey)).toBe(false);
    expect(await verifyVoucher({ ...voucher, channel: account(0x12) }, signature, key.publicKey)).toBe(false);
    expect(await verifyVoucher(voucher, signature.subarray(1), key.publicKey)).toBe(false);
  });

  test('has one encoding, and reads back', () => {
    const amounts = fc.bigInt({ min: 0n, max: (1n << 120n) - 1n });
    const roots = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(amounts, roots, (cumulative, receipts) => {
        const back = parseVoucher(encodeVoucher({ ...voucher, cumulative, receipts }));
        expect(back.cumulative).toBe(cumulative);
        expect(Buffer.from(back.receipts).equals(receipts)).toBe(true);
        expect(back.channel.equals(voucher.channel)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  test('bytes that are not exactly one are refused', () => {
    const good = encodeVoucher(voucher);
    const bad: Uint8Array[] = [
      new Uint8Array(0),
      new Uint8Array(1_000),
      Buffer.concat([good, Uint8Array.of(0)]),
      // Other encodings of the very same cell.
      Uint8Array.from(voucherCell(voucher).toBoc({ idx: false, crc32: true })),
      Uint8Array.from(voucherCell(voucher).toBoc({ idx: true, crc32: false })),
      Uint8Array.from(beginCell().storeSlice(voucherCell(voucher).beginParse()).storeBit(1).endCell().toBoc()),
    ];
    for (let length = 0; length < good.length; length++) bad.push(good.subarray(0, length));
    const invalid = expect.objectContaining({ code: 'VOUCHER_INVALID' });
    for (const bytes of bad) expect(() => parseVoucher(bytes)).toThrow(invalid);
    expect(() => voucherCell({ ...voucher, cumulative: -1n })).toThrow(invalid);
    expect(() => voucherCell({ ...voucher, cumulative: 1n << 120n })).toThrow(invalid);
    expect(() => voucherCell({ ...voucher, receipts: new Uint8Array(31) })).toThrow(invalid);
    expect(() => channelMessage.claim(voucher, new Uint8Array(63))).toThrow(invalid);
  });

  test('a flipped bit anywhere is refused or is another voucher', () => {
    const good = encodeVoucher(voucher);
    for (let bit = 0; bit < good.length * 8; bit++) {
      const flipped = Uint8Array.from(good);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      let hash: string;
      try {
        hash = voucherCell(parseVoucher(flipped)).hash().toString('hex');
      } catch (error) {
        expect(error).toMatchObject({ code: 'VOUCHER_INVALID' });
        continue;
      }
      expect(hash).not.toBe(voucherCell(voucher).hash().toString('hex'));
    }
  });

  test('the receipts root counts and orders the receipts', () => {
    const [a, b, c] = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte)) as [Uint8Array, Uint8Array, Uint8Array];
    const root = nodeHash(nodeHash(leafHash(a), leafHash(b)), leafHash(c));
    expect(receiptsRoot([a, b, c])).toEqual(labelledDigest('receipts', u64(3), root));
    expect(receiptsRoot([b, a, c])).not.toEqual(receiptsRoot([a, b, c]));
    expect(toHex(receiptsRoot([]))).not.toBe(toHex(receiptsRoot([a])));
  });
});

test('the development network has the prices of 2026-06-01 and a global id of its own', () => {
  const params = networkConfig(defaultConfig, -1000)
    .beginParse()
    .loadDictDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell());
  expect(params.get(19)?.beginParse().loadInt(32)).toBe(-1000);
  // Hashes of the parameters as the network had them.
  const hash = (id: number) => params.get(id)?.hash().toString('hex');
  expect([18, 20, 21, 24, 25].map(hash)).toEqual(PRICE_HASHES);
});

const PRICE_HASHES = [
  '0721d497c31b355ceb1ce1885d51a7d1b1f84a30a40400ebc6c792d76b23d5d8',
  '3806f08bd71c647291217e9d043a018e8a9826e1943975bc1e9c97b1c2333267',
  'aaec03367c3035ee7af9fbb39460de98098b29c1006239ea2f8b27757fafc173',
  '06fd19e4557ae5c0805f58bb62ffed63182f00411b0d8cad25e0546744d0393f',
  '260f1bacb2955389bda680175cb5d0c9dfdebe6f3b611812416140fbdd5a8b61',
];
