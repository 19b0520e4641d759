import { asCodedError } from '../../core/index.ts';
import type { VerifiedWorker } from '../api.ts';
import { type AnswerShape, Collected, type Done, event, type Head, requireWhole } from './answer-shape.ts';
import { errorBody } from './errors.ts';
import { answerFacts, usageFacts } from './facts.ts';

/** What of the request OpenAI's Responses API repeats in its answer. */
export type ResponsesEcho = Readonly<Record<string, unknown>>;

type Item = Readonly<Record<string, unknown>>;

/** Shape of `/v1/responses`. Nothing is stored: an answer can't be fetched again, and none goes on from another. */
export function responsesAnswer(head: Head, echo: ResponsesEcho): AnswerShape {
  const collected = new Collected();
  const messageId = `msg_${head.id.replace(/^resp_/, '')}`;
  let sequence = 0;
  let textBegun = false;
  const say = (type: string, more: object) => event({ type, sequence_number: sequence++, ...more }, type);
  const response = (status: string, output: readonly Item[], more: object = {}) => ({
    id: head.id,
    object: 'response',
    created_at: head.created,
    model: head.model,
    status,
    error: null,
    incomplete_details: null,
    output,
    ...echo,
    ...more,
  });
  const part = (text: string) => ({ type: 'output_text', text, annotations: [], logprobs: collected.logprobs });
  const message = (status: string): Item => ({
    id: messageId,
    type: 'message',
    status,
    role: 'assistant',
    content: status === 'in_progress' ? [] : [part(collected.text)],
  });
  const calls = (): Item[] =>
    collected.toolCalls.map(({ id, function: of }, i) => ({
      id: `fc_${i}_${head.id.replace(/^resp_/, '')}`,
      type: 'function_call',
      status: 'completed',
      call_id: id,
      name: of.name,
      arguments: of.arguments,
    }));
  const output = () => [...(collected.text !== '' || calls().length === 0 ? [message('completed')] : []), ...calls()];
  const ended = (worker: VerifiedWorker, done: Done) => {
    const cut = requireWhole(done) === 'length';
    return response(cut ? 'incomplete' : 'completed', output(), {
      incomplete_details: cut ? { reason: 'max_output_tokens' } : null,
      usage: responsesUsage(done),
      chrysalis: answerFacts(worker, done),
    });
  };
  const beginText = () => {
    textBegun = true;
    return (
      say('response.output_item.added', { output_index: 0, item: message('in_progress') }) +
      say('response.content_part.added', {
        item_id: messageId,
        output_index: 0,
        content_index: 0,
        part: { type: 'output_text', text: '', annotations: [], logprobs: [] },
      })
    );
  };
  const endText = () => {
    const at = { item_id: messageId, output_index: 0, content_index: 0 };
    return (
      say('response.output_text.done', { ...at, text: collected.text, logprobs: collected.logprobs }) +
      say('response.content_part.done', { ...at, part: part(collected.text) }) +
      say('response.output_item.done', { output_index: 0, item: message('completed') })
    );
  };
  const sayCalls = () => {
    const first = textBegun ? 1 : 0;
    return calls()
      .map((item, i) => {
        const at = { item_id: item.id, output_index: first + i };
        return (
          say('response.output_item.added', {
            output_index: first + i,
            item: { ...item, status: 'in_progress', arguments: '' },
          }) +
          say('response.function_call_arguments.delta', { ...at, delta: item.arguments }) +
          say('response.function_call_arguments.done', { ...at, arguments: item.arguments, name: item.name }) +
          say('response.output_item.done', { output_index: first + i, item })
        );
      })
      .join('');
  };
  return {
    opening: () =>
      say('response.created', { response: response('in_progress', []) }) +
      say('response.in_progress', { response: response('in_progress', []) }),
    piece(piece) {
      collected.add(piece);
      if (piece.kind !== 'text') return ''; // calls are told whole, at the end
      const begin = textBegun ? '' : beginText();
      const delta = { item_id: messageId, output_index: 0, content_index: 0, delta: piece.text };
      return begin + say('response.output_text.delta', { ...delta, logprobs: piece.logprobs ?? [] });
    },
    closing(worker, done) {
      const whole = ended(worker, done);
      const begin = textBegun || calls().length > 0 ? '' : beginText();
      const text = textBegun ? endText() : '';
      const type = whole.status === 'incomplete' ? 'response.incomplete' : 'response.completed';
      return begin + text + sayCalls() + say(type, { response: whole });
    },
    last: '',
    error: (thrown) => {
      const { message: words, type: _, ...more } = errorBody(asCodedError(thrown)).error;
      return say('error', { message: words, ...more });
    },
    whole: ended,
  };
}

function responsesUsage(done: Done) {
  const { prompt_tokens: input, completion_tokens: output, total_tokens: total } = usageFacts(done.usage);
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: done.usage.tokensCached },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: total,
  };
}
