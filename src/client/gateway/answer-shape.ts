import { asCodedError, CodedError } from '../../core/index.ts';
import type { ChatEvent, TokenLogprob, ToolCall, VerifiedWorker } from '../api.ts';
import { PaidFailure } from '../tab.ts';
import { errorBody } from './errors.ts';

export type Done = Extract<ChatEvent, { kind: 'done' }>;
/** What an answer is made of. */
export type Piece = Extract<ChatEvent, { kind: 'text' | 'toolCalls' }>;

export type Head = Readonly<{
  id: string;
  /** Seconds since 1970. */
  created: number;
  model: string;
  /** Of a stream: whether its usage was asked for. */
  includeUsage: boolean;
}>;

/**
 * One of OpenAI's shapes for one answer, streamed or whole. It is fed each piece once, in order: `piece` gives what a
 * stream says of it, and `whole` the object over all of them.
 */
export type AnswerShape = Readonly<{
  opening(): string;
  piece(piece: Piece): string;
  /** @throws CodedError ANSWER_INCOMPLETE for an answer that was cut off */
  closing(worker: VerifiedWorker, done: Done): string;
  /** After everything, once the answer was also paid for. */
  last: string;
  error(thrown: unknown): string;
  /** @throws CodedError ANSWER_INCOMPLETE */
  whole(worker: VerifiedWorker, done: Done): object;
}>;

export function event(data: unknown, name?: string): string {
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`;
}

/** An error after the head was sent: OpenAI clients throw it; nothing follows. */
export function errorEvent(thrown: unknown): string {
  return event(errorBody(asCodedError(thrown)));
}

/** @throws CodedError ANSWER_INCOMPLETE for an answer that was cut off */
export function requireWhole(done: Done): 'stop' | 'length' {
  if (done.finish === 'stop' || done.finish === 'length') return done.finish;
  const early = new CodedError('ANSWER_INCOMPLETE', `the worker ended the answer early (${done.finish})`);
  throw new PaidFailure(early, [...done.earlier, done.receipt]);
}

export type WholeToolCall = { id: string; type: 'function'; function: { name: string; arguments: string } };

/** Puts together what came in pieces. */
export class Collected {
  text = '';
  readonly logprobs: TokenLogprob[] = [];
  readonly #calls = new Map<number, WholeToolCall>();

  add(piece: Piece): void {
    if (piece.kind === 'text') {
      this.text += piece.text;
      this.logprobs.push(...(piece.logprobs ?? []));
    } else for (const call of piece.toolCalls) this.#addCall(call);
  }

  #addCall(call: ToolCall): void {
    const index = call.index ?? this.#calls.size;
    const known = this.#calls.get(index) ?? { id: '', type: 'function', function: { name: '', arguments: '' } };
    known.id ||= call.id ?? '';
    known.function.name += call.function?.name ?? '';
    known.function.arguments += call.function?.arguments ?? '';
    this.#calls.set(index, known);
  }

  get toolCalls(): readonly WholeToolCall[] {
    return [...this.#calls].sort(([a], [b]) => a - b).map(([, call]) => call);
  }
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
