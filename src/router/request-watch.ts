import { asCodedError, type SpanContext, type Tracer, toHex } from '../core/index.ts';
import type { Worker } from './fleet.ts';
import type { InferClient } from './links.ts';
import type { Meter } from './meter.ts';
import type { Usage } from './routing/index.ts';

/** Hears how one request goes, for metrics and traces; it changes nothing. */
export type RequestWatch = Readonly<{
  firstFrame(): void;
  /** It waits for a slot. @returns to be called when it does not any more */
  waits(): () => void;
  /** A worker is asked. @returns to be called with how that ended: null for a whole answer */
  asks(worker: Worker, dispatch: number): (error: unknown) => void;
  /** What a final receipt counts. */
  counted(usage: Usage): void;
}>;

const nothing = () => undefined;
export const NO_WATCH: RequestWatch = {
  firstFrame: nothing,
  waits: () => nothing,
  asks: () => nothing,
  counted: nothing,
};

type WatchDeps = Readonly<{
  meter: Meter;
  /** Null where nobody traces. */
  tracer: Tracer | null;
  /** A clock that never goes back. */
  seconds: () => number;
}>;

/**
 * @param parent the span of the client that it says it has; whoever says so decides nothing by it
 * @returns the watch, and the same client, whose end is seen
 */
export function watched(
  client: InferClient,
  { meter, tracer, seconds }: WatchDeps,
  parent: SpanContext | null,
): Readonly<{ watch: RequestWatch; client: InferClient }> {
  const started = seconds();
  const span = tracer?.start({ name: 'chrysalis.v1.Inference/Infer', kind: 'server', parent }) ?? null;
  span?.set({ 'rpc.system': 'grpc', 'rpc.service': 'chrysalis.v1.Inference', 'rpc.method': 'Infer' });
  const below = span?.context ?? null;
  return {
    client: {
      write: (wire) => client.write(wire),
      pause: () => client.pause(),
      resume: () => client.resume(),
      finish: (error) => {
        const code = error === null ? null : asCodedError(error).code;
        meter.requestEnded(seconds() - started, code);
        span?.end(code);
        client.finish(error);
      },
    },
    watch: {
      firstFrame: () => {
        meter.firstFrame(seconds() - started);
        span?.event('first frame');
      },
      waits: () => {
        const since = seconds();
        const waiting = tracer?.start({ name: 'wait for a slot', kind: 'internal', parent: below });
        return () => {
          meter.waited(seconds() - since);
          waiting?.end(null);
        };
      },
      asks: (worker, dispatch) => {
        if (span === null || tracer === null) return nothing;
        const asking = tracer.start({ name: 'dispatch', kind: 'client', parent: below });
        if (worker.admission !== null) asking.set({ 'chrysalis.worker.id': toHex(worker.admission.workerId) });
        asking.set({ 'chrysalis.dispatch.number': dispatch });
        if (worker.join !== null) span.set({ 'gen_ai.request.model': worker.join.modelName });
        return (error) => asking.end(error === null ? null : asCodedError(error).code);
      },
      counted: ({ tokensIn, tokensCached, tokensOut }) =>
        span?.set({
          'gen_ai.usage.input_tokens': tokensIn + tokensCached,
          'gen_ai.usage.cache_read.input_tokens': tokensCached,
          'gen_ai.usage.output_tokens': tokensOut,
        }),
    },
  };
}
