import { Chain } from './chain.ts';

type Account<Item> = Readonly<{ items: Chain<Item> }>;

/**
 * Who waits, within a bound for all. When all places are taken, one that comes takes the oldest place of its account,
 * where that has most, or else of one that has most: a crowd of one account keeps nobody out, and where not all can be
 * served, those who came last are.
 */
export class WaitingRoom<Item extends Readonly<{ account: string }>> {
  readonly #accounts = new Map<string, Account<Item>>();
  /** Accounts by how many wait for them. */
  readonly #bySize: Chain<Account<Item>>[] = [];
  readonly #most: number;
  #size = 0;
  /** Of the account that has most. */
  #largest = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#size;
  }

  *all(): Iterable<Item> {
    for (const { items } of this.#accounts.values()) yield* items;
  }

  enter(item: Item): Readonly<{ admitted: boolean; displaced: Item | null }> {
    const own = this.#accounts.get(item.account)?.items ?? null;
    const displaced = this.#inTheWay(own);
    if (displaced === undefined) return { admitted: false, displaced: null };
    if (displaced !== null) this.leave(displaced);
    const account = this.#accounts.get(item.account) ?? { items: new Chain<Item>() };
    this.#accounts.set(item.account, account);
    this.#resize(account, () => account.items.add(item));
    this.#size += 1;
    return { admitted: true, displaced };
  }

  leave(item: Item): void {
    const account = this.#accounts.get(item.account);
    if (account === undefined) return;
    const before = account.items.size;
    this.#resize(account, () => account.items.delete(item));
    this.#size -= before - account.items.size;
    if (account.items.size === 0) this.#accounts.delete(item.account);
  }

  /** Who has to leave so that one more comes in: null for nobody, undefined where nobody does. */
  #inTheWay(own: Chain<Item> | null): Item | null | undefined {
    if (this.#size < this.#most) return null;
    if (own !== null && own.size + 1 >= this.#largest) return own.first;
    if (this.#largest <= 1) return undefined;
    return this.#bySize[this.#largest]?.first?.items.first;
  }

  #resize(account: Account<Item>, change: () => void): void {
    this.#bySize[account.items.size]?.delete(account);
    change();
    const { size } = account.items;
    if (size > 0) {
      this.#bySize[size] ??= new Chain();
      this.#bySize[size].add(account);
    }
    this.#largest = Math.max(this.#largest, size);
    while (this.#largest > 0 && (this.#bySize[this.#largest]?.size ?? 0) === 0) this.#largest -= 1;
  }
}
