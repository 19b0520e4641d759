import type { Tensor } from 'onnxruntime-node';
import type { DecoderGraph, Runtime } from './decoder-graph.ts';

const TOKENS_LEAST = 64;

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
    return powerOfTwo(rows) * this.#roomFor(tokens) * perToken;
  }

  #roomFor(tokens: number): number {
    return Math.min(this.#tokensMax, Math.max(TOKENS_LEAST, powerOfTwo(tokens)));
  }

  /** Makes room; what rows hold stays. Without rows in use (`used` 0) it may also shrink. */
  reserve(rows: number, tokens: number, used: number): void {
    const [wantedRows, wantedTokens] = [powerOfTwo(rows), this.#roomFor(tokens)];
    const enough = wantedRows <= this.#rows && wantedTokens <= this.#tokens;
    if (enough && (used > 0 || (wantedRows === this.#rows && wantedTokens === this.#tokens))) return;
    const [newRows, newTokens] =
      used === 0
        ? [wantedRows, wantedTokens]
        : [Math.max(wantedRows, this.#rows), Math.max(wantedTokens, this.#tokens)];
    const grown = new Map<string, Float32Array>();
    for (const { past, dims } of this.#graph.caches) {
      const [, heads, , size] = dims as [number, number, number, number];
      const next = new Float32Array(newRows * heads * newTokens * size);
      const old = this.#buffers.get(past);
      if (old !== undefined) {
        for (let strip = 0; strip < used * heads; strip++) {
          const at = strip * this.#tokens * size;
          next.set(old.subarray(at, at + this.#tokens * size), strip * newTokens * size);
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

function powerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, value)));
}
