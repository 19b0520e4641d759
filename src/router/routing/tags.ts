/** Bytes of one prefix tag and slots of a header's tags (AIS/1 section 11). */
const TAG_BYTES = 6;
const TAGS = 8;
const FIRST_TOKENS = 1024;

/** Prompt tokens that tag `place` stands for. */
function tokensOf(place: number): number {
  return FIRST_TOKENS * 2 ** place;
}

export type Match<Id> = Readonly<{ worker: Id; tokens: number }>;

/**
 * Which worker last served a prompt prefix, by blinded tag. The tags are opaque: equality is all that is used. Kept in two
 * generations, the older of which is dropped whole when the younger is full: what is asked for stays, at no cost a tag. A
 * receipt's `tokens_cached` takes back what turned out wrong.
 */
export class TagIndex<Id> {
  #young = new Map<number, Id>();
  #old = new Map<number, Id>();
  readonly #mostEach: number;

  /** @param most tags remembered */
  constructor(most: number) {
    this.#mostEach = Math.ceil(most / 2);
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** The longest prefix that a worker is known for, or null. @param tags 48 bytes, or null */
  longest(tags: Uint8Array | null): Match<Id> | null {
    if (tags === null) return null;
    for (let place = TAGS - 1; place >= 0; place--) {
      const tag = tagAt(tags, place);
      const worker = this.#young.get(tag) ?? this.#old.get(tag);
      if (worker !== undefined) return { worker, tokens: tokensOf(place) };
    }
    return null;
  }

  /** The worker has now read the whole prompt: every prefix of it is in its cache. */
  served(tags: Uint8Array | null, worker: Id): void {
    if (tags === null) return;
    for (let place = 0; place < TAGS; place++) {
      if (this.#young.size >= this.#mostEach) {
        this.#old = this.#young;
        this.#young = new Map();
      }
      this.#young.set(tagAt(tags, place), worker);
    }
  }

  /** The worker counted fewer cached tokens than the match promised: it has lost the longer prefixes. */
  corrected(tags: Uint8Array | null, worker: Id, promised: number, cached: number): void {
    if (tags === null || cached >= promised) return;
    for (let place = 0; place < TAGS; place++) {
      if (tokensOf(place) <= cached) continue;
      const tag = tagAt(tags, place);
      for (const generation of [this.#young, this.#old]) {
        if (generation.get(tag) === worker) generation.delete(tag);
      }
    }
  }
}

function tagAt(tags: Uint8Array, place: number): number {
  const at = place * TAG_BYTES;
  const byte = (i: number) => tags[at + i] as number;
  const low = (byte(2) << 24) | (byte(3) << 16) | (byte(4) << 8) | byte(5);
  return ((byte(0) << 8) | byte(1)) * 2 ** 32 + (low >>> 0);
}
