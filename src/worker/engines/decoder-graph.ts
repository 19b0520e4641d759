import type { InferenceSession, Tensor, TensorConstructor } from 'onnxruntime-node';
import { CodedError } from '../../core/index.ts';
import type { Logits } from './sampler.ts';

/** The parts of onnxruntime-node that an engine uses; loaded on first use, as its library is large. */
export type Runtime = Readonly<{
  InferenceSession: typeof InferenceSession;
  Tensor: TensorConstructor;
  env: { versions: { node?: string; common: string } };
}>;

/** Runs the graph once. @param fetches outputs to write into memory of the caller's; null for one to be made */
export type StepRunner = Readonly<{
  run(
    feeds: Record<string, Tensor>,
    fetches?: Record<string, Tensor | null>,
  ): Promise<InferenceSession.OnnxValueMapType>;
}>;

type CacheInput = Readonly<{ past: string; present: string; type: 'float32' | 'float16'; dims: readonly number[] }>;

/** A decoder graph with a key-value cache, as Hugging Face exporters lay it out. */
export type DecoderGraph = Readonly<{
  session: StepRunner;
  caches: readonly CacheInput[];
  takesPositions: boolean;
  takesLogitsToKeep: boolean;
  vocabulary: number;
}>;

/** Sizes that config.json states. */
export type CacheShape = Readonly<{ heads: number; headSize: number; vocabulary: number }>;

const KNOWN_INPUTS = new Set(['input_ids', 'attention_mask', 'position_ids', 'num_logits_to_keep']);

/**
 * Checks that a loaded graph is a decoder this engine can drive: its inputs, its caches and the sizes of config.json.
 * @throws CodedError MODEL_INVALID
 */
export function decoderGraph(session: InferenceSession, shape: CacheShape): DecoderGraph {
  const invalid = (why: string, facts: Record<string, string | number> = {}) =>
    new CodedError('MODEL_INVALID', `model.onnx: ${why}`, facts);
  const inputs = new Set(session.inputNames);
  for (const name of ['input_ids', 'attention_mask']) {
    if (!inputs.has(name)) throw invalid(`has no input ${name}`);
  }
  if (!session.outputNames.includes('logits')) throw invalid('has no output logits');
  const caches: CacheInput[] = [];
  for (const metadata of session.inputMetadata) {
    const { name } = metadata;
    if (!name.startsWith('past_key_values.')) {
      if (!KNOWN_INPUTS.has(name)) throw invalid(`an input that this engine does not know`, { input: name });
      continue;
    }
    const present = name.replace('past_key_values', 'present');
    if (!session.outputNames.includes(present)) throw invalid(`no output ${present}`);
    if (!metadata.isTensor || (metadata.type !== 'float32' && metadata.type !== 'float16')) {
      throw invalid('a cache is neither float32 nor float16', { input: name });
    }
    const [, heads, , headSize] = metadata.shape;
    if (metadata.shape.length !== 4 || differs(heads, shape.heads) || differs(headSize, shape.headSize)) {
      throw invalid('a cache differs from the sizes in config.json', { input: name });
    }
    caches.push({ past: name, present, type: metadata.type, dims: [1, shape.heads, 0, shape.headSize] });
  }
  if (caches.length === 0) throw invalid('has no key-value cache');
  const logits = session.outputMetadata.find(({ name }) => name === 'logits');
  if (logits?.isTensor && differs(logits.shape[2], shape.vocabulary)) throw invalid('logits differ from vocab_size');
  return {
    session,
    caches,
    takesPositions: inputs.has('position_ids'),
    takesLogitsToKeep: inputs.has('num_logits_to_keep'),
    vocabulary: shape.vocabulary,
  };
}

/** A symbolic dimension may be anything. */
function differs(stated: number | string | undefined, expected: number): boolean {
  return typeof stated === 'number' && stated !== expected;
}

/**
 * Gives a tensor's memory back now; nobody may read it any more. Left to the garbage collector, the caches of some
 * forty steps pile up before it comes, and each step then writes to memory that no processor cache knows.
 */
