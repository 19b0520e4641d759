import { type Bytes, CodedError, type Randomness } from '../../core/index.ts';
import { createStopCutter } from './answer-text.ts';
import { type DecoderGraph, decoderGraph, type Runtime, Sequence } from './decoder-graph.ts';
import type { Engine, GenerateEvent, GenerateRequest } from './engine.ts';
import { modelManifest } from './manifest.ts';
import { type ModelFolder, readModelFiles } from './model-folder.ts';
import { promptText } from './prompt.ts';
import { createSampler, seedBytes, seededNumbers } from './sampler.ts';
import { jsonFile, loadTokenizer, type ModelTokenizer } from './tokenizer.ts';

export type OnnxEngineOptions = Readonly<{
  /** How requests name the model; the folder's name where it is left out. */
  modelId?: string;
  /** Seeds requests that bring no seed. */
  randomness: Randomness;
  /** Threads inside one operation; 1 repeats bit for bit on every machine of a kind. */
  intraOpNumThreads?: number;
}>;

const CONTEXT_TOKENS_MAX = 1_048_576;
/** Whatever the tokenizer, a token of a prompt stands for at least some text: longer prompts cannot fit. */
const CHARACTERS_PER_TOKEN_MAX = 256;

/**
 * Loads a model in the Hugging Face ONNX layout with ONNX Runtime: `model.onnx` (or `onnx/model.onnx`) with inputs
 * `input_ids`, `attention_mask`, perhaps `position_ids`, and `past_key_values.*`; `tokenizer.json`; `config.json`.
 * The bytes that the manifest names are the bytes that run: each file is read once.
 * @throws CodedError MODEL_MISSING for an absent folder or file, MODEL_INVALID for one that cannot be used
 */
export async function loadOnnxEngine(folder: ModelFolder, options: OnnxEngineOptions): Promise<Engine> {
  const { weights, contents } = await readModelFiles(folder);
  const sizes = modelSizes(contents);
  const tokenizer = loadTokenizer(contents);
  const runtime = await loadRuntime();
  const threads = options.intraOpNumThreads ?? 1;
  const flags = { intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: 'all' } as const;
  const session = await runtime.InferenceSession.create(contents.get(weights) as Bytes, {
    ...flags,
    executionMode: 'sequential',
    executionProviders: ['cpu'],
    logSeverityLevel: 3,
  }).catch((cause: unknown) => {
    throw new CodedError('MODEL_INVALID', `${weights} cannot be loaded`, { file: weights }, { cause });
  });
  const graph = decoderGraph(session, sizes);
  const version = runtime.env.versions.node ?? runtime.env.versions.common;
  const manifest = modelManifest(contents, { name: 'onnxruntime', version }, { ...flags, executionProvider: 'cpu' });
  let closed = false;
  const model: LoadedModel = { runtime, graph, tokenizer, sizes, randomness: options.randomness };
  return {
    modelId: options.modelId ?? folder.name,
    manifest,
    contextTokensMax: sizes.contextTokensMax,
    generate: (request, signal) => generate(model, request, () => signal.aborted || closed),
    close: async () => {
      if (closed) return;
      closed = true;
      // A step that was asked for runs in the next turn of the event loop; after it nobody touches the session.
      await new Promise((turn) => setImmediate(turn));
      await session.release();
    },
  };
}

async function loadRuntime(): Promise<Runtime> {
  const module = (await import('onnxruntime-node')) as unknown as Runtime & { default?: Runtime };
  return module.InferenceSession === undefined ? (module.default as Runtime) : module;
}

type ModelSizes = Readonly<{
  heads: number;
  headSize: number;
  vocabulary: number;
  contextTokensMax: number;
  endTokens: ReadonlySet<number>;
}>;

