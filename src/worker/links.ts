import type { Bytes } from '../core/index.ts';
import type { OpenRefusal, ResponsePart, RouterToWorker, ServeOpen, WorkerToRouter } from '../session/index.ts';

/** One request as it reaches the worker over a Serve stream. */
export type ServedRequest = ServeOpen &
  Readonly<{ frames: readonly Bytes[]; dispatch: number; dispatchSignature: Bytes }>;

export type ServePart = ResponsePart | Readonly<{ kind: 'refused'; reason: OpenRefusal }>;

/** A connection to one router. */
export type RouterLink = Readonly<{
  send(message: WorkerToRouter): void;
  /** Ends when the router closes; throws CodedError ROUTER_UNREACHABLE where the connection is lost. */
  messages: AsyncIterable<RouterToWorker>;
  /**
   * Keeps `spare` idle Serve streams open under a lease and calls `serve` for each request that arrives; the parts it
   * yields go back in order. `signal` fires when the router or its client cancels.
   */
  serve(
    lease: Bytes,
    spare: number,
    serve: (request: ServedRequest, signal: AbortSignal) => AsyncIterable<ServePart>,
  ): void;
  close(): void;
}>;
