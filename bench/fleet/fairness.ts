import type { Pattern } from './patterns.ts';

/** Whoever waits this long for the first token is gone. */
export const PATIENCE_MS = 30_000;
/** Nobody notices a shorter wait: a prompt of a few tokens that had to let one other go first was not treated badly. */
const NOTICED_MS = 100;
/** Of what it asks for: an account that max-min sharing gives less asks for more than its share. */
const WITHIN = 0.9;

/** 1 where all values are the same, 1/n where one has everything (Jain, Chiu and Hawe, 1984). */
export function jain(values: readonly number[]): number {
  const sum = values.reduce((a, b) => a + b, 0);
  const squares = values.reduce((a, b) => a + b * b, 0);
  return squares === 0 ? 1 : sum ** 2 / (values.length * squares);
}

/** Max-min sharing: nobody gets more than it asks for, and what it leaves is divided among the others. */
export function maxMinShares(asked: Float64Array, total: number): Float64Array {
  const shares = new Float64Array(asked.length);
  const order = [...asked.keys()].filter((account) => (asked[account] as number) > 0);
  order.sort((a, b) => (asked[a] as number) - (asked[b] as number));
  let left = total;
  for (const [place, account] of order.entries()) {
    const share = Math.min(asked[account] as number, left / (order.length - place));
    shares[account] = share;
    left -= share;
  }
  return shares;
}

/**
 * Accounts that ask for no more than their share: dividing what the fleet can do by max-min, for as long at a time as
 * somebody waits, gives them nine tenths of all that they ask for. Says nothing of any rule of routing.
 */
export function withinShare({ conversations, accounts, tokensPerSecond }: Pattern): boolean[] {
  const windows: Float64Array[] = [];
  for (const { account, turns } of conversations) {
    for (const { at, tokensIn, tokensOut } of turns) {
      const place = Math.floor(at / PATIENCE_MS);
      windows[place] ??= new Float64Array(accounts);
      const window = windows[place] as Float64Array;
      window[account] = (window[account] as number) + tokensIn + tokensOut;
    }
  }
  const [asked, due] = [new Float64Array(accounts), new Float64Array(accounts)];
  for (const window of windows) {
    if (window === undefined) continue;
    const shares = maxMinShares(window, (tokensPerSecond * PATIENCE_MS) / 1000);
    for (const [account, share] of shares.entries()) {
      asked[account] = (asked[account] as number) + (window[account] as number);
      due[account] = (due[account] as number) + share;
    }
  }
  return [...asked].map((tokens, account) => tokens > 0 && (due[account] as number) >= WITHIN * tokens);
}

/**
 * How many times as long as alone in the fleet somebody waits for the first token, at least 1: bounded slowdown
 * (Feitelson and Rudolph, 1998).
 * @param alone ms on an idle worker that has all of the conversation's earlier turns in its cache
 */
export function slowdown(waitedMs: number, alone: number): number {
  return Math.max(1, waitedMs / Math.max(alone, NOTICED_MS));
}
