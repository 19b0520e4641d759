import { CodedError } from '../../core/index.ts';
import type { AskOptions, ChatEvent, ChatRequest, Client, VerifiedWorker } from '../api.ts';
import { PaidFailure } from '../tab.ts';
import type { Done, Piece } from './answer-shape.ts';

/**
 * One request to the client SDK, read up to its first text so that its verdict is known before the HTTP head is sent.
 * After `done` it is read on to its end whoever went away, because the voucher for the answer comes last.
 */
export class Conversation {
  readonly #abort = new AbortController();
  readonly #events: AsyncIterator<ChatEvent>;
  #worker: VerifiedWorker | null = null;
  #ahead: Piece | null = null;
  readonly #spend: (amount: bigint) => void;
  #done: Done | null = null;
  #ended = false;

  /** @param spend told of what each receipt costs, also of an answer that failed, or that nobody reads any more */
  constructor(
    client: Client,
    request: ChatRequest,
    options: Omit<AskOptions, 'signal'>,
    spend: (amount: bigint) => void,
  ) {
    this.#spend = spend;
    this.#events = client.chat(request, { ...options, signal: this.#abort.signal })[Symbol.asyncIterator]();
  }

  /** Verified before anything was sent. @throws CodedError INVARIANT_BROKEN before it is known */
  get worker(): VerifiedWorker {
    if (this.#worker === null) throw new CodedError('INVARIANT_BROKEN', 'an answer without a verified worker');
    return this.#worker;
  }

  /** Null until the answer has ended. */
  get done(): Done | null {
    return this.#done;
  }

  /** Reads up to the first text or the end. @throws CodedError what the client refused or could not find out */
  async begin(): Promise<void> {
    this.#ahead = await this.#advance();
    void this.worker;
  }

  /** The next piece, null after the last; `done` is set then. */
  async next(): Promise<Piece | null> {
    const ahead = this.#ahead;
    this.#ahead = null;
    return ahead ?? (this.#done === null ? await this.#advance() : null);
  }

  /** Reads what follows: the voucher. Its failure does not touch an answer that was given. */
  async settle(): Promise<void> {
    while (!this.#ended) {
      const step = await this.#step().catch(() => null);
      if (step === null || step.done === true) this.#ended = true;
      else this.#note(step.value);
    }
  }

  /** Ends the answer, unless it is complete; what was made of it is read on to its receipt and paid. */
  cancel(): void {
    if (this.#done === null) this.#abort.abort();
    void this.settle();
  }

  async #step(): Promise<IteratorResult<ChatEvent, unknown>> {
    try {
      return await this.#events.next();
    } catch (thrown) {
      if (thrown instanceof PaidFailure) for (const { amount } of thrown.receipts) this.#spend(amount);
      throw thrown;
    }
  }

  /** What is known from an event, whoever reads it. */
  #note(event: ChatEvent): void {
    if (event.kind === 'worker') this.#worker = event.worker;
    if (event.kind !== 'done') return;
    this.#done = event;
    for (const { amount } of [...event.earlier, event.receipt]) this.#spend(amount);
  }

  async #advance(): Promise<Piece | null> {
    for (;;) {
      const step = await this.#step();
      if (step.done === true) {
        this.#ended = true;
        throw new CodedError('ANSWER_INCOMPLETE', 'the answer ended without its receipt');
      }
      const event = step.value;
      this.#note(event);
      if (
        event.kind === 'toolCalls' ||
        (event.kind === 'text' && (event.text !== '' || event.logprobs !== undefined))
      ) {
        return event;
      }
      if (event.kind === 'done') return null;
    }
  }
}
