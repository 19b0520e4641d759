import { type Bytes, CodedError, fromUtf8, utf8 } from '../core/index.ts';

/** What a sealed chat request says, once open: UTF-8 JSON inside the AIS/1 request message. */
export type ChatPayload = Readonly<{
  messages: readonly Readonly<{ role: 'system' | 'user' | 'assistant' | 'tool'; content: string }>[];
  /** Text to go on from, instead of messages. */
  prompt?: string;
  maxTokens: number;
  temperature: number;
  topP: number;
  topK: number;
  seed?: number;
  stop: readonly string[];
}>;

const MESSAGES_MAX = 1024;
const STOP_MAX = 16;
const ROLES = new Set(['system', 'user', 'assistant', 'tool']);
const FIELDS = new Set(['v', 'messages', 'prompt', 'maxTokens', 'temperature', 'topP', 'topK', 'seed', 'stop']);

export function encodeChatPayload(payload: ChatPayload): Bytes {
  return utf8(JSON.stringify({ v: 1, ...payload }));
}

/** @throws CodedError REQUEST_MALFORMED naming the field, never its content */
export function parseChatPayload(message: Uint8Array): ChatPayload {
  const record = jsonRecord(message);
  for (const field of Object.keys(record)) if (!FIELDS.has(field)) throw malformed('unknown field');
  if (record.v !== 1) throw malformed('v');
  const { messages, prompt, stop } = record;
  if (!Array.isArray(messages) || messages.length > MESSAGES_MAX) throw malformed('messages');
  for (const item of messages as unknown[]) {
    const { role, content } = (item ?? {}) as Record<string, unknown>;
    if (typeof role !== 'string' || !ROLES.has(role) || typeof content !== 'string') throw malformed('messages');
  }
  if (prompt !== undefined && typeof prompt !== 'string') throw malformed('prompt');
  if ((messages.length === 0) === (prompt === undefined)) throw malformed('messages');
  if (!Array.isArray(stop) || stop.length > STOP_MAX || stop.some((s) => typeof s !== 'string'))
    throw malformed('stop');
  return {
    messages: messages as ChatPayload['messages'],
    ...(prompt === undefined ? {} : { prompt }),
    maxTokens: numberIn(record, 'maxTokens', 1, 1_000_000, true),
    temperature: numberIn(record, 'temperature', 0, 2, false),
    topP: numberIn(record, 'topP', 0, 1, false),
    topK: numberIn(record, 'topK', 0, 1_000_000, true),
    ...(record.seed === undefined ? {} : { seed: numberIn(record, 'seed', 0, Number.MAX_SAFE_INTEGER, true) }),
    stop: stop as string[],
  };
}

/** One piece of the answer: the data message of a response frame. */
export function encodeChatDelta(text: string): Bytes {
  return utf8(JSON.stringify({ text }));
}

/** @throws CodedError REQUEST_MALFORMED */
export function parseChatDelta(message: Uint8Array): string {
  const { text } = jsonRecord(message);
  if (typeof text !== 'string') throw malformed('text');
  return text;
}

/** A sealed error message: a stable code and one sentence without content. */
export function encodeSealedError(code: string, message: string): Bytes {
  return utf8(JSON.stringify({ code, message }));
}

/** @throws CodedError REQUEST_MALFORMED */
export function parseSealedError(message: Uint8Array): { code: string; message: string } {
  const record = jsonRecord(message);
  if (typeof record.code !== 'string' || typeof record.message !== 'string') throw malformed('error');
  return { code: record.code.slice(0, 64), message: record.message.slice(0, 500) };
}

function jsonRecord(message: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(message, 'message'));
  } catch {
    throw malformed('json');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('json');
  return value as Record<string, unknown>;
}

function numberIn(record: Record<string, unknown>, field: string, least: number, most: number, whole: boolean): number {
  const value = record[field];
  if (typeof value !== 'number' || !(value >= least && value <= most) || (whole && !Number.isInteger(value))) {
    throw malformed(field);
  }
  return value;
}

function malformed(field: string): CodedError {
  return new CodedError('REQUEST_MALFORMED', `the request's ${field} is missing or wrong`, { field });
}
