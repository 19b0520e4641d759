import { CodedError } from '../../core/index.ts';
import type { ContentPart } from '../../session/index.ts';
import type { Embeddings, EmbedRequest, Engine, GenerateEvent, GenerateRequest } from './engine.ts';
import { manifestOf } from './manifest.ts';
import { broken, dataLines, upstreamEvent } from './upstream-events.ts';
import type { WatchedModel } from './watched-model.ts';

export type UpstreamOptions = Readonly<{
  /** Of the server, up to and without `/v1`; on loopback, so that no prompt leaves the enclave. */
  url: string;
  /** The files that the server serves: their digests are in the evidence. */
  model: WatchedModel;
  /** As the server names it; its first model where this is left out. */
  modelId?: string;
  /** Prompt and answer together; needed where the server does not say. */
  contextTokensMax?: number;
  fetch: typeof fetch;
  /** Calls back each so many milliseconds until the returned function is called. */
  every: (ms: number, run: () => void) => () => void;
}>;

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);
const START_MS = 10_000;
const HEALTH_EVERY_MS = 5_000;
const HEALTH_MS = 2_000;
/** Looks that a server may miss before requests are turned away. */
const MISSES_MAX = 2;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/**
 * An engine that is another server on this machine, with OpenAI's API: vLLM, SGLang, TGI. Streams, usage, tools, JSON
 * schemas and log-probabilities pass through; a cancelled request closes the server's; its health and the files of its
 * model are watched.
 * @throws CodedError CONFIG_INVALID for a URL that is not on loopback, ENGINE_UNREACHABLE, MODEL_UNKNOWN
 */
export async function loadUpstreamEngine(options: UpstreamOptions): Promise<Engine> {
  const base = loopbackUrl(options.url);
  const ask = caller(base, options.fetch);
  const { id, contextTokensMax } = await servedModel(ask, options);
  const version = await ask
    .get('/version', START_MS)
    .then((answer) => String((answer as { version?: unknown }).version ?? 'unknown').slice(0, 64))
    .catch(() => 'unknown');
  const manifest = manifestOf(options.model.files, { name: 'openai-upstream', version }, { model: id });
  let misses = 0;
  let changed: CodedError | null = null;
  let closed = false;
  const stopWatching = options.every(HEALTH_EVERY_MS, () => {
    void ask.health().then((well) => {
      misses = well ? 0 : misses + 1;
    });
    options.model.check().catch((error: unknown) => {
      changed = error as CodedError;
    });
  });
  const trouble = (): CodedError | null => {
    if (closed) return new CodedError('ENGINE_UNREACHABLE', 'the engine is closed');
    if (changed !== null) return changed;
    return misses > MISSES_MAX ? new CodedError('ENGINE_UNREACHABLE', "the engine's server does not answer") : null;
  };
  const requireWell = (): void => {
    const found = trouble();
    if (found !== null) throw found;
  };
  return {
    modelId: id,
    manifest,
    contextTokensMax,
    trouble,
    async *generate(request, signal) {
      requireWell();
      yield* generate(ask, id, request, signal);
    },
    async embed(request, signal) {
      requireWell();
      return embed(ask, id, request, signal);
    },
    async close() {
      closed = true;
      stopWatching();
    },
  };
}

function loopbackUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'http:' || !LOOPBACK.has(url.hostname) || url.username !== '' || url.search !== '') {
    throw new CodedError('CONFIG_INVALID', 'the engine must be http:// on this machine: 127.0.0.1, localhost or [::1]');
  }
  return url.href.replace(/\/+$/, '').replace(/\/v1$/, '');
}

type Caller = ReturnType<typeof caller>;

