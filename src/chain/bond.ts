import type { Cell, Slice } from '@ton/core';
import { operationBody } from './contract.ts';

/** Money that answers for a promise (pool, log anchor, stake): it leaves only after a notice. Amounts nanoTON. */
export type Bond = Readonly<{
  bond: bigint;
  /** How much leaves, */
  unbond: bigint;
  /** and from when on, unix seconds. */
  unbondAt: number;
}>;

export function loadBond(slice: Slice): Bond {
  return { bond: slice.loadCoins(), unbond: slice.loadCoins(), unbondAt: slice.loadUint(32) };
}

/** Message bodies of a bond; their numbers follow one another. @param first the one of `bond_in` */
export function bondMessages(first: number) {
  return {
    bondIn: (amount: bigint, queryId = 0n): Cell => operationBody(first, queryId).storeCoins(amount).endCell(),
    unbond: (amount: bigint, queryId = 0n): Cell =>
      operationBody(first + 1, queryId)
        .storeCoins(amount)
        .endCell(),
    takeBond: (queryId = 0n): Cell => operationBody(first + 2, queryId).endCell(),
  };
}
