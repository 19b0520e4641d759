import { type Bytes, utf8 } from '../core/index.ts';
import { type JsonRecord, jsonRecord, malformed, numberIn, onlyFields, recordOf } from './payload-json.ts';

/** A part of a message: text, or an image as a `data:` URL. */
export type ContentPart =
  | Readonly<{ type: 'text'; text: string }>
  | Readonly<{ type: 'image_url'; image_url: Readonly<{ url: string; detail?: 'auto' | 'low' | 'high' }> }>;

/** A call of a tool as OpenAI's API shapes it; in a stream the pieces of one call share its index. */
export type ToolCall = Readonly<{
  index?: number;
  id?: string;
  type?: 'function';
  function?: Readonly<{ name?: string; arguments?: string }>;
}>;

export type ChatMessage = Readonly<{
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string | readonly ContentPart[];
  toolCalls?: readonly ToolCall[];
  /** Of a message of role `tool`: the call that it answers. */
  toolCallId?: string;
}>;

/** A function that the model may call; its parameters are a JSON Schema. */
export type Tool = Readonly<{
  type: 'function';
  function: Readonly<{ name: string; description?: string; parameters?: object; strict?: boolean }>;
}>;
export type ToolChoice = 'none' | 'auto' | 'required' | Readonly<{ type: 'function'; function: { name: string } }>;
export type ResponseFormat =
  | Readonly<{ type: 'text' | 'json_object' }>
  | Readonly<{ type: 'json_schema'; json_schema: Readonly<{ name: string; schema?: object; strict?: boolean }> }>;

/** What a sealed chat request says, once open: UTF-8 JSON inside the AIS/1 request message, with `"v":1`. */
export type ChatPayload = Readonly<{
  messages: readonly ChatMessage[];
  /** Text to go on from, instead of messages. */
  prompt?: string;
  /** Text that the answer to `messages` has already: not repeated, gone on from. */
  prefix?: string;
  /** Tokens to generate at most, ≥ 1; the model's context may end the answer earlier. */
  maxTokens: number;
  /** 0 is greedy: the same request gives the same tokens. */
  temperature: number;
  /** Nucleus: the likeliest tokens that together reach this share; 1 is all of them, 0 the likeliest alone. */
  topP: number;
  /** Only the k likeliest tokens; 0 is all of them. */
  topK: number;
  /** The same seed, request and model give the same tokens. Without it the randomness is fresh. */
  seed?: number;
  /** The answer ends before the first of these texts; it is not part of the answer. */
  stop: readonly string[];
  /** With each token its log-probability, and so many of the likeliest others: 0 to 20. */
  logprobs?: number;
  /** Taken from the logit of a token that the answer has: once, and once for each time. -2 to 2. */
  presencePenalty?: number;
  frequencyPenalty?: number;
  /** Added to the logits of these tokens, by token id in decimal: -100 to 100 each. */
  logitBias?: Readonly<Record<string, number>>;
  tools?: readonly Tool[];
  toolChoice?: ToolChoice;
  responseFormat?: ResponseFormat;
  /**
   * Of whoever asks, mixed into the keys of the engine's prefix cache: prompts kept for later are shared within one salt
   * alone (AIS/1 section 11). 32 bytes in base64.
   */
  cacheSalt?: string;
}>;

const MESSAGES_MAX = 1024;
const PARTS_MAX = 256;
const STOP_MAX = 16;
const TOOLS_MAX = 128;
const BIASES_MAX = 1024;
const ROLES = new Set(['system', 'user', 'assistant', 'tool']);
const FIELDS = new Set([
  ...['v', 'messages', 'prompt', 'prefix', 'maxTokens', 'temperature', 'topP', 'topK', 'seed', 'stop', 'logprobs'],
  ...['presencePenalty', 'frequencyPenalty', 'logitBias', 'tools', 'toolChoice', 'responseFormat', 'cacheSalt'],
]);
const MESSAGE_FIELDS = new Set(['role', 'content', 'toolCalls', 'toolCallId']);

export function encodeChatPayload(payload: ChatPayload): Bytes {
  return utf8(JSON.stringify({ v: 1, ...payload }));
}

