import type { Bytes } from '../core/index.ts';
import type { OpenRefusal, ResponsePart, RouterToWorker, ServeOpen } from '../session/index.ts';

/** One attached worker's control stream, as the router holds it. */
export type WorkerControl = Readonly<{ send(message: RouterToWorker): void; close(): void }>;

/** What the router sends over a Serve stream. */
export type ToServe =
  | (Readonly<{ kind: 'open' }> & ServeOpen)
  | Readonly<{ kind: 'frame'; frame: Bytes }>
  | Readonly<{ kind: 'dispatch'; dispatch: number; signature: Bytes }>
  /** The client wants no more: the worker ends its answer and signs for what it made. */
  | Readonly<{ kind: 'stop' }>;

export type FromServe = ResponsePart | Readonly<{ kind: 'refused'; reason: OpenRefusal }>;

/** An idle stream that a worker keeps open so that a request needs no round trip to reach it. */
export type ServeLink = Readonly<{
  /** Resolves when the transport takes more: HTTP/2 flow control reaches the caller. */
  send(part: ToServe): Promise<void>;
  /** Ends when the worker half-closes; throws CodedError WORKER_GONE where the stream is cut. */
  parts: AsyncIterable<FromServe>;
  cancel(): void;
}>;
