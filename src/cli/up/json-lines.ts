/** A line of a child's stdout longer than this is dropped, in characters. */
const LINE_CHARACTERS_MAX = 1 << 20;

/** Cuts a byte stream into lines and passes on those that are JSON objects; anything else a child prints is skipped. */
export class JsonLines {
  readonly #take: (value: Readonly<Record<string, unknown>>) => void;
  readonly #decoder = new TextDecoder();
  #rest = '';
  #dropping = false;

  constructor(take: (value: Readonly<Record<string, unknown>>) => void) {
    this.#take = take;
  }

  push(piece: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.decode(piece, { stream: true })).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (this.#dropping) this.#dropping = false;
      else this.#line(line);
    }
    if (this.#rest.length > LINE_CHARACTERS_MAX) {
      this.#rest = '';
      this.#dropping = true;
    }
  }

  #line(line: string): void {
    if (!line.startsWith('{')) return;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      return; // half a line of a process that was killed
    }
    this.#take(value as Readonly<Record<string, unknown>>);
  }
}
