import { z } from 'zod';
import type { ChatMessage, ContentPart } from '../api.ts';
import { invalid } from './errors.ts';
import { requireImage } from './images.ts';
import {
  type Asked,
  checked,
  extrasOf,
  responseFormat,
  sampling,
  samplingOf,
  tokens,
  toolChoice,
  tools,
} from './request.ts';

const MESSAGES_MAX = 1_024;
const PARTS_MAX = 256;

const part = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('text'), text: z.string() }),
    z.object({
      type: z.literal('image_url'),
      image_url: z.object({ url: z.string(), detail: z.enum(['auto', 'low', 'high']).optional() }),
    }),
  ],
  { error: 'must be a text or an image_url part' },
);
const content = z.union([z.string(), z.array(part).max(PARTS_MAX)], {
  error: 'must be a string or an array of text and image_url parts',
});
const toolCall = z.object({
  id: z.string(),
  type: z.literal('function'),
  function: z.object({ name: z.string(), arguments: z.string() }),
});
const message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: content.nullish(),
  tool_calls: z.array(toolCall).nullish(),
  tool_call_id: z.string().nullish(),
});

export const chatBody = z.object({
  ...sampling,
  messages: z.array(message).min(1).max(MESSAGES_MAX),
  max_completion_tokens: tokens.nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  tools,
  tool_choice: toolChoice,
  response_format: responseFormat,
});
export const completionBody = z.object({
  ...sampling,
  prompt: z.union([z.string(), z.array(z.string()).length(1)], { error: 'must be one string' }),
  logprobs: z.int().min(0).max(5).nullish(),
});

type Part = z.infer<typeof part>;

/** Text alone is one string; images are looked at before they are sealed. */
export function contentOf(parts: string | readonly Part[], param: string): string | readonly ContentPart[] {
  if (typeof parts === 'string') return parts;
  if (parts.every((one) => one.type === 'text')) return parts.map((one) => one.text).join('');
  return parts.map((one, i): ContentPart => {
    if (one.type === 'text') return one;
    const { url, detail } = one.image_url;
    requireImage(url, `${param}.${i}.image_url.url`);
    return { type: 'image_url', image_url: { url, ...(detail === undefined ? {} : { detail }) } };
  });
}

function messageOf(from: z.infer<typeof message>, i: number): ChatMessage {
  const { role, content: given, tool_calls: calls, tool_call_id: answered } = from;
  if (given == null && (role !== 'assistant' || (calls ?? []).length === 0)) {
    throw invalid(`messages.${i}.content`, 'must be a string or an array of text and image_url parts');
  }
  if (calls != null && role !== 'assistant') throw invalid(`messages.${i}.tool_calls`, 'only of the assistant');
  if (role === 'tool' && answered == null) throw invalid(`messages.${i}.tool_call_id`, 'names the call it answers');
  return {
    role: role === 'developer' ? 'system' : role,
    content: contentOf(given ?? '', `messages.${i}.content`),
    ...(calls == null || calls.length === 0 ? {} : { toolCalls: calls }),
    ...(role !== 'tool' || answered == null ? {} : { toolCallId: answered }),
  };
}

/** Body of `POST /v1/chat/completions`. @throws CodedError REQUEST_INVALID, `facts.param` names the field */
export function parseChatBody(json: unknown): Asked {
  const body = checked(chatBody, json);
  if (body.top_logprobs != null && body.top_logprobs > 0 && body.logprobs !== true) {
    throw invalid('top_logprobs', 'needs logprobs to be true');
  }
  return {
    request: {
      ...samplingOf(body, body.max_completion_tokens ?? body.max_tokens),
      messages: body.messages.map(messageOf),
      ...(body.logprobs === true ? { logprobs: body.top_logprobs ?? 0 } : {}),
      ...extrasOf({
        tools: body.tools?.map((tool) => tool.function),
        toolChoice: body.tool_choice,
        format: body.response_format,
      }),
    },
    stream: body.stream === true,
    includeUsage: body.stream_options?.include_usage === true,
  };
}

/** Body of `POST /v1/completions`. @throws CodedError REQUEST_INVALID, `facts.param` names the field */
export function parseCompletionBody(json: unknown): Asked {
  const body = checked(completionBody, json);
  const prompt = typeof body.prompt === 'string' ? body.prompt : (body.prompt[0] as string);
  return {
    request: {
      ...samplingOf(body, body.max_tokens),
      messages: [],
      prompt,
      ...(body.logprobs == null ? {} : { logprobs: body.logprobs }),
    },
    stream: body.stream === true,
    includeUsage: body.stream_options?.include_usage === true,
  };
}
