/** What the development chain remembers of past transactions; balances do not depend on it. */
const TRANSACTIONS_PER_ACCOUNT_MAX = 64;
const TRANSACTIONS_MAX = 2_000;

/** Newest first per account; beyond the bounds the oldest are forgotten. */
export function withTransactions(
  before: ReadonlyMap<string, string[]>,
  done: readonly { address: string; boc: string }[],
): Map<string, string[]> {
  const after = new Map(before);
  for (const { address, boc } of done) {
    const list = [boc, ...(after.get(address) ?? [])].slice(0, TRANSACTIONS_PER_ACCOUNT_MAX);
    after.delete(address); // and set anew: the map's order is that of last use
    after.set(address, list);
  }
  let total = 0;
  for (const list of after.values()) total += list.length;
  for (const [address, list] of after) {
    if (total <= TRANSACTIONS_MAX) break;
    total -= list.length;
    after.delete(address);
  }
  return after;
}
