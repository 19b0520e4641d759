import { asCodedError, CodedError } from '../../core/index.ts';
import type { ChatEvent, VerifiedWorker } from '../api.ts';
import { errorBody } from './errors.ts';
import { answerFacts, usageFacts } from './facts.ts';

/** Which of the two OpenAI shapes an answer takes. */
export type Shape = 'chat' | 'completion';

export type Head = Readonly<{
  shape: Shape;
  /** `chatcmpl-…` or `cmpl-…`. */
  id: string;
  /** Seconds since 1970. */
  created: number;
  model: string;
  includeUsage: boolean;
}>;

type Done = Extract<ChatEvent, { kind: 'done' }>;

/** OpenAI's word for how it ended. @throws CodedError ANSWER_INCOMPLETE for an answer that was cut off */
function finishReason(done: Done): 'stop' | 'length' {
  if (done.finish === 'stop' || done.finish === 'length') return done.finish;
  throw new CodedError('ANSWER_INCOMPLETE', `the worker ended the answer early (${done.finish})`);
}

/** Headers that name what was verified, known before the first byte of the body. */
export function workerHeaders(worker: VerifiedWorker | null): Record<string, string> {
  if (worker === null) return {};
  return {
    'x-chrysalis-worker': worker.workerId,
    'x-chrysalis-evidence': worker.evidenceDigest,
    ...(worker.simulated ? { 'x-chrysalis-simulated': 'true' } : {}),
  };
}

/** The whole answer as one object. @throws CodedError ANSWER_INCOMPLETE */
export function wholeAnswer(head: Head, text: string, worker: VerifiedWorker, done: Done) {
  const finish = finishReason(done);
  const choice =
    head.shape === 'chat'
      ? {
          index: 0,
          message: { role: 'assistant', content: text, refusal: null },
          logprobs: null,
          finish_reason: finish,
        }
      : { index: 0, text, logprobs: null, finish_reason: finish };
  return {
    id: head.id,
    object: head.shape === 'chat' ? 'chat.completion' : 'text_completion',
    created: head.created,
    model: head.model,
    choices: [choice],
    usage: usageFacts(done.usage),
    chrysalis: answerFacts(worker, done.receipt),
  };
}

function chunk(head: Head, choices: readonly unknown[], more: Readonly<Record<string, unknown>> = {}): string {
  const object = head.shape === 'chat' ? 'chat.completion.chunk' : 'text_completion';
  const usage = head.includeUsage && !('usage' in more) ? { usage: null } : {};
  return `data: ${JSON.stringify({ id: head.id, object, created: head.created, model: head.model, choices, ...usage, ...more })}\n\n`;
}

function choiceOf(head: Head, text: string, finish: string | null): unknown {
  if (head.shape === 'completion') return { index: 0, text, logprobs: null, finish_reason: finish };
  return { index: 0, delta: finish === null ? { content: text } : {}, logprobs: null, finish_reason: finish };
}

/** The first chunk: the role, for chat; nothing for completions. */
export function openingChunk(head: Head): string {
  if (head.shape === 'completion') return '';
  return chunk(head, [{ index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }]);
}

export function textChunk(head: Head, text: string): string {
  return chunk(head, [choiceOf(head, text, null)]);
}

/**
 * The chunk with the finish reason, which carries the receipt in the extra field `chrysalis`, and the chunk with the
 * usage where it was asked for.
 * @throws CodedError ANSWER_INCOMPLETE
 */
export function closingChunks(head: Head, worker: VerifiedWorker, done: Done): string {
  const finish = finishReason(done);
  const last = chunk(head, [choiceOf(head, '', finish)], { chrysalis: answerFacts(worker, done.receipt) });
  return head.includeUsage ? last + chunk(head, [], { usage: usageFacts(done.usage) }) : last;
}

export const DONE_CHUNK = 'data: [DONE]\n\n';

/** An error after the head was sent: OpenAI clients throw it; no `[DONE]` follows. */
export function errorChunk(thrown: unknown): string {
  return `data: ${JSON.stringify(errorBody(asCodedError(thrown)))}\n\n`;
}
