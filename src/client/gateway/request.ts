import { z } from 'zod';
import { CodedError } from '../../core/index.ts';
import type { ChatMessage, ChatRequest } from '../api.ts';
import { invalid } from './errors.ts';

const MESSAGES_MAX = 1_024;
const PARTS_MAX = 256;
const STOPS_MAX = 4;
const STOP_CHARACTERS_MAX = 256;
const MODEL_CHARACTERS_MAX = 256;
/** What a person may ask for; a worker's own limit may be less. */
const TOKENS_MAX = 1_000_000;

const text = z.string();
const part = z.object({ type: z.literal('text', { error: 'only text parts are supported' }), text });
const content = z.union([text, z.array(part).max(PARTS_MAX)], { error: 'must be a string or an array of text parts' });
const message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content,
});
const tokens = z.int().min(1).max(TOKENS_MAX);
const stop = z.union([
  z.string().min(1).max(STOP_CHARACTERS_MAX),
  z.array(z.string().min(1).max(STOP_CHARACTERS_MAX)).max(STOPS_MAX),
]);

const sampling = {
  model: z.string().min(1).max(MODEL_CHARACTERS_MAX).optional(),
  max_tokens: tokens.nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(0).max(1_000_000).nullish(),
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).nullish(),
  stop: stop.nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  n: z.literal(1, { error: 'only 1 is supported' }).nullish(),
};

const chatBody = z.object({
  ...sampling,
  messages: z.array(message).min(1).max(MESSAGES_MAX),
  max_completion_tokens: tokens.nullish(),
});
const completionBody = z.object({
  ...sampling,
  prompt: z.union([text, z.array(text).length(1)], { error: 'must be one string' }),
});

/**
 * Parameters that would change the answer and that we don't have: refused unless they ask for what happens anyway.
 * Parameters in neither list are ignored, as other OpenAI-compatible servers do.
 */
const UNSUPPORTED: Readonly<Record<string, (value: unknown) => boolean>> = {
  tools: (value) => Array.isArray(value) && value.length === 0,
  functions: (value) => Array.isArray(value) && value.length === 0,
  tool_choice: (value) => value === 'none' || value === 'auto',
  function_call: (value) => value === 'none' || value === 'auto',
  logprobs: (value) => value === false || value === 0,
  top_logprobs: (value) => value === 0,
  logit_bias: (value) => typeof value === 'object' && value !== null && Object.keys(value).length === 0,
  presence_penalty: (value) => value === 0,
  frequency_penalty: (value) => value === 0,
  response_format: (value) => (value as { type?: unknown })?.type === 'text',
  modalities: (value) => Array.isArray(value) && value.length === 1 && value[0] === 'text',
  audio: () => false,
  echo: (value) => value === false,
  suffix: (value) => value === '',
  best_of: (value) => value === 1,
};

export type Asked = Readonly<{ request: ChatRequest; stream: boolean; includeUsage: boolean }>;

/** @throws CodedError REQUEST_INVALID */
export function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new CodedError('REQUEST_INVALID', 'the body is not JSON', {}, { cause });
  }
}

function checked<Out>(schema: z.ZodType<Out>, body: unknown): Out {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new CodedError('REQUEST_INVALID', 'the body is not a JSON object');
  }
  const read = schema.safeParse(body);
  if (!read.success) {
    const issue = read.error.issues[0];
    throw invalid(issue?.path.join('.') || 'body', issue?.message ?? 'invalid');
  }
  for (const [name, harmless] of Object.entries(UNSUPPORTED)) {
    const value = (body as Record<string, unknown>)[name];
    if (value !== undefined && value !== null && !harmless(value)) throw invalid(name, 'not supported');
  }
  return read.data;
}

type Sampling = z.infer<z.ZodObject<typeof sampling>>;

function samplingOf(body: Sampling, maxTokens: number | null | undefined): Omit<ChatRequest, 'messages'> {
  return {
    ...(body.model === undefined ? {} : { model: body.model }),
    ...(maxTokens == null ? {} : { maxTokens }),
    ...(body.temperature == null ? {} : { temperature: body.temperature }),
    ...(body.top_p == null ? {} : { topP: body.top_p }),
    ...(body.top_k == null ? {} : { topK: body.top_k }),
    ...(body.seed == null ? {} : { seed: body.seed }),
    ...(body.stop == null ? {} : { stop: typeof body.stop === 'string' ? [body.stop] : body.stop }),
  };
}

function asked(body: Sampling, request: ChatRequest): Asked {
  return { request, stream: body.stream === true, includeUsage: body.stream_options?.include_usage === true };
}

function messageOf(from: z.infer<typeof message>): ChatMessage {
  const whole = typeof from.content === 'string' ? from.content : from.content.map((one) => one.text).join('');
  return { role: from.role === 'developer' ? 'system' : from.role, content: whole };
}

/** Body of `POST /v1/chat/completions`. @throws CodedError REQUEST_INVALID, `facts.param` names the field */
export function parseChatBody(json: unknown): Asked {
  const body = checked(chatBody, json);
  const maxTokens = body.max_completion_tokens ?? body.max_tokens;
  return asked(body, { ...samplingOf(body, maxTokens), messages: body.messages.map(messageOf) });
}

/** Body of `POST /v1/completions`. @throws CodedError REQUEST_INVALID, `facts.param` names the field */
export function parseCompletionBody(json: unknown): Asked {
  const body = checked(completionBody, json);
  const prompt = typeof body.prompt === 'string' ? body.prompt : (body.prompt[0] as string);
  return asked(body, { ...samplingOf(body, body.max_tokens), messages: [], prompt });
}
