import { z } from 'zod';
import { CodedError } from '../../core/index.ts';
import type { ChatRequest, ToolChoice } from '../api.ts';
import { invalid } from './errors.ts';

/** What the bodies of OpenAI's paths have in common; each path's own schema is in a file of its own. */
const STOPS_MAX = 4;
const STOP_CHARACTERS_MAX = 256;
const MODEL_CHARACTERS_MAX = 256;
const TOOLS_MAX = 128;
const BIASES_MAX = 1_024;
/** What a person may ask for; a worker's own limit may be less. */
const TOKENS_MAX = 1_000_000;

export const tokens = z.int().min(1).max(TOKENS_MAX);
const stop = z.union([
  z.string().min(1).max(STOP_CHARACTERS_MAX),
  z.array(z.string().min(1).max(STOP_CHARACTERS_MAX)).max(STOPS_MAX),
]);
export const model = z.string().min(1).max(MODEL_CHARACTERS_MAX).optional();
export const temperature = z.number().min(0).max(2).nullish();
export const topP = z.number().gt(0).max(1).nullish();

export const sampling = {
  model,
  max_tokens: tokens.nullish(),
  temperature,
  top_p: topP,
  top_k: z.int().min(0).max(1_000_000).nullish(),
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).nullish(),
  stop: stop.nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  n: z.literal(1, { error: 'only 1 is supported' }).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: z
    .record(z.string().regex(/^\d{1,9}$/, 'must be a token id'), z.number().min(-100).max(100))
    .refine((biases) => Object.keys(biases).length <= BIASES_MAX, `at most ${BIASES_MAX}`)
    .nullish(),
};

/** The name of a function or a schema, as OpenAI's API has it. */
export const name = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -');
export const jsonSchema = z.record(z.string(), z.unknown());
export const toolFunction = z.object({
  name,
  description: z.string().optional(),
  parameters: jsonSchema.optional(),
  strict: z.boolean().nullish(),
});
export const tools = z
  .array(z.object({ type: z.literal('function', { error: 'only functions' }), function: toolFunction }))
  .max(TOOLS_MAX)
  .nullish();
export const toolChoice = z
  .union([
    z.enum(['none', 'auto', 'required']),
    z.object({ type: z.literal('function'), function: z.object({ name }) }),
  ])
  .nullish();
export const responseFormat = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('text') }),
    z.object({ type: z.literal('json_object') }),
    z.object({
      type: z.literal('json_schema'),
      json_schema: z.object({
        name,
        description: z.string().optional(),
        schema: jsonSchema.optional(),
        strict: z.boolean().nullish(),
      }),
    }),
  ])
  .nullish();

/**
 * Parameters that would change the answer and that we don't have: refused unless they ask for what happens anyway.
 * Parameters in neither list are ignored, as other OpenAI-compatible servers do.
 */
const UNSUPPORTED: Readonly<Record<string, (value: unknown) => boolean>> = {
  functions: (value) => Array.isArray(value) && value.length === 0,
  function_call: (value) => value === 'none' || value === 'auto',
  modalities: (value) => Array.isArray(value) && value.length === 1 && value[0] === 'text',
  audio: () => false,
  echo: (value) => value === false,
  suffix: (value) => value === '',
  best_of: (value) => value === 1,
  previous_response_id: () => false,
  conversation: () => false,
  background: (value) => value === false,
  web_search_options: () => false,
};

/** @throws CodedError REQUEST_INVALID */
export function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new CodedError('REQUEST_INVALID', 'the body is not JSON', {}, { cause });
  }
}

/** @throws CodedError REQUEST_INVALID, `facts.param` names the field */
export function checked<Out>(schema: z.ZodType<Out>, body: unknown): Out {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new CodedError('REQUEST_INVALID', 'the body is not a JSON object');
  }
  const read = schema.safeParse(body);
  if (!read.success) {
    const issue = read.error.issues[0];
    throw invalid(issue?.path.join('.') || 'body', issue?.message ?? 'invalid');
  }
  for (const [field, harmless] of Object.entries(UNSUPPORTED)) {
    const value = (body as Record<string, unknown>)[field];
    if (value !== undefined && value !== null && !harmless(value)) throw invalid(field, 'not supported');
  }
  return read.data;
}

/** One request, in the gateway's own words. */
export type Asked = Readonly<{ request: ChatRequest; stream: boolean; includeUsage: boolean }>;

type Sampling = z.infer<z.ZodObject<typeof sampling>>;

export function samplingOf(body: Sampling, maxTokens: number | null | undefined): Omit<ChatRequest, 'messages'> {
  const set = <Field extends string, Value>(field: Field, value: Value | null | undefined) =>
    value === null || value === undefined ? {} : ({ [field]: value } as { [F in Field]: Value });
  return {
    ...set('model', body.model),
    ...set('maxTokens', maxTokens),
    ...set('temperature', body.temperature),
    ...set('topP', body.top_p),
    ...set('topK', body.top_k),
    ...set('seed', body.seed),
    ...set('stop', typeof body.stop === 'string' ? [body.stop] : body.stop),
    ...set('presencePenalty', body.presence_penalty),
    ...set('frequencyPenalty', body.frequency_penalty),
    ...set('logitBias', body.logit_bias),
  };
}

type ToolFunction = z.infer<typeof toolFunction>;

/** What of tools and formats was asked for; null where OpenAI's API lets it be. */
export type Extras = Readonly<{
  tools?: readonly ToolFunction[] | null | undefined;
  toolChoice?: ToolChoice | null | undefined;
  format?: z.infer<typeof responseFormat>;
}>;

/** @throws CodedError REQUEST_INVALID where a tool is chosen and none is given */
export function extrasOf(of: Extras): Pick<ChatRequest, 'tools' | 'toolChoice' | 'responseFormat'> {
  const given = of.tools ?? [];
  const { toolChoice: choice, format } = of;
  const forced = typeof choice === 'object' && choice !== null ? choice.function.name : null;
  const missing = forced !== null && !given.some((tool) => tool.name === forced);
  if (missing || (choice === 'required' && given.length === 0)) throw invalid('tool_choice', 'no such tool is given');
  const withoutNull = ({ strict, description, parameters, name: named }: ToolFunction) => ({
    type: 'function' as const,
    function: {
      name: named,
      ...(description === undefined ? {} : { description }),
      ...(parameters === undefined ? {} : { parameters }),
      ...(strict == null ? {} : { strict }),
    },
  });
  return {
    ...(given.length === 0 ? {} : { tools: given.map(withoutNull) }),
    ...(given.length === 0 || choice == null ? {} : { toolChoice: choice }),
    ...(format == null || format.type === 'text' ? {} : { responseFormat: formatOf(format) }),
  };
}

function formatOf(format: NonNullable<Extras['format']>): NonNullable<ChatRequest['responseFormat']> {
  if (format.type !== 'json_schema') return format;
  const { name: named, schema, strict } = format.json_schema;
  return {
    type: 'json_schema',
    json_schema: { name: named, ...(schema === undefined ? {} : { schema }), ...(strict == null ? {} : { strict }) },
  };
}
