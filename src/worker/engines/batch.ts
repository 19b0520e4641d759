import type { Tensor } from 'onnxruntime-node';
import { CodedError } from '../../core/index.ts';
import { CacheRows } from './cache-rows.ts';
import {
  type DecoderGraph,
  freeMemory,
  type LogitsAt,
  type Runtime,
  Sequence,
  type SequenceState,
  type TokenSequence,
} from './decoder-graph.ts';
import type { Logits } from './sampler.ts';

export type BatchLimits = Readonly<{
  /** Sequences that run at the same time; more wait for a place. */
  rowsMax: number;
  /** Bytes of all caches together; a sequence that is alone may exceed it. */
  cacheBytesMax: number;
}>;

export const BATCH_LIMITS: BatchLimits = { rowsMax: 16, cacheBytesMax: 2 ** 30 };
/** Sequences that may wait for a place; beyond it a request is refused at once. */
const WAITING_MAX = 1024;

type Ask = Readonly<{
  ids: readonly number[];
  from: SequenceState | null;
  resolve: (out: LogitsAt) => void;
  reject: (error: unknown) => void;
}>;
type Row = { place: number; length: number; readonly lengthMax: number; lastId: number; ask: Ask | null };
/** A sequence that may have begun outside the batch, and goes on in it with its next token. */
export type BatchSequence = TokenSequence & Readonly<{ goOn(from: SequenceState, id: number): Promise<LogitsAt> }>;
type Waiting = Readonly<{ lengthMax: number; begin: (row: Row) => void; reject: (error: unknown) => void }>;

/**
 * Runs several sequences in one step of the graph, and lets them come and go between two steps (continuous batching).
 * Each row has its own length: the graph's attention reads as many tokens of a row as its attention mask has ones. A
 * row that has nothing to run in a step is given its last token again, at a place that its next token overwrites.
 */
export class Batch {
  readonly #runtime: Runtime;
  readonly #graph: DecoderGraph;
  readonly #limits: BatchLimits;
  readonly #caches: CacheRows;
  #rows: Row[] = [];
  #waiting: Waiting[] = [];
  #running = false;

  constructor(runtime: Runtime, graph: DecoderGraph, tokensMax: number, limits: BatchLimits) {
    this.#runtime = runtime;
    this.#graph = graph;
    this.#limits = limits;
    this.#caches = new CacheRows(runtime, graph, tokensMax);
  }

  /**
   * A place in the batch, as soon as there is one, in the order of asking.
   * @param lengthMax tokens that the sequence may reach
   * @throws CodedError TOO_MANY_REQUESTS where too many wait already
   */
  begin(lengthMax: number): Promise<BatchSequence> {
    return new Promise<Row>((resolve, reject) => {
      if (this.#waiting.length >= WAITING_MAX) {
        reject(new CodedError('TOO_MANY_REQUESTS', `${WAITING_MAX} requests wait for the engine already`));
        return;
      }
      this.#waiting.push({ lengthMax, begin: resolve, reject });
      this.#admit();
    }).then((row) => ({
      prompt: (ids) => this.#ask(row, ids),
      next: (id) => this.#ask(row, [id]),
      goOn: (from, id) => this.#ask(row, [id], from),
      end: () => this.#end(row),
    }));
  }

  /** Whether nothing runs here and nothing waits. */
  get idle(): boolean {
    return this.#rows.length === 0 && this.#waiting.length === 0;
  }

  /** Room for the longest row, which may be about to have so many tokens. */
  #reserve(tokens: number): void {
    const longest = Math.max(tokens, ...this.#rows.map(({ length }) => length + 1));
    this.#caches.reserve(this.#rows.length, longest, this.#rows.length);
  }

  /** Whether a sequence of at most so many tokens would get a place at the next step. */
  hasRoom(lengthMax: number): boolean {
    return this.#waiting.length === 0 && this.#fits(lengthMax);
  }

