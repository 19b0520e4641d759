import { z } from 'zod';
import type { ChatMessage } from '../api.ts';
import { contentOf } from './chat-request.ts';
import { invalid } from './errors.ts';
import {
  type Asked,
  checked,
  extrasOf,
  jsonSchema,
  model,
  name,
  samplingOf,
  temperature,
  tokens,
  topP,
} from './request.ts';
import type { ResponsesEcho } from './responses-answer.ts';

const ITEMS_MAX = 1_024;

const inputPart = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.enum(['input_text', 'output_text', 'text']), text: z.string() }),
    z.object({
      type: z.literal('input_image'),
      image_url: z.string(),
      detail: z.enum(['auto', 'low', 'high']).optional(),
    }),
  ],
  { error: 'must be input_text, output_text or input_image' },
);
const message = z.object({
  type: z.literal('message').optional(),
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: z.union([z.string(), z.array(inputPart)]),
});
const call = z.object({
  type: z.literal('function_call'),
  call_id: z.string(),
  name: z.string(),
  arguments: z.string(),
});
const result = z.object({ type: z.literal('function_call_output'), call_id: z.string(), output: z.string() });
const item = z.union([message, call, result], {
  error: 'must be a message, a function_call or a function_call_output',
});
const tool = z.object({
  type: z.literal('function', { error: 'only functions' }),
  name,
  description: z.string().nullish(),
  parameters: jsonSchema.nullish(),
  strict: z.boolean().nullish(),
});
const format = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({ type: z.literal('json_schema'), name, schema: jsonSchema, strict: z.boolean().nullish() }),
]);

export const responsesBody = z.object({
  model,
  input: z.union([z.string(), z.array(item).min(1).max(ITEMS_MAX)]),
  instructions: z.string().nullish(),
  max_output_tokens: tokens.nullish(),
  temperature,
  top_p: topP,
  top_logprobs: z.int().min(0).max(20).nullish(),
  stream: z.boolean().nullish(),
  store: z.boolean().nullish(),
  tools: z.array(tool).max(128).nullish(),
  tool_choice: z
    .union([z.enum(['none', 'auto', 'required']), z.object({ type: z.literal('function'), name })])
    .nullish(),
  text: z.object({ format: format.nullish() }).nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
});

type Item = z.infer<typeof item>;

function messageOf(from: Item, i: number): ChatMessage {
  if ('call_id' in from) {
    if (from.type === 'function_call_output') return { role: 'tool', content: from.output, toolCallId: from.call_id };
    const { name: named, arguments: given } = from;
    const calls = [{ id: from.call_id, type: 'function' as const, function: { name: named, arguments: given } }];
    return { role: 'assistant', content: '', toolCalls: calls };
  }
  const { role, content } = from;
  const parts =
    typeof content === 'string'
      ? content
      : content.map((one) =>
          one.type === 'input_image'
            ? {
                type: 'image_url' as const,
                image_url: { url: one.image_url, ...(one.detail === undefined ? {} : { detail: one.detail }) },
              }
            : { type: 'text' as const, text: one.text },
        );
  return { role: role === 'developer' ? 'system' : role, content: contentOf(parts, `input.${i}.content`) };
}

/** Body of `POST /v1/responses`. @throws CodedError REQUEST_INVALID, `facts.param` names the field */
export function parseResponsesBody(json: unknown): Asked & Readonly<{ echo: ResponsesEcho }> {
  const body = checked(responsesBody, json);
  if (body.store === true) throw invalid('store', 'nothing is stored: leave it out, or say false');
  const said = typeof body.input === 'string' ? [{ role: 'user' as const, content: body.input }] : body.input;
  const system: ChatMessage[] = body.instructions == null ? [] : [{ role: 'system', content: body.instructions }];
  const choice = body.tool_choice;
  const asked = body.text?.format;
  const request = {
    ...samplingOf({ model: body.model, temperature: body.temperature, top_p: body.top_p }, body.max_output_tokens),
    messages: [...system, ...said.map(messageOf)],
    ...(body.top_logprobs == null ? {} : { logprobs: body.top_logprobs }),
    ...extrasOf({
      tools: body.tools?.map(({ type: _, description, parameters, ...rest }) => ({
        ...rest,
        ...(description == null ? {} : { description }),
        ...(parameters == null ? {} : { parameters }),
      })),
      toolChoice:
        typeof choice === 'object' && choice !== null ? { type: 'function', function: { name: choice.name } } : choice,
      format:
        asked?.type === 'json_schema'
          ? { type: 'json_schema', json_schema: { name: asked.name, schema: asked.schema, strict: asked.strict } }
          : asked,
    }),
  };
  const echo = {
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    parallel_tool_calls: true,
    previous_response_id: null,
    store: false,
    temperature: body.temperature ?? 0,
    text: { format: asked ?? { type: 'text' } },
    tool_choice: choice ?? 'auto',
    tools: body.tools ?? [],
    top_p: body.top_p ?? 1,
    truncation: 'disabled',
  };
  return { request, stream: body.stream === true, includeUsage: true, echo };
}
