/** What a store read or wrote last, by name: whoever alone writes a file need not ask it again. The oldest go. */
export class Kept<Value> {
  readonly #values = new Map<string, Value>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** As kept; else as read, which is kept unless it is null. */
  get<Read extends Value | null>(name: string, read: () => Read): Value | Read {
    const known = this.#values.get(name);
    if (known !== undefined) return known;
    const value = read();
    if (value !== null) this.put(name, value);
    return value;
  }

  /** It was written: the next one to ask reads it. */
  forget(name: string): void {
    this.#values.delete(name);
  }

  /** It was written as this. */
  put(name: string, value: Value): void {
    this.#values.set(name, value);
    if (this.#values.size > this.#most) this.#values.delete(this.#values.keys().next().value as string);
  }
}