function caller(base: string, fetchOf: typeof fetch) {
  const unreachable = (cause: unknown) =>
    new CodedError('ENGINE_UNREACHABLE', "the engine's server cannot be reached", {}, { cause });
  return {
    async get(path: string, ms: number): Promise<unknown> {
      const answer = await fetchOf(base + path, { signal: AbortSignal.timeout(ms), redirect: 'error' }).catch(
        (cause: unknown) => {
          throw unreachable(cause);
        },
      );
      if (!answer.ok) throw new CodedError('ENGINE_UNREACHABLE', `the engine's server answers ${answer.status}`);
      return answer.json().catch((cause: unknown) => {
        throw unreachable(cause);
      });
    },
    async health(): Promise<boolean> {
      try {
        const answer = await fetchOf(`${base}/health`, { signal: AbortSignal.timeout(HEALTH_MS), redirect: 'error' });
        await answer.body?.cancel();
        return answer.ok;
      } catch {
        return false;
      }
    },
    /** @throws CodedError as {@link refusal} has it */
    async post(path: string, body: object, signal: AbortSignal): Promise<Response> {
      const answer = await fetchOf(base + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        redirect: 'error',
        signal,
      }).catch((cause: unknown) => {
        throw unreachable(cause);
      });
      if (answer.ok && answer.body !== null) return answer;
      throw await refusal(answer);
    },
  };
}

/** What the server found wrong in a request is for whoever asked; what went wrong in it is not. */
async function refusal(answer: Response): Promise<CodedError> {
  const said = (await answer.json().catch(() => null)) as { error?: unknown; message?: unknown } | null;
  const error = (said?.error ?? said) as { message?: unknown; param?: unknown } | null;
  const words = typeof error?.message === 'string' ? error.message.slice(0, 300) : `HTTP ${answer.status}`;
  const param = typeof error?.param === 'string' ? { param: error.param } : {};
  if (answer.status === 400 || answer.status === 422 || answer.status === 404) {
    const tooLong = /context length|maximum.*tokens|max_model_len/i.test(words);
    return new CodedError(
      tooLong ? 'REQUEST_CONTEXT_EXCEEDED' : 'REQUEST_INVALID',
      `the engine refuses: ${words}`,
      param,
    );
  }
  return answer.status === 429 || answer.status === 503
    ? new CodedError('ENGINE_UNREACHABLE', 'the engine is overloaded')
    : broken(`HTTP ${answer.status}`);
}

async function servedModel(ask: Caller, options: UpstreamOptions) {
  const { data } = (await ask.get('/v1/models', START_MS)) as { data?: { id?: unknown; max_model_len?: unknown }[] };
  const models = Array.isArray(data) ? data : [];
  const found = models.find(({ id }) => options.modelId === undefined || id === options.modelId);
  if (typeof found?.id !== 'string' || found.id.length > 128) {
    throw new CodedError('MODEL_UNKNOWN', "the engine's server does not serve this model");
  }
  const context = options.contextTokensMax ?? found.max_model_len;
  if (!Number.isInteger(context) || (context as number) < 1) {
    throw new CodedError('CONFIG_INVALID', "the engine's server does not say how long its context is: give it");
  }
  return { id: found.id, contextTokensMax: context as number };
}