  #fits(lengthMax: number): boolean {
    if (this.#rows.length >= this.#limits.rowsMax) return false;
    const tokens = Math.max(lengthMax, ...this.#rows.map((row) => row.lengthMax));
    return (
      this.#rows.length === 0 || this.#caches.bytesFor(this.#rows.length + 1, tokens) <= this.#limits.cacheBytesMax
    );
  }

  #admit(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (this.#running || !this.#fits(first.lengthMax)) return; // rows move between steps only
      this.#waiting.shift();
      const row: Row = { place: this.#rows.length, length: 0, lengthMax: first.lengthMax, lastId: 0, ask: null };
      this.#rows.push(row);
      first.begin(row);
    }
  }

  #end(row: Row): void {
    row.ask?.reject(new CodedError('REQUEST_CANCELLED', 'the sequence was ended'));
    row.ask = null;
    row.place = -1; // its place is taken over between two steps
    if (!this.#running) this.#settle();
  }

  /** Closes the gaps that ended sequences left, with the last rows; then lets the next ones in. */
  #settle(): void {
    for (let place = 0; place < this.#rows.length; place++) {
      if ((this.#rows[place] as Row).place >= 0) continue;
      let last = this.#rows.pop() as Row;
      while (last.place < 0 && this.#rows.length > place) last = this.#rows.pop() as Row;
      if (last.place < 0) break;
      this.#caches.move(last.place, place, last.length);
      last.place = place;
      this.#rows[place] = last;
    }
    if (this.#rows.length === 0 && this.#waiting.length === 0) this.#caches.clear();
    this.#admit();
  }

  #ask(row: Row, ids: readonly number[], from: SequenceState | null = null): Promise<LogitsAt> {
    return new Promise((resolve, reject) => {
      row.ask = { ids, from, resolve, reject };
      if (this.#running) return;
      this.#running = true;
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    for (;;) {
      // Whoever got a token in the last step asks for the next one before this one begins.
      await new Promise((turn) => setImmediate(turn));
      this.#running = false;
      this.#settle();
      this.#running = true;
      for (const row of this.#rows) this.#takeOver(row);
      const prompted = this.#rows.find(({ ask, length }) => ask !== null && length === 0);
      if (prompted !== undefined) await this.#prompt(prompted);
      const ready = this.#rows.filter(({ ask, length }) => ask !== null && length > 0);
      if (ready.length > 0) await this.#step(ready);
      if (ready.length === 0 && prompted === undefined) break;
    }
    this.#running = false;
  }

  #takeOver(row: Row): void {
    const from = row.ask?.from ?? null;
    if (from === null || row.length > 0) return;
    this.#reserve(from.length + 1);
    this.#caches.put(row.place, from);
    row.length = from.length;
  }

  /** One prompt, in a run of its own over its row. */
  async #prompt(row: Row): Promise<void> {
    const { ids } = row.ask as Ask;
    this.#reserve(ids.length);
    const { Tensor } = this.#runtime;
    const dims = [1, ids.length];
    const feeds: Record<string, Tensor> = {
      ...this.#caches.views(row.place, 1),
      input_ids: new Tensor('int64', BigInt64Array.from(ids, BigInt), dims),
      attention_mask: new Tensor('int64', new BigInt64Array(ids.length).fill(1n), dims),
    };
    const positions = () => BigInt64Array.from(ids, (_, at) => BigInt(at));
    if (this.#graph.takesPositions) feeds.position_ids = new Tensor('int64', positions(), dims);
    const out = await this.#compute(feeds, row.place, 1, [row]);
    if (out === null) return;
    row.length = ids.length;
    row.lastId = ids.at(-1) as number;
    answer(row, { logits: out, at: out.length - this.#graph.vocabulary });
  }

  /** One token for each row that asked; rows before the last of them run along. */
  async #step(ready: readonly Row[]): Promise<void> {
    const count = 1 + Math.max(...ready.map(({ place }) => place));
    const rows = this.#rows.slice(0, count);
    const { Tensor } = this.#runtime;
    const total = 1 + Math.max(...rows.map(({ length }) => length));
    this.#reserve(total);
    const mask = new BigInt64Array(count * total);
    const ids = new BigInt64Array(count);
    rows.forEach((row, i) => {
      mask.fill(1n, i * total, i * total + row.length + 1);
      ids[i] = BigInt(row.ask?.ids[0] ?? row.lastId);
    });
    const feeds: Record<string, Tensor> = {
      ...this.#caches.views(0, count),
      input_ids: new Tensor('int64', ids, [count, 1]),
      attention_mask: new Tensor('int64', mask, [count, total]),
    };
    if (this.#graph.takesPositions) {
      const positions = BigInt64Array.from(rows, ({ length }) => BigInt(length));
      feeds.position_ids = new Tensor('int64', positions, [count, 1]);
    }
    const out = await this.#compute(feeds, 0, count, ready);
    if (out === null) return;
    for (const row of ready) {
      if (row.ask === null) continue; // ended meanwhile
      row.length += 1;
      row.lastId = row.ask.ids[0] as number;
      answer(row, { logits: out, at: rows.indexOf(row) * this.#graph.vocabulary });
    }
  }

  /** The logits, or null where the runtime failed and whoever asked has been told. */
  async #compute(
    feeds: Record<string, Tensor>,
    from: number,
    count: number,
    asking: readonly Row[],
  ): Promise<Logits | null> {
    if (this.#graph.takesLogitsToKeep) feeds.num_logits_to_keep = new this.#runtime.Tensor('int64', [1n], []);
    const views = this.#caches.views(from, count);
    const fetches: Record<string, Tensor | null> = { logits: null };
    for (const { past, present } of this.#graph.caches) fetches[present] = views[past] as Tensor;
    try {
      const out = await this.#graph.session.run(feeds, fetches);
      // The runtime wrote into our memory, and gives out copies of it beside.
      for (const { present } of this.#graph.caches) {
        if (out[present] !== fetches[present]) freeMemory(out[present] as Tensor);
      }
      return (out.logits as Tensor).data as Logits;
    } catch (error) {
      for (const row of asking) {
        row.ask?.reject(error);
        row.ask = null;
      }
      return null;
    }
  }
}

function answer(row: Row, out: LogitsAt): void {
  const { ask } = row;
  row.ask = null;
  ask?.resolve(out);
}

/**
 * Whether this graph gives, bit for bit, the same logits to sequences of different lengths in one batch as to each of
 * them alone: tried with the graph itself, because exporters differ.
 */
export async function batchesExactly(runtime: Runtime, graph: DecoderGraph, tokensMax: number): Promise<boolean> {
  if (graph.caches.some(({ type }) => type !== 'float32') || tokensMax < 16) return false;
  const token = (n: number) => n % graph.vocabulary;
  const prompts = [[1, 2, 3].map(token), [4, 5, 6, 7, 8].map(token)];
  const trial = async (sequence: TokenSequence, prompt: readonly number[]): Promise<number[]> => {
    const out: number[] = [];
    const keep = ({ logits, at }: LogitsAt) =>
      out.push(...(logits.subarray(at, at + graph.vocabulary) as Float32Array));
    keep(await sequence.prompt(prompt));
    for (const id of [9, 10, 11]) keep(await sequence.next(token(id)));
    sequence.end();
    return out;
  };
  try {
    const alone: number[][] = [];
    for (const prompt of prompts) alone.push(await trial(new Sequence(runtime, graph, 16), prompt));
    const batch = new Batch(runtime, graph, tokensMax, BATCH_LIMITS);
    const together = await Promise.all(prompts.map(async (prompt) => trial(await batch.begin(16), prompt)));
    return together.every((row, i) => row.every((value, at) => Object.is(value, alone[i]?.[at])));
  } catch {
    return false;
  }
}