/** @throws CodedError MODEL_INVALID naming the field of config.json */
function modelSizes(files: ReadonlyMap<string, Bytes>): ModelSizes {
  const config = jsonFile(files, 'config.json');
  const whole = (field: string, value: unknown, most: number): number => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
    throw new CodedError('MODEL_INVALID', `config.json: ${field} is missing or wrong`, { field });
  };
  const attentionHeads = whole('num_attention_heads', config.num_attention_heads, 4096);
  const width = whole('hidden_size', config.hidden_size, 1_048_576);
  const ends = jsonFile(files, 'generation_config.json').eos_token_id ?? config.eos_token_id;
  const endTokens = (Array.isArray(ends) ? ends : [ends]).filter((id) => Number.isInteger(id)) as number[];
  return {
    heads: whole('num_key_value_heads', config.num_key_value_heads ?? attentionHeads, 4096),
    headSize: whole('head_dim', config.head_dim ?? width / attentionHeads, 4096),
    vocabulary: whole('vocab_size', config.vocab_size, 16_777_216),
    contextTokensMax: whole('max_position_embeddings', config.max_position_embeddings, CONTEXT_TOKENS_MAX),
    endTokens: new Set(endTokens),
  };
}

type LoadedModel = Readonly<{
  runtime: Runtime;
  graph: DecoderGraph;
  tokenizer: ModelTokenizer;
  sizes: ModelSizes;
  randomness: Randomness;
}>;

async function* generate(
  model: LoadedModel,
  request: GenerateRequest,
  cancelled: () => boolean,
): AsyncGenerator<GenerateEvent> {
  const { tokenizer, sizes } = model;
  const ids = promptTokens(model, request);
  const room = Math.min(request.maxTokens, sizes.contextTokensMax - ids.length);
  const seed = request.seed === undefined ? model.randomness(16) : seedBytes(request.seed);
  const sample = createSampler(sizes.vocabulary, request, seededNumbers(seed));
  const sequence = new Sequence(model.runtime, model.graph, ids.length + room);
  const text = tokenizer.text();
  const cutter = createStopCutter(request.stop);
  const done = (finish: 'stop' | 'length' | 'cancelled', tokensOut: number): GenerateEvent => ({
    kind: 'done',
    finish,
    tokensIn: ids.length,
    tokensOut,
  });
  let tokenId = -1;
  for (let count = 1; ; count++) {
    if (cancelled()) return yield done('cancelled', count - 1);
    const { logits, at } = await (count === 1 ? sequence.prompt(ids) : sequence.next(tokenId)).catch(runtimeFailed);
    if (cancelled()) return yield done('cancelled', count - 1);
    tokenId = sample(logits, at);
    const ended = sizes.endTokens.has(tokenId);
    const last = ended || count >= room;
    const { text: piece, stopped } = cutter.push(ended ? text.flush() : text.push(tokenId));
    const tail = last && !stopped ? flushed(ended ? '' : text.flush(), cutter) : '';
    yield { kind: 'token', text: piece + tail, tokenId };
    if (ended || stopped) return yield done('stop', count);
    if (last) return yield done('length', count);
  }
}

/** What is left at the end; a stop text may still end in it. */
function flushed(rest: string, cutter: ReturnType<typeof createStopCutter>): string {
  const { text, stopped } = cutter.push(rest);
  return stopped ? text : text + cutter.flush();
}

function promptTokens({ tokenizer, sizes }: LoadedModel, request: GenerateRequest): number[] {
  const { text, addSpecialTokens } = promptText(request, tokenizer.template, tokenizer.specialTokens);
  const exceeded = (facts: Record<string, number>) =>
    new CodedError('REQUEST_CONTEXT_EXCEEDED', "the request leaves no room for an answer in the model's context", {
      contextTokensMax: sizes.contextTokensMax,
      ...facts,
    });
  if (text.length > sizes.contextTokensMax * CHARACTERS_PER_TOKEN_MAX) throw exceeded({ characters: text.length });
  const ids = tokenizer.encode(text, addSpecialTokens);
  if (ids.length === 0) throw new CodedError('REQUEST_INVALID', 'the request has no text to go on from');
  if (ids.length >= sizes.contextTokensMax) throw exceeded({ tokensIn: ids.length });
  return ids;
}

function runtimeFailed(cause: unknown): never {
  throw new CodedError('ANSWER_FAILED', 'the runtime could not compute the next token', {}, { cause });
}