async function* generate(
  ask: Caller,
  model: string,
  request: GenerateRequest,
  signal: AbortSignal,
): AsyncGenerator<GenerateEvent> {
  const chat = request.prompt === undefined;
  let usage = { tokensIn: 0, tokensCached: 0, tokensOut: 0 };
  let counted = 0;
  let finish: 'stop' | 'length' | 'cancelled' | 'failed' | null = null;
  try {
    const path = chat ? '/v1/chat/completions' : '/v1/completions';
    const answer = await ask.post(
      path,
      { ...bodyOf(model, request), ...(chat ? chatOf(request) : completionOf(request)) },
      signal,
    );
    for await (const data of dataLines(answer.body as ReadableStream<Uint8Array>)) {
      const event = upstreamEvent(data);
      if (event.usage !== null) usage = event.usage;
      if (event.finish !== null) finish = event.finish;
      if (event.delta === null) continue;
      const tokens = tokensOf(event, counted, usage.tokensOut);
      counted += tokens;
      yield { kind: 'delta', delta: event.delta, tokens };
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    finish = 'cancelled';
  }
  if (finish === null) throw broken('an answer without its end');
  // A server that was cut off says no more: what came of it counts, a token for each piece at least.
  const tokensOut = finish === 'cancelled' ? Math.max(usage.tokensOut, counted) : usage.tokensOut;
  yield { kind: 'done', finish, ...usage, tokensOut };
}

/** Servers with continuous usage say so; others are counted by their pieces, or the log-probabilities in them. */
function tokensOf(event: ReturnType<typeof upstreamEvent>, counted: number, said: number): number {
  if (event.usage !== null && said > counted) return said - counted;
  return Math.max(1, event.delta?.logprobs?.length ?? 1);
}

function bodyOf(model: string, request: GenerateRequest): object {
  const set = (field: string, value: unknown) => (value === undefined ? {} : { [field]: value });
  return {
    model,
    stream: true,
    // vLLM tells with each piece how many tokens there were: a cancelled answer is counted exactly.
    stream_options: { include_usage: true, continuous_usage_stats: true },
    max_tokens: request.maxTokens,
    temperature: request.temperature,
    top_p: request.topP === 0 ? 1e-6 : request.topP,
    ...(request.topK > 0 ? { top_k: request.topK } : {}),
    ...set('seed', request.seed),
    ...(request.stop.length > 0 ? { stop: request.stop } : {}),
    ...set('presence_penalty', request.presencePenalty),
    ...set('frequency_penalty', request.frequencyPenalty),
    ...set('logit_bias', request.logitBias),
    ...set('cache_salt', request.cacheSalt),
  };
}

function completionOf(request: GenerateRequest): object {
  return { prompt: request.prompt, ...(request.logprobs === undefined ? {} : { logprobs: request.logprobs }) };
}

function chatOf(request: GenerateRequest): object {
  const messages: object[] = request.messages.map(({ role, content, toolCalls, toolCallId }) => ({
    role,
    content: content as string | readonly ContentPart[],
    ...(toolCalls === undefined ? {} : { tool_calls: toolCalls }),
    ...(toolCallId === undefined ? {} : { tool_call_id: toolCallId }),
  }));
  const begun = request.prefix ?? '';
  if (begun !== '') messages.push({ role: 'assistant', content: begun });
  return {
    messages,
    ...(begun === '' ? {} : { continue_final_message: true, add_generation_prompt: false }),
    ...(request.logprobs === undefined ? {} : { logprobs: true, top_logprobs: request.logprobs }),
    ...(request.tools === undefined ? {} : { tools: request.tools }),
    ...(request.toolChoice === undefined ? {} : { tool_choice: request.toolChoice }),
    ...(request.responseFormat === undefined ? {} : { response_format: request.responseFormat }),
  };
}

async function embed(ask: Caller, model: string, request: EmbedRequest, signal: AbortSignal): Promise<Embeddings> {
  const body = { model, input: request.texts, encoding_format: 'float' };
  const wanted = request.dimensions === undefined ? {} : { dimensions: request.dimensions };
  const answer = await ask.post('/v1/embeddings', { ...body, ...wanted }, signal).catch((error: unknown) => {
    const absent = error instanceof CodedError && /HTTP 404|HTTP 405|HTTP 501|Not Found/.test(error.message);
    if (!absent) throw error;
    throw new CodedError('REQUEST_UNSUPPORTED', 'input: this model gives no embeddings', { param: 'input' });
  });
  const length = Number(answer.headers.get('content-length') ?? 0);
  if (length > ANSWER_BYTES_MAX) throw broken('too long an answer');
  const { data, usage } = (await answer.json().catch(() => {
    throw broken('embeddings that are not JSON');
  })) as { data?: { index?: number; embedding?: unknown }[]; usage?: { prompt_tokens?: unknown } };
  const sorted = [...(Array.isArray(data) ? data : [])].sort((a, b) => (a.index ?? 0) - (b.index ?? 0));
  const vectors = sorted.map(({ embedding }) => {
    if (!Array.isArray(embedding) || embedding.length === 0 || embedding.some((one) => typeof one !== 'number')) {
      throw broken('an embedding that is no vector');
    }
    return embedding as number[];
  });
  if (vectors.length !== request.texts.length) throw broken('fewer embeddings than texts');
  const tokensIn = usage?.prompt_tokens;
  return { vectors, tokensIn: Number.isInteger(tokensIn) ? (tokensIn as number) : 0 };
}
