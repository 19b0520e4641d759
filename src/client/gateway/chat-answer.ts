import type { TokenLogprob, VerifiedWorker } from '../api.ts';
import {
  type AnswerShape,
  Collected,
  type Done,
  errorEvent,
  event,
  type Head,
  type Piece,
  requireWhole,
} from './answer-shape.ts';
import { answerFacts, usageFacts } from './facts.ts';

/** Shapes of `/v1/chat/completions` and `/v1/completions`. */
const DONE_CHUNK = 'data: [DONE]\n\n';

type Choice = Readonly<Record<string, unknown>>;

function chunkOf(object: string, head: Head) {
  return (choices: readonly Choice[], more: Readonly<Record<string, unknown>> = {}): string => {
    const usage = head.includeUsage && !('usage' in more) ? { usage: null } : {};
    return event({ id: head.id, object, created: head.created, model: head.model, choices, ...usage, ...more });
  };
}

function closed(
  chunk: ReturnType<typeof chunkOf>,
  head: Head,
  choice: Choice,
  worker: VerifiedWorker,
  done: Done,
): string {
  const last = chunk([choice], { chrysalis: answerFacts(worker, done) });
  return head.includeUsage ? last + chunk([], { usage: usageFacts(done.usage) }) : last;
}

export function chatAnswer(head: Head): AnswerShape {
  const chunk = chunkOf('chat.completion.chunk', head);
  const collected = new Collected();
  const delta = (of: object, logprobs: unknown = null, finish: string | null = null): Choice => ({
    index: 0,
    delta: of,
    logprobs,
    finish_reason: finish,
  });
  const finishOf = (done: Done): string => {
    const finish = requireWhole(done);
    return finish === 'stop' && collected.toolCalls.length > 0 ? 'tool_calls' : finish;
  };
  return {
    opening: () => chunk([delta({ role: 'assistant', content: '' })]),
    piece(piece) {
      collected.add(piece);
      if (piece.kind === 'toolCalls') return chunk([delta({ tool_calls: piece.toolCalls })]);
      return chunk([delta({ content: piece.text }, chatLogprobs(piece.logprobs))]);
    },
    closing: (worker, done) => closed(chunk, head, delta({}, null, finishOf(done)), worker, done),
    last: DONE_CHUNK,
    error: errorEvent,
    whole(worker, done) {
      const { text, logprobs, toolCalls } = collected;
      const calls = toolCalls.length === 0 ? {} : { tool_calls: toolCalls };
      const content = text === '' && toolCalls.length > 0 ? null : text;
      return {
        id: head.id,
        object: 'chat.completion',
        created: head.created,
        model: head.model,
        choices: [
          {
            index: 0,
            message: { role: 'assistant', content, refusal: null, ...calls },
            logprobs: chatLogprobs(logprobs),
            finish_reason: finishOf(done),
          },
        ],
        usage: usageFacts(done.usage),
        chrysalis: answerFacts(worker, done),
      };
    },
  };
}

function chatLogprobs(logprobs: readonly TokenLogprob[] | undefined): unknown {
  return logprobs === undefined || logprobs.length === 0 ? null : { content: logprobs, refusal: null };
}

export function completionAnswer(head: Head): AnswerShape {
  const chunk = chunkOf('text_completion', head);
  const collected = new Collected();
  let offset = 0;
  const choice = (text: string, logprobs: unknown, finish: string | null): Choice => ({
    index: 0,
    text,
    logprobs,
    finish_reason: finish,
  });
  return {
    opening: () => '',
    piece(piece: Piece) {
      collected.add(piece);
      if (piece.kind !== 'text') return '';
      const logprobs = completionLogprobs(piece.logprobs ?? [], offset);
      offset += piece.text.length;
      return chunk([choice(piece.text, logprobs, null)]);
    },
    closing: (worker, done) => closed(chunk, head, choice('', null, requireWhole(done)), worker, done),
    last: DONE_CHUNK,
    error: errorEvent,
    whole: (worker, done) => ({
      id: head.id,
      object: 'text_completion',
      created: head.created,
      model: head.model,
      choices: [choice(collected.text, completionLogprobs(collected.logprobs, 0), requireWhole(done))],
      usage: usageFacts(done.usage),
      chrysalis: answerFacts(worker, done),
    }),
  };
}

/** The older shape: parallel lists. @param offset characters of the answer before these tokens */
function completionLogprobs(logprobs: readonly TokenLogprob[], offset: number): unknown {
  if (logprobs.length === 0) return null;
  let at = offset;
  const offsets = logprobs.map(({ token }) => {
    const here = at;
    at += token.length;
    return here;
  });
  return {
    tokens: logprobs.map(({ token }) => token),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top_logprobs: top }) =>
      Object.fromEntries(top.map((one) => [one.token, one.logprob])),
    ),
    text_offset: offsets,
  };
}