/** @throws CodedError REQUEST_MALFORMED naming the field, never its content */
export function chatPayloadOf(record: JsonRecord): ChatPayload {
  onlyFields(record, FIELDS);
  if (record.v !== 1) throw malformed('v');
  const { messages, prompt, prefix, stop } = record;
  if (!Array.isArray(messages) || messages.length > MESSAGES_MAX) throw malformed('messages');
  for (const item of messages as unknown[]) requireMessage(item);
  if (prompt !== undefined && typeof prompt !== 'string') throw malformed('prompt');
  if (prefix !== undefined && (typeof prefix !== 'string' || prompt !== undefined)) throw malformed('prefix');
  if ((messages.length === 0) === (prompt === undefined)) throw malformed('messages');
  if (!Array.isArray(stop) || stop.length > STOP_MAX || stop.some((s) => typeof s !== 'string'))
    throw malformed('stop');
  const optional = <Name extends string>(name: Name, least: number, most: number, whole: boolean) =>
    record[name] === undefined
      ? {}
      : ({ [name]: numberIn(record, name, least, most, whole) } as { [K in Name]: number });
  return {
    messages: messages as ChatMessage[],
    ...(prompt === undefined ? {} : { prompt }),
    ...(prefix === undefined ? {} : { prefix: prefix as string }),
    maxTokens: numberIn(record, 'maxTokens', 1, 1_000_000, true),
    temperature: numberIn(record, 'temperature', 0, 2, false),
    topP: numberIn(record, 'topP', 0, 1, false),
    topK: numberIn(record, 'topK', 0, 1_000_000, true),
    ...optional('seed', 0, Number.MAX_SAFE_INTEGER, true),
    stop: stop as string[],
    ...optional('logprobs', 0, 20, true),
    ...optional('presencePenalty', -2, 2, false),
    ...optional('frequencyPenalty', -2, 2, false),
    ...(record.logitBias === undefined ? {} : { logitBias: biasesOf(record.logitBias) }),
    ...(record.tools === undefined ? {} : { tools: toolsOf(record.tools) }),
    ...(record.toolChoice === undefined ? {} : { toolChoice: toolChoiceOf(record.toolChoice) }),
    ...(record.responseFormat === undefined ? {} : { responseFormat: formatOf(record.responseFormat) }),
    ...(record.cacheSalt === undefined ? {} : { cacheSalt: saltOf(record.cacheSalt) }),
  };
}

const SALT = /^[A-Za-z0-9+/]{43}=$/;

function saltOf(value: unknown): string {
  if (typeof value !== 'string' || !SALT.test(value)) throw malformed('cacheSalt');
  return value;
}

function requireMessage(item: unknown): void {
  const message = recordOf(item, 'messages');
  onlyFields(message, MESSAGE_FIELDS);
  const { role, content, toolCalls, toolCallId } = message;
  if (typeof role !== 'string' || !ROLES.has(role)) throw malformed('messages');
  if (typeof content !== 'string') {
    if (!Array.isArray(content) || content.length > PARTS_MAX || !content.every(isPart)) throw malformed('messages');
  }
  if (toolCalls !== undefined) toolCallsOf(toolCalls);
  if (toolCallId !== undefined && typeof toolCallId !== 'string') throw malformed('messages');
}

function isPart(value: unknown): value is ContentPart {
  const part = (value ?? {}) as { type?: unknown; text?: unknown; image_url?: { url?: unknown } | null };
  if (part.type === 'text') return typeof part.text === 'string';
  return part.type === 'image_url' && typeof part.image_url?.url === 'string';
}

function toolCallsOf(value: unknown): ToolCall[] {
  if (!Array.isArray(value) || value.length > TOOLS_MAX) throw malformed('toolCalls');
  return value.map((item) => {
    const { index, id, type, function: called } = recordOf(item, 'toolCalls');
    const { name, arguments: given } = called === undefined ? {} : recordOf(called, 'toolCalls');
    const texts = [id, name, given].every((text) => text === undefined || typeof text === 'string');
    const indexed = index === undefined || (Number.isInteger(index) && (index as number) >= 0);
    if (!texts || !indexed || (type !== undefined && type !== 'function')) throw malformed('toolCalls');
    return item as ToolCall;
  });
}

function biasesOf(value: unknown): Record<string, number> {
  const entries = Object.entries(recordOf(value, 'logitBias'));
  const good = entries.every(
    ([id, bias]) => /^\d{1,9}$/.test(id) && typeof bias === 'number' && bias >= -100 && bias <= 100,
  );
  if (!good || entries.length > BIASES_MAX) throw malformed('logitBias');
  return value as Record<string, number>;
}

