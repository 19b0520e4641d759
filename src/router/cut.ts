import type { CodedError } from '../core/index.ts';

/** What ends a wait before its time. As an AbortSignal, at a small part of its cost: each request has one. */
export class Cut {
  #listeners: (() => void)[] = [];
  #error: CodedError | null = null;

  /** Null until it fired. */
  get error(): CodedError | null {
    return this.#error;
  }

  /** The first one counts. */
  fire(error: CodedError): void {
    if (this.#error !== null) return;
    this.#error = error;
    const told = this.#listeners;
    this.#listeners = [];
    for (const listener of told) listener();
  }

  /** Not called where it has fired before: ask `error` first. @returns takes it back */
  on(listener: () => void): () => void {
    this.#listeners.push(listener);
    return () => {
      const place = this.#listeners.indexOf(listener);
      if (place >= 0) this.#listeners.splice(place, 1);
    };
  }
}
