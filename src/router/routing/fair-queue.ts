import type { UnixMs } from '../../core/index.ts';
import { Chain } from './chain.ts';

/** What waits: whose it is, what serving it costs (tokens), how much of a turn its priority is worth, since when. */
export type Waiting = Readonly<{ account: string; cost: number; weight: number; since: UnixMs }>;

type Line<Item> = { readonly items: Chain<Item>; deficit: number; hadTurn: boolean; isShed: boolean };

/** Tokens that an account of weight 1 may take in a turn. */
const QUANTUM = 1_024;

/**
 * Deficit round robin over accounts (Shreedhar and Varghese, 1995): each account's line is served up to a quantum of
 * tokens a turn, so that an account that asks for a hundred times as much waits behind itself. A line that somebody had to
 * leave unserved is served from its newest end: as many are served, and those at once, where in order all would be
 * served late.
 */
export class FairQueue<Item extends Waiting> {
  readonly #lines = new Map<string, Line<Item>>();
  /** In the order of their turns. */
  readonly #turns = new Chain<Line<Item>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** How many are served before an item that this account adds now, if all cost the same. */
  ahead(account: string): number {
    const line = this.#lines.get(account);
    const own = line === undefined || line.isShed ? 0 : line.items.size;
    const lines = this.#lines.size + (line === undefined ? 1 : 0);
    return Math.min(this.#size, (own + 1) * lines - 1);
  }

  push(item: Item): void {
    let line = this.#lines.get(item.account);
    if (line === undefined) {
      line = { items: new Chain(), deficit: 0, hadTurn: false, isShed: false };
      this.#lines.set(item.account, line);
      this.#turns.add(line);
    }
    line.items.add(item);
    this.#size += 1;
  }

  /** Takes an item out wherever it stands; nothing where it is not here. */
  remove(item: Item): void {
    const line = this.#lines.get(item.account);
    if (line === undefined || !line.items.delete(item)) return;
    this.#size -= 1;
    if (line.items.size > 0) return;
    this.#lines.delete(item.account);
    this.#turns.delete(line);
  }

  /** Not all that waits for this account can be served: its line is served from its newest end until it is empty. */
  shed(account: string): void {
    const line = this.#lines.get(account);
    if (line !== undefined) line.isShed = true;
  }

  /** Takes the next item in fair order, or null. */
  shift(): Item | null {
    for (let line = this.#turns.first; line !== null; line = this.#turns.first) {
      const item = (line.isShed ? line.items.last : line.items.first) as Item;
      if (!line.hadTurn) {
        line.deficit += QUANTUM * item.weight;
        line.hadTurn = true;
      }
      if (item.cost <= line.deficit) {
        line.deficit -= item.cost;
        this.remove(item);
        return item;
      }
      line.hadTurn = false;
      this.#turns.delete(line);
      this.#turns.add(line);
    }
    return null;
  }
}
