/** What came of a stream and waits for whoever reads it, one reader at a time. */
export class Inbox<Item> {
  readonly #waiting: Item[] = [];
  #ended: Readonly<{ error: unknown }> | null = null;
  #reader: (() => void) | null = null;

  /** How many wait: who fills it holds its peer up beyond a bound of its own. */
  get length(): number {
    return this.#waiting.length;
  }

  push(item: Item): void {
    this.#waiting.push(item);
    this.#wake();
  }

  /** After what waits: the end. @param error what is thrown in its place; null for none */
  end(error: unknown): void {
    this.#ended ??= { error };
    this.#wake();
  }

  /** The next item; undefined at the end. @throws what it ended with */
  async next(): Promise<Item | undefined> {
    while (this.#waiting.length === 0 && this.#ended === null) {
      await new Promise<void>((resolve) => {
        this.#reader = resolve;
      });
    }
    const item = this.#waiting.shift();
    if (item === undefined && this.#ended !== null && this.#ended.error !== null) throw this.#ended.error;
    return item;
  }

  #wake(): void {
    this.#reader?.();
    this.#reader = null;
  }
}