export function freeMemory(tensor: Tensor): void {
  ((tensor.data as Float32Array).buffer as ArrayBuffer).transfer(0);
}

/** Logits of one token: an array, and where they begin in it. */
export type LogitsAt = Readonly<{ logits: Logits; at: number }>;

/** Tokens that were run, and their caches by the name of the input: heads × length × size, of one row. */
export type SequenceState = Readonly<{ length: number; caches: ReadonlyMap<string, Float32Array> }>;

/** A sequence in the making: its prompt once, then token by token. */
export type TokenSequence = Readonly<{
  prompt(ids: readonly number[]): Promise<LogitsAt>;
  next(id: number): Promise<LogitsAt>;
  end(): void;
}>;

/**
 * One sequence in the making. Inputs of a step are written into memory that is made once; the cache a step answers
 * with is the next step's input as it is, without a copy.
 */
export class Sequence implements TokenSequence {
  readonly #graph: DecoderGraph;
  readonly #runtime: Runtime;
  readonly #feeds: Record<string, Tensor> = {};
  readonly #ones: BigInt64Array;
  readonly #token = new BigInt64Array(1);
  readonly #position = new BigInt64Array(1);
  #length = 0;

  /** @param lengthMax tokens that the sequence may reach */
  constructor(runtime: Runtime, graph: DecoderGraph, lengthMax: number) {
    this.#runtime = runtime;
    this.#graph = graph;
    this.#ones = new BigInt64Array(lengthMax).fill(1n);
    for (const { past, type, dims } of graph.caches) {
      this.#feeds[past] = new runtime.Tensor(type, type === 'float16' ? new Uint16Array(0) : new Float32Array(0), dims);
    }
    if (graph.takesLogitsToKeep) this.#feeds.num_logits_to_keep = new runtime.Tensor('int64', BigInt64Array.of(1n), []);
  }

  /** Runs the prompt. @returns the logits after its last token: an array, and where they begin in it */
  prompt(ids: readonly number[]): Promise<LogitsAt> {
    const { Tensor } = this.#runtime;
    const dims = [1, ids.length];
    this.#feeds.input_ids = new Tensor('int64', BigInt64Array.from(ids, BigInt), dims);
    if (this.#graph.takesPositions) {
      this.#feeds.position_ids = new Tensor(
        'int64',
        BigInt64Array.from(ids, (_, at) => BigInt(at)),
        dims,
      );
    }
    return this.#step(ids.length).then((out) => {
      this.#feeds.input_ids = new Tensor('int64', this.#token, [1, 1]);
      if (this.#graph.takesPositions) this.#feeds.position_ids = new Tensor('int64', this.#position, [1, 1]);
      return out;
    });
  }

  /** Runs one more token, after {@link prompt}. */
  next(id: number): Promise<LogitsAt> {
    this.#token[0] = BigInt(id);
    this.#position[0] = BigInt(this.#length);
    return this.#step(1);
  }

  /** Nothing to give back: the last step's cache is freed with it. */
  end(): void {}

  /** Where it stands between two steps. */
  state(): SequenceState {
    const caches = new Map(
      this.#graph.caches.map(({ past }) => [past, (this.#feeds[past] as Tensor).data as Float32Array]),
    );
    return { length: this.#length, caches };
  }

  async #step(added: number): Promise<LogitsAt> {
    this.#length += added;
    const feeds = this.#feeds;
    feeds.attention_mask = new this.#runtime.Tensor('int64', this.#ones.subarray(0, this.#length), [1, this.#length]);
    const out = await this.#graph.session.run(feeds);
    for (const { past, present } of this.#graph.caches) {
      freeMemory(feeds[past] as Tensor);
      feeds[past] = out[present] as Tensor;
    }
    const logits = (out.logits as Tensor).data as Logits;
    return { logits, at: logits.length - this.#graph.vocabulary };
  }
}
