/** Items that are drawn from at random: all of them in an array, whatever comes and goes. */
export class Roster<Item> {
  readonly #items: Item[] = [];
  readonly #places = new Map<Item, number>();

  /** In no order; it changes. */
  get items(): readonly Item[] {
    return this.#items;
  }

  add(item: Item): void {
    if (this.#places.has(item)) return;
    this.#places.set(item, this.#items.length);
    this.#items.push(item);
  }

  delete(item: Item): void {
    const place = this.#places.get(item);
    if (place === undefined) return;
    this.#places.delete(item);
    const last = this.#items.pop() as Item;
    if (place === this.#items.length) return;
    this.#items[place] = last;
    this.#places.set(last, place);
  }
}

/** Who has a key. Whoever claims one that another has comes too late, also after that one has let go of it. */
export class Claims<Holder> {
  readonly #holders = new Map<string, Holder>();

  get(key: string): Holder | undefined {
    return this.#holders.get(key);
  }

  claim(key: string, holder: Holder): void {
    if (!this.#holders.has(key)) this.#holders.set(key, holder);
  }

  release(key: string, holder: Holder): void {
    if (this.#holders.get(key) === holder) this.#holders.delete(key);
  }
}
