import { CodedError, utf8 } from '../../core/index.ts';
import { type ChatDelta, type Finish, parseChatDelta, type TokenLogprob } from '../../session/index.ts';

/** One event of an OpenAI-compatible stream, as far as an engine needs it. */
export type UpstreamEvent = Readonly<{
  delta: ChatDelta | null;
  finish: Finish | null;
  usage: Readonly<{ tokensIn: number; tokensCached: number; tokensOut: number }> | null;
}>;

/** The longest line of a stream: one token's text, its log-probabilities, a piece of a call. */
const LINE_CHARACTERS_MAX = 1_048_576;

/** The data of server-sent events, one after the other, up to `[DONE]`. @throws CodedError ANSWER_FAILED */
export async function* dataLines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let held = '';
  let complete = false;
  const texts = (body as ReadableStream<BufferSource>).pipeThrough(new TextDecoderStream());
  for await (const text of texts) {
    held += text;
    for (let end = held.indexOf('\n'); end >= 0; end = held.indexOf('\n')) {
      const line = held.slice(0, end).replace(/\r$/, '');
      held = held.slice(end + 1);
      if (!line.startsWith('data:')) continue;
      const data = line.slice(5).trim();
      complete = data === '[DONE]';
      if (complete) return;
      yield data;
    }
    if (held.length > LINE_CHARACTERS_MAX) throw broken('a line without end');
  }
  throw broken('the stream ended before it was done');
}

export function broken(why: string): CodedError {
  return new CodedError('ANSWER_FAILED', `the engine's server: ${why}`);
}

/** @throws CodedError ANSWER_FAILED for what is no event of such a stream, or an error in it */
export function upstreamEvent(data: string): UpstreamEvent {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    throw broken('an event that is not JSON');
  }
  const { choices, usage, error } = (value ?? {}) as { choices?: unknown; usage?: unknown; error?: unknown };
  if (error !== undefined && error !== null) throw broken('an error within the stream');
  const choice = Array.isArray(choices) ? (choices[0] as Choice | undefined) : undefined;
  return {
    delta: choice === undefined ? null : deltaOf(choice),
    finish: choice?.finish_reason == null ? null : finishOf(choice.finish_reason),
    usage: usageOf(usage),
  };
}

type Choice = Readonly<{
  delta?: Readonly<{ content?: unknown; tool_calls?: unknown }> | null;
  text?: unknown;
  logprobs?: unknown;
  finish_reason?: unknown;
}>;

/** Checked by the very reader that the client will use: what it would refuse never leaves. */
function deltaOf(choice: Choice): ChatDelta | null {
  const text = choice.delta?.content ?? choice.text ?? undefined;
  const calls = choice.delta?.tool_calls ?? undefined;
  const logprobs = logprobsOf(choice.logprobs);
  const hasCalls = Array.isArray(calls) && calls.length > 0;
  if ((text === undefined || text === '') && !hasCalls && logprobs === null) return null;
  const delta = {
    ...(text === undefined ? {} : { text }),
    ...(logprobs === null ? {} : { logprobs }),
    ...(hasCalls ? { toolCalls: calls.map(withoutNulls) } : {}),
  };
  try {
    return parseChatDelta(utf8(JSON.stringify(delta)));
  } catch {
    throw broken('a piece of an answer in a shape of its own');
  }
}

function withoutNulls(call: unknown): object {
  const { index, id, type, function: of } = (call ?? {}) as Record<string, unknown>;
  const { name, arguments: given } = (of ?? {}) as Record<string, unknown>;
  const kept = (fields: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));
  return { ...kept({ index, id, type }), function: kept({ name, arguments: given }) };
}

/** Chat's list of tokens, or the older shape's parallel lists. */
function logprobsOf(value: unknown): readonly TokenLogprob[] | null {
  if (typeof value !== 'object' || value === null) return null;
  const { content, tokens, token_logprobs: logprobs, top_logprobs: tops } = value as Record<string, unknown>;
  if (Array.isArray(content)) return content as TokenLogprob[];
  if (!Array.isArray(tokens) || !Array.isArray(logprobs)) return null;
  return tokens.map((token, i) => ({
    token: token as string,
    logprob: logprobs[i] as number,
    bytes: null,
    top_logprobs: Object.entries((Array.isArray(tops) ? tops[i] : null) ?? {}).map(([other, logprob]) => ({
      token: other,
      logprob: logprob as number,
      bytes: null,
    })),
  }));
}

function finishOf(reason: unknown): Finish {
  return reason === 'length' ? 'length' : 'stop';
}

function usageOf(value: unknown): UpstreamEvent['usage'] {
  if (typeof value !== 'object' || value === null) return null;
  const {
    prompt_tokens: input,
    completion_tokens: output,
    prompt_tokens_details: details,
  } = value as {
    prompt_tokens?: unknown;
    completion_tokens?: unknown;
    prompt_tokens_details?: { cached_tokens?: unknown } | null;
  };
  const count = (number: unknown): number => {
    if (Number.isInteger(number) && (number as number) >= 0 && (number as number) < 2 ** 32) return number as number;
    throw broken('a usage that is no count');
  };
  const cached = details?.cached_tokens == null ? 0 : count(details.cached_tokens);
  // AIS/1 counts cached input apart from the rest.
  return { tokensIn: Math.max(0, count(input) - cached), tokensCached: cached, tokensOut: count(output ?? 0) };
}
