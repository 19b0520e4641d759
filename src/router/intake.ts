import { type Bytes, CodedError } from '../core/index.ts';
import { type Header, RequestDigest, type SealedOpen } from '../session/index.ts';
import type { Cut } from './cut.ts';
import type { Wire } from './links.ts';

/** Until a request's authorization is verified, no more than this is taken of it. */
const EARLY_BYTES_MAX = 128 * 1024;

/** The frames of one request as they come, as many as its header says. */
export class Intake {
  readonly #header: Header;
  readonly #digest: RequestDigest;
  readonly #client: Readonly<{ pause(): void; resume(): void }>;
  readonly #cut: Cut;
  #frames: Wire[] = [];
  #complete: (() => void) | null = null;
  #early = true;
  #paused = false;

  constructor(
    of: Readonly<{ open: SealedOpen; header: Header; hash: Bytes }>,
    client: Readonly<{ pause(): void; resume(): void }>,
    cut: Cut,
  ) {
    this.#header = of.header;
    this.#digest = new RequestDigest(of.hash, of.open.commit);
    this.#client = client;
    this.#cut = cut;
  }

  get isComplete(): boolean {
    return this.#digest.sealedBytes === this.#header.sealedBytes;
  }

  /** As they came. */
  get frames(): readonly Wire[] {
    return this.#frames;
  }

  get requestDigest(): Bytes {
    return this.#digest.value;
  }

  frame(frame: Bytes, wire: Wire): void {
    if (this.#cut.error !== null) return;
    try {
      if (this.isComplete) throw malformed('a frame after the last one');
      this.#digest.push(frame);
      if (this.#digest.sealedBytes > this.#header.sealedBytes) throw malformed('more frames than the header says');
    } catch (error) {
      this.#cut.fire(error as CodedError);
      return;
    }
    this.#frames.push(wire);
    if (this.isComplete) this.#complete?.();
    else if (this.#early && this.#digest.sealedBytes > EARLY_BYTES_MAX) {
      this.#paused = true;
      this.#client.pause();
    }
  }

  halfClosed(): void {
    if (!this.isComplete) this.#cut.fire(malformed('fewer frames than the header says'));
  }

  /** Once the request may be taken in whole. @throws CodedError what cut it */
  async whole(): Promise<void> {
    this.#early = false;
    if (this.#paused) this.#client.resume();
    if (this.#cut.error === null && !this.isComplete) {
      await new Promise<void>((resolve) => {
        const uncut = this.#cut.on(resolve);
        this.#complete = () => {
          uncut();
          resolve();
        };
      });
    }
    if (this.#cut.error !== null) throw this.#cut.error;
  }

  /** The worker has it, and nobody else will be asked. */
  forget(): void {
    this.#frames = [];
  }
}

const malformed = (message: string) => new CodedError('REQUEST_MALFORMED', message);
