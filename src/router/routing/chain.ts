type Node<Item> = { readonly item: Item; before: Node<Item> | null; after: Node<Item> | null };

/**
 * Items in the order in which they came, each once. First, last, adding and taking out from anywhere cost the same however
 * many there are: the first entry of a Set that had many others before it is searched for among what they left.
 */
export class Chain<Item> {
  readonly #nodes = new Map<Item, Node<Item>>();
  #first: Node<Item> | null = null;
  #last: Node<Item> | null = null;

  get size(): number {
    return this.#nodes.size;
  }

  get first(): Item | null {
    return this.#first?.item ?? null;
  }

  get last(): Item | null {
    return this.#last?.item ?? null;
  }

  [Symbol.iterator](): Iterator<Item> {
    return this.#nodes.keys();
  }

  /** At the end; nothing where it is here already. */
  add(item: Item): void {
    if (this.#nodes.has(item)) return;
    const node: Node<Item> = { item, before: this.#last, after: null };
    if (this.#last === null) this.#first = node;
    else this.#last.after = node;
    this.#last = node;
    this.#nodes.set(item, node);
  }

  /** @returns whether it was here */
  delete(item: Item): boolean {
    const node = this.#nodes.get(item);
    if (node === undefined) return false;
    this.#nodes.delete(item);
    if (node.before === null) this.#first = node.after;
    else node.before.after = node.after;
    if (node.after === null) this.#last = node.before;
    else node.after.before = node.before;
    return true;
  }
}
