import type { UnixMs } from '../../core/index.ts';

/** What waits: whose it is, what serving it costs (tokens), how much of a turn its priority is worth, since when. */
export type Waiting = Readonly<{ account: string; cost: number; weight: number; since: UnixMs }>;

type Line<Item> = { readonly items: Set<Item>; deficit: number; hadTurn: boolean };

/** Tokens that an account of weight 1 may take in a turn. */
const QUANTUM = 4_096;
/** A line whose oldest item waits longer than this is longer than its account's share of the workers. */
const NEWEST_FIRST_AFTER_MS = 1_000;

/**
 * Deficit round robin over accounts (Shreedhar and Varghese, 1995): each account's line is served up to a quantum of
 * tokens a turn, so that an account that asks for a hundred times as much waits behind itself. A line that has grown too long for
 * that is served from its newest end: as many are served, and those at once, where in order all would be served late.
 */
export class FairQueue<Item extends Waiting> {
  /** In the order of their turns. */
  readonly #lines = new Map<string, Line<Item>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** How many are served before an item that this account adds now, if all cost the same. */
  ahead(account: string): number {
    const own = this.#lines.get(account)?.items.size ?? 0;
    const lines = this.#lines.size + (own === 0 ? 1 : 0);
    return Math.min(this.#size, (own + 1) * lines - 1);
  }

  push(item: Item): void {
    let line = this.#lines.get(item.account);
    if (line === undefined) {
      line = { items: new Set(), deficit: 0, hadTurn: false };
      this.#lines.set(item.account, line);
    }
    line.items.add(item);
    this.#size += 1;
  }

  /** Takes an item out wherever it stands; nothing where it is not here. */
  remove(item: Item): void {
    const line = this.#lines.get(item.account);
    if (line === undefined || !line.items.delete(item)) return;
    this.#size -= 1;
    if (line.items.size === 0) this.#lines.delete(item.account);
  }

  /** Takes the next item in fair order, or null. */
  shift(now: UnixMs): Item | null {
    for (const [account, line] of this.#lines) {
      const oldest = line.items.values().next().value as Item;
      const item = now - oldest.since > NEWEST_FIRST_AFTER_MS ? ([...line.items].at(-1) as Item) : oldest;
      if (!line.hadTurn) {
        line.deficit += QUANTUM * item.weight;
        line.hadTurn = true;
      }
      if (item.cost <= line.deficit) {
        line.deficit -= item.cost;
        this.remove(item);
        return item;
      }
      // To the end of the round: the loop comes by again, since a map is walked in the order of insertion.
      line.hadTurn = false;
      this.#lines.delete(account);
      this.#lines.set(account, line);
    }
    return null;
  }
}
