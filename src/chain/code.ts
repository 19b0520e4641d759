import { readFileSync } from 'node:fs';
import { Cell } from '@ton/core';
import { CodedError } from '../core/index.ts';

/**
 * The committed code of a contract (`contracts/compiled/<name>.json`, made by `scripts/compile-contracts.ts`).
 * @throws CodedError INVARIANT_BROKEN where the file's code has another hash than the file says
 */
export function contractCode(name: 'channel'): Cell {
  const file = new URL(`../../contracts/compiled/${name}.json`, import.meta.url);
  const { code, codeHash } = JSON.parse(readFileSync(file, 'utf8')) as { code: string; codeHash: string };
  const cell = Cell.fromHex(code);
  if (cell.hash().toString('hex') !== codeHash) {
    throw new CodedError('INVARIANT_BROKEN', `the compiled ${name} contract does not have its stated code hash`);
  }
  return cell;
}
