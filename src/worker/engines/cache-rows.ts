import type { Tensor } from 'onnxruntime-node';
import type { DecoderGraph, Runtime, SequenceState } from './decoder-graph.ts';

/**
 * Room for tokens grows by so many: the runtime's binding copies what it gives out, so that a step costs as much as the
 * room it has, not as the tokens in it.
 */
const TOKENS_STEP = 16;

/**
 * The key-value caches of several sequences, one row each, in memory that the runtime writes in place: a step appends
 * to each row and copies none. Rows of different lengths stand side by side; what is behind a row's length is noise.
 */
export class CacheRows {
  readonly #runtime: Runtime;
  readonly #graph: DecoderGraph;
  readonly #tokensMax: number;
  #buffers = new Map<string, Float32Array>();
  #views: Readonly<{ from: number; count: number; tensors: Record<string, Tensor> }> | null = null;
  #rows = 0;
  #tokens = 0;

  /** @param tokensMax the model's context */
  constructor(runtime: Runtime, graph: DecoderGraph, tokensMax: number) {
    this.#runtime = runtime;
    this.#graph = graph;
    this.#tokensMax = tokensMax;
  }

  /** Tokens that each row has room for. */
  get tokens(): number {
    return this.#tokens;
  }

  /** Bytes that so many rows of so many tokens take, once room for them was made. */
  bytesFor(rows: number, tokens: number): number {
    const perToken = this.#graph.caches.reduce((sum, { dims }) => sum + 4 * width(dims), 0);
    return rows * this.#roomFor(tokens) * perToken;
  }

  #roomFor(tokens: number): number {
    return Math.min(this.#tokensMax, Math.ceil(tokens / TOKENS_STEP) * TOKENS_STEP);
  }

  /**
   * Makes room, and gives back what is not needed; what the first `used` rows hold stays.
   * @param tokens of the longest row
   */
  reserve(rows: number, tokens: number, used: number): void {
    const newTokens = this.#roomFor(tokens);
    const newRows = Math.max(rows, this.#rows);
    if (newTokens === this.#tokens && newRows === this.#rows) return;
    const kept = Math.min(this.#tokens, newTokens);
    const grown = new Map<string, Float32Array>();
    for (const { past, dims } of this.#graph.caches) {
      const [, heads, , size] = dims as [number, number, number, number];
      const next = new Float32Array(newRows * heads * newTokens * size);
      const old = this.#buffers.get(past);
      if (old !== undefined) {
        for (let strip = 0; strip < used * heads; strip++) {
          const at = strip * this.#tokens * size;
          next.set(old.subarray(at, at + kept * size), strip * newTokens * size);
        }
      }
      grown.set(past, next);
    }
    this.#buffers = grown;
    this.#rows = newRows;
    this.#tokens = newTokens;
    this.#views = null;
  }

  /** Lets all of it go. */
  clear(): void {
    this.#buffers = new Map();
    this.#views = null;
    this.#rows = 0;
    this.#tokens = 0;
  }

  /** Copies the first `length` tokens of one row over another. */
  move(from: number, to: number, length: number): void {
    if (from === to) return;
    for (const { past, dims } of this.#graph.caches) {
      const [, heads, , size] = dims as [number, number, number, number];
      const buffer = this.#buffers.get(past) as Float32Array;
      const strip = this.#tokens * size;
      for (let head = 0; head < heads; head++) {
        const source = (from * heads + head) * strip;
        buffer.copyWithin((to * heads + head) * strip, source, source + length * size);
      }
    }
  }

  /** Puts a sequence that ran elsewhere into a row that has room for it. */
  put(place: number, { length, caches }: SequenceState): void {
    for (const { past, dims } of this.#graph.caches) {
      const [, heads, , size] = dims as [number, number, number, number];
      const buffer = this.#buffers.get(past) as Float32Array;
      const given = caches.get(past) as Float32Array;
      for (let head = 0; head < heads; head++) {
        const strip = given.subarray(head * length * size, (head + 1) * length * size);
        buffer.set(strip, (place * heads + head) * this.#tokens * size);
      }
    }
  }

  /** Tensors over `count` rows from `from`, by the name of the cache input: input and output of a step alike. */
  views(from: number, count: number): Readonly<Record<string, Tensor>> {
    if (this.#views?.from === from && this.#views.count === count) return this.#views.tensors;
    const tensors: Record<string, Tensor> = {};
    for (const { past, dims } of this.#graph.caches) {
      const [, heads, , size] = dims as [number, number, number, number];
      const row = heads * this.#tokens * size;
      const data = (this.#buffers.get(past) as Float32Array).subarray(from * row, (from + count) * row);
      tensors[past] = new this.#runtime.Tensor('float32', data, [count, heads, this.#tokens, size]);
    }
    this.#views = { from, count, tensors };
    return tensors;
  }
}

/** Values of one token in one cache. */
function width(dims: readonly number[]): number {
  return (dims[1] as number) * (dims[3] as number);
}