function toolsOf(value: unknown): Tool[] {
  if (!Array.isArray(value) || value.length > TOOLS_MAX) throw malformed('tools');
  for (const item of value) {
    const { type, function: of } = recordOf(item, 'tools');
    if (type !== 'function' || typeof recordOf(of, 'tools').name !== 'string') throw malformed('tools');
  }
  return value as Tool[];
}

function toolChoiceOf(value: unknown): ToolChoice {
  if (value === 'none' || value === 'auto' || value === 'required') return value;
  const { type, function: of } = recordOf(value, 'toolChoice');
  if (type !== 'function' || typeof recordOf(of, 'toolChoice').name !== 'string') throw malformed('toolChoice');
  return value as ToolChoice;
}

function formatOf(value: unknown): ResponseFormat {
  const { type, json_schema: schema } = recordOf(value, 'responseFormat');
  if (type === 'json_schema') {
    if (typeof recordOf(schema, 'responseFormat').name !== 'string') throw malformed('responseFormat');
  } else if (type !== 'text' && type !== 'json_object') throw malformed('responseFormat');
  return value as ResponseFormat;
}

/** One token's log-probability as OpenAI's API shapes it; `bytes` null where they are no text of their own. */
export type TokenLogprob = Readonly<{
  token: string;
  logprob: number;
  bytes: readonly number[] | null;
  top_logprobs: readonly Readonly<{ token: string; logprob: number; bytes: readonly number[] | null }>[];
}>;

/** One piece of the answer: the data message of a response frame. At least one field is there. */
export type ChatDelta = Readonly<{
  text?: string;
  logprobs?: readonly TokenLogprob[];
  toolCalls?: readonly ToolCall[];
}>;

export function encodeChatDelta(delta: ChatDelta): Bytes {
  return utf8(JSON.stringify(delta));
}

const DELTA_FIELDS = new Set(['text', 'logprobs', 'toolCalls']);
const LOGPROBS_MAX = 1024;

/** @throws CodedError REQUEST_MALFORMED */
export function parseChatDelta(message: Uint8Array): ChatDelta {
  const record = jsonRecord(message);
  onlyFields(record, DELTA_FIELDS);
  const { text, logprobs, toolCalls } = record;
  if (text === undefined && logprobs === undefined && toolCalls === undefined) throw malformed('delta');
  if (text !== undefined && typeof text !== 'string') throw malformed('text');
  if (logprobs !== undefined) requireLogprobs(logprobs);
  if (toolCalls !== undefined) toolCallsOf(toolCalls);
  return record as ChatDelta;
}

function requireLogprobs(value: unknown): void {
  if (!Array.isArray(value) || value.length > LOGPROBS_MAX) throw malformed('logprobs');
  for (const item of value) {
    const { top_logprobs: top } = requireLogprob(item);
    if (!Array.isArray(top) || top.length > 20) throw malformed('logprobs');
    for (const one of top) requireLogprob(one);
  }
}

function requireLogprob(value: unknown): JsonRecord {
  const record = recordOf(value, 'logprobs');
  const { token, logprob, bytes } = record;
  const isBytes = bytes === null || (Array.isArray(bytes) && bytes.every((byte) => Number.isInteger(byte)));
  if (typeof token !== 'string' || typeof logprob !== 'number' || !isBytes) throw malformed('logprobs');
  return record;
}

/** A sealed error message: a stable code, one sentence without content, and the field that is wrong. */
export type SealedError = Readonly<{ code: string; message: string; param?: string }>;

export function encodeSealedError({ code, message, param }: SealedError): Bytes {
  return utf8(JSON.stringify({ code, message, ...(param === undefined ? {} : { param }) }));
}

/** @throws CodedError REQUEST_MALFORMED */
export function parseSealedError(message: Uint8Array): SealedError {
  const { code, message: words, param } = jsonRecord(message);
  if (typeof code !== 'string' || typeof words !== 'string') throw malformed('error');
  const named = typeof param === 'string' ? { param: param.slice(0, 64) } : {};
  return { code: code.slice(0, 64), message: words.slice(0, 500), ...named };
}
