import type { Bytes, CodedError } from '../core/index.ts';
import type { OpenRefusal, ResponsePart, RouterToWorker, ServeOpen } from '../session/index.ts';

/** One attached worker's control stream, as the router holds it. */
export type WorkerControl = Readonly<{ send(message: RouterToWorker): void; close(): void }>;

/** A message as it crosses the wire, its envelope included. Nobody between the two ends makes it anew. */
export type Wire = Uint8Array;

export type FromServe = ResponsePart | Readonly<{ kind: 'refused'; reason: OpenRefusal }>;
/** What an answer has but its frames. */
export type ServePart = Exclude<FromServe, { kind: 'frame' }>;

/** What the router sends over a Serve stream to begin one request. */
export type ServeRequest = Readonly<{
  open: ServeOpen;
  /** As the client sent them. */
  frames: readonly Wire[];
  dispatch: number;
  signature: Bytes;
}>;

/** Hears a Serve stream from its request on. */
export type ServeListener = Readonly<{
  /**
   * One frame: the bytes of `wire`, which is as good as in {@link ServeListener.part}, from `at` on.
   * @param isAlone nothing came with it, and no `pieceEnd` follows
   */
  frame(wire: Wire, at: number, isAlone: boolean): void;
  /** @param wire of this part; a view that is good until the call returns, like the part's own bytes */
  part(part: ServePart, wire: Wire): void;
  /** What came together has been told. */
  pieceEnd(): void;
  /** The worker half-closed (null), or the stream is cut (WORKER_GONE). Nothing comes after it. */
  ended(error: CodedError | null): void;
}>;

/** An idle stream that a worker keeps open so that a request needs no round trip to reach it. */
export type ServeLink = Readonly<{
  /** False once the stream is gone. */
  isOpen(): boolean;
  begin(request: ServeRequest, listener: ServeListener): void;
  /** The client wants no more: the worker ends its answer and signs for what it made. */
  stop(): void;
  /** HTTP/2's flow control reaches the worker: it waits for whoever does not read. */
  pause(): void;
  resume(): void;
  cancel(): void;
}>;

/** Takes an answer as it comes. */
export type AnswerWriter = Readonly<{
  /** @param mayWait a moment: what is left of the answer follows at once @returns false: no more until `drained` */
  write(wire: Wire, mayWait: boolean): boolean;
}>;

/** Where an answer goes. */
export type InferClient = Readonly<{
  answer: AnswerWriter;
  /** @param error null where the answer is whole */
  finish(error: unknown): void;
  pause(): void;
  resume(): void;
}>;

/** What a client goes on to say after its `open`. */
export type InferInput = Readonly<{
  /** @param frame a view into `wire`, which is kept and passed on */
  frame(frame: Bytes, wire: Wire): void;
  halfClosed(): void;
  /** The client wants the end and its receipt. */
  stop(): void;
  /** Nobody reads any more. */
  gone(): void;
  drained(): void;
}>;
