import { asCodedError, CodedError, takesItsPlace } from '../core/index.ts';
import type { AnswerReceipt } from './api.ts';

/** A request that failed after something of its answer had become payable: the error, and what was paid all the same. */
export class PaidFailure extends CodedError {
  /** The last payable receipt of each worker that answered, in their order. */
  readonly receipts: readonly AnswerReceipt[];

  constructor(cause: CodedError, receipts: readonly AnswerReceipt[]) {
    const paid = receipts.reduce((sum, { amount }) => sum + amount, 0n);
    const named = receipts.map(({ id }) => id).join(' ');
    super(cause.code, cause.message, { ...cause.facts, paid: paid.toString(), receipts: named }, { cause });
    this.receipts = receipts;
  }
}

/**
 * What the answers to one request come to (AIS/1 sections 7 and 8): of each worker that was asked the one receipt that is
 * payable, whether its answer came to its end, failed, or was cut. None is on it twice.
 */
export class Tab {
  #open: AnswerReceipt | null = null;
  readonly #closed: AnswerReceipt[] = [];

  /** Of the answers that are over. */
  get receipts(): readonly AnswerReceipt[] {
    return [...this.#closed];
  }

  /** A payable receipt of the answer under way was verified. */
  add(receipt: AnswerReceipt): void {
    if (takesItsPlace(receipt, this.#open)) this.#open = receipt;
  }

  /** The answer under way is over, however it ended. @returns what is to be kept and paid of it; null for nothing */
  close(): AnswerReceipt | null {
    const receipt = this.#open;
    this.#open = null;
    if (receipt !== null) this.#closed.push(receipt);
    return receipt;
  }

  /** What the caller is told of a failure. */
  failure(thrown: unknown): unknown {
    return this.#closed.length === 0 ? thrown : new PaidFailure(asCodedError(thrown), this.receipts);
  }
}
