import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ed25519Key } from '#crypto';
import { Address, encodeWorkerVoucher, signWorkerVoucher } from '../../src/chain/index.ts';
import { keptVouchers, voucherKeeper } from '../../src/cli/compose/worker-vouchers.ts';
import { toHex } from '../../src/core/index.ts';

const key = ed25519Key(new Uint8Array(32).fill(3));
const payee = new Uint8Array(32).fill(0x71);
const raw = `0:${toHex(payee)}`;
let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chrysalis-vouchers-'));
  path = join(folder, 'vouchers.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

async function voucher(cumulative: bigint, changes: { pool?: number; payee?: Uint8Array<ArrayBuffer> } = {}) {
  const pool = new Address(0, Buffer.alloc(32, changes.pool ?? 1));
  const of = { pool, payee: changes.payee ?? payee, cumulative, issued: 1_800_000_000 };
  const signature = toHex(await signWorkerVoucher(of, key));
  return { voucher: toHex(encodeWorkerVoucher(of)), signature, key: toHex(key.publicKey) };
}
const amounts = () => keptVouchers(path).map(({ cumulative }) => cumulative);

test('the best voucher of each pool is kept, over restarts; a lower one changes nothing', async () => {
  const keep = voucherKeeper(path, raw);
  await keep(await voucher(10n));
  await keep(await voucher(30n));
  await keep(await voucher(20n));
  expect(amounts()).toEqual(['30']);
  const again = voucherKeeper(path, raw);
  await again(await voucher(25n));
  await again(await voucher(5n, { pool: 2 }));
  expect(amounts()).toEqual(['30', '5']);
});

test('a voucher for another payee, not signed, or none at all is refused; what is kept stays', async () => {
  const keep = voucherKeeper(path, raw);
  const good = await voucher(10n);
  await keep(good);
  const invalid = { code: 'VOUCHER_INVALID' };
  await expect(keep(await voucher(99n, { payee: new Uint8Array(32).fill(9) }))).rejects.toMatchObject(invalid);
  await expect(keep({ ...(await voucher(99n)), signature: good.signature })).rejects.toMatchObject(invalid);
  await expect(keep({ ...good, voucher: '00' })).rejects.toMatchObject(invalid);
  expect(amounts()).toEqual(['10']);
});

test('a file that cannot be read is not written over', () => {
  writeFileSync(path, 'half a fi');
  expect(() => voucherKeeper(path, raw)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  expect(readFileSync(path, 'utf8')).toBe('half a fi');
});
