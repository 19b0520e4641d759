/**
 * Who waits, within bounds: a number for one account and a number for all. When all places are taken, an account that has
 * fewer waiting than another takes the newest place of the one that has most: a crowd of one account keeps nobody out.
 */
export class WaitingRoom<Item extends Readonly<{ account: string }>> {
  readonly #accounts = new Map<string, Set<Item>>();
  readonly #most: number;
  readonly #perAccount: number;
  #size = 0;

  constructor(most: number, perAccount: number) {
    this.#most = most;
    this.#perAccount = perAccount;
  }

  get size(): number {
    return this.#size;
  }

  *all(): Iterable<Item> {
    for (const items of this.#accounts.values()) yield* items;
  }

  enter(item: Item): Readonly<{ admitted: boolean; displaced: Item | null }> {
    const own = this.#accounts.get(item.account) ?? new Set<Item>();
    if (own.size >= this.#perAccount) return { admitted: false, displaced: null };
    let displaced: Item | null = null;
    if (this.#size >= this.#most) {
      displaced = this.#newestOfLargest(own.size + 1);
      if (displaced === null) return { admitted: false, displaced: null };
      this.leave(displaced);
    }
    own.add(item);
    this.#accounts.set(item.account, own);
    this.#size += 1;
    return { admitted: true, displaced };
  }

  leave(item: Item): void {
    const own = this.#accounts.get(item.account);
    if (own === undefined || !own.delete(item)) return;
    this.#size -= 1;
    if (own.size === 0) this.#accounts.delete(item.account);
  }

  #newestOfLargest(moreThan: number): Item | null {
    let largest: Set<Item> | null = null;
    for (const items of this.#accounts.values()) {
      if (items.size > Math.max(moreThan, largest?.size ?? 0)) largest = items;
    }
    return largest === null ? null : ([...largest].at(-1) ?? null);
  }
}
