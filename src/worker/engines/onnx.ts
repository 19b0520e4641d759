import type { InferenceSession } from 'onnxruntime-node';
import { type Bytes, CodedError, type Randomness } from '../../core/index.ts';
import { ahead } from './ahead.ts';
import { BATCH_LIMITS, Batch, type BatchLimits, batchesExactly } from './batch.ts';
import { decoderGraph, type Runtime, Sequence, type StepRunner } from './decoder-graph.ts';
import type { Engine, GenerateRequest } from './engine.ts';
import { type GeneratingModel, generate } from './generation.ts';
import { modelManifest } from './manifest.ts';
import { type ModelFolder, readModelFiles } from './model-folder.ts';
import { createSharedSteps } from './shared-steps.ts';
import { jsonFile, loadTokenizer } from './tokenizer.ts';

export type OnnxEngineOptions = Readonly<{
  /** How requests name the model; the folder's name where it is left out. */
  modelId?: string;
  /** Seeds requests that bring no seed. */
  randomness: Randomness;
  /** Threads inside one operation; 1 repeats bit for bit on every machine of a kind. */
  intraOpNumThreads?: number;
  /** How many sequences run together, where the graph allows it. */
  batch?: BatchLimits;
}>;

export type OnnxEngine = Engine &
  Readonly<{ /** Whether concurrent requests share steps of the graph. */ batching: boolean }>;

const CONTEXT_TOKENS_MAX = 1_048_576;
/** Tokens that an answer may be ahead of whoever reads it. */
const AHEAD_TOKENS = 8;

/**
 * Loads a model in the Hugging Face ONNX layout with ONNX Runtime: `model.onnx` (or `onnx/model.onnx`) with inputs
 * `input_ids`, `attention_mask`, perhaps `position_ids`, and `past_key_values.*`; `tokenizer.json`; `config.json`.
 * The bytes that the manifest names are the bytes that run: each file is read once.
 * @throws CodedError MODEL_MISSING for an absent folder or file, MODEL_INVALID for one that cannot be used
 */
export async function loadOnnxEngine(folder: ModelFolder, options: OnnxEngineOptions): Promise<OnnxEngine> {
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
  let closed = false;
  const runs = countedRuns(session, () => closed);
  const graph = { ...decoderGraph(session, sizes), session: runs };
  const version = runtime.env.versions.node ?? runtime.env.versions.common;
  const manifest = modelManifest(contents, { name: 'onnxruntime', version }, { ...flags, executionProvider: 'cpu' });
  const exact = await batchesExactly(runtime, graph, sizes.contextTokensMax);
  const steps = exact
    ? createSharedSteps(
        runtime,
        graph,
        new Batch(runtime, graph, sizes.contextTokensMax, options.batch ?? BATCH_LIMITS),
      )
    : null;
  const model: GeneratingModel = {
    ...sizes,
    tokenizer,
    randomness: options.randomness,
    begin: async (lengthMax) => steps?.begin(lengthMax) ?? new Sequence(runtime, graph, lengthMax),
  };
  return {
    modelId: options.modelId ?? folder.name,
    manifest,
    contextTokensMax: sizes.contextTokensMax,
    batching: exact,
    generate: (request, signal) => {
      refuseUnsupported(request);
      return ahead(
        generate(model, request, () => signal.aborted || closed),
        AHEAD_TOKENS,
      );
    },
    embed: () => Promise.reject(unsupported('input', 'this model gives no embeddings')),
    close: async () => {
      if (closed) return;
      closed = true;
      await runs.ended();
      await session.release();
    },
  };
}

/** A session that starts no step once it is closed, and knows when the last one has ended. */
function countedRuns(session: InferenceSession, closed: () => boolean): StepRunner & { ended(): Promise<void> } {
  const running = new Set<Promise<unknown>>();
  return {
    run: (feeds, fetches) => {
      if (closed()) return Promise.reject(new CodedError('ANSWER_FAILED', 'the engine is closed'));
      const run = fetches === undefined ? session.run(feeds) : session.run(feeds, fetches);
      running.add(run);
      const over = () => running.delete(run);
      run.then(over, over);
      return run;
    },
    async ended() {
      await Promise.allSettled(running);
    },
  };
}

function unsupported(param: string, why: string): CodedError {
  return new CodedError('REQUEST_UNSUPPORTED', `${param}: ${why}`, { param });
}

/** What only an engine with constrained decoding or a model trained for tools can promise. */
function refuseUnsupported(request: GenerateRequest): void {
  if ((request.tools?.length ?? 0) > 0) throw unsupported('tools', 'this model was not trained to call tools');
  if (request.responseFormat !== undefined && request.responseFormat.type !== 'text') {
    throw unsupported('response_format', 'this engine cannot hold a model to a format');
  }
  if (request.messages.some(({ toolCalls }) => toolCalls !== undefined)) {
    throw unsupported('messages', 'this model was not trained to call tools');
  }
}

export async function loadRuntime(): Promise<Runtime> {
  // It reports to its maker otherwise: what it runs, and on what.
  process.env.ORT_DISABLE_TELEMETRY = '1';
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
