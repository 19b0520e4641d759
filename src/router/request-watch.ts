import { asCodedError, type Bytes, type SpanContext, type Tracer, toHex } from '../core/index.ts';
import { parseHello, type SealedOpen } from '../session/index.ts';
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
  asks(worker: Worker, dispatch: number, picked: Picked): (error: unknown) => void;
  /** It is the first of its session. */
  opened(open: SealedOpen): void;
  /** What a final receipt counts. */
  counted(usage: Usage): void;
}>;

/** Where prefix tags led. */
export type Picked = Parameters<Meter['picked']>[0];

const nothing = () => undefined;
export const NO_WATCH: RequestWatch = {
  firstFrame: nothing,
  waits: () => nothing,
  asks: () => nothing,
  opened: nothing,
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
  let firstFrameAt: number | null = null;
  return {
    client: {
      answer: client.answer,
      pause: () => client.pause(),
      resume: () => client.resume(),
      finish: (error) => {
        const failed = error === null ? null : asCodedError(error);
        const code = failed?.code ?? null;
        meter.requestEnded(seconds() - started, code);
        if (code === 'RECEIPT_REFUSED') meter.receiptRefused(String(failed?.facts.check));
        span?.end(code);
        client.finish(error);
      },
    },
    watch: {
      firstFrame: () => {
        firstFrameAt = seconds();
        meter.firstFrame(firstFrameAt - started);
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
      asks: (worker, dispatch, picked) => {
        meter.picked(picked);
        if (span === null || tracer === null) return nothing;
        const asking = tracer.start({ name: 'dispatch', kind: 'client', parent: below });
        if (worker.admission !== null) asking.set({ 'chrysalis.worker.id': toHex(worker.admission.workerId) });
        asking.set({ 'chrysalis.dispatch.number': dispatch });
        if (worker.join !== null) span.set({ 'gen_ai.request.model': worker.join.modelName });
        return (error) => asking.end(error === null ? null : asCodedError(error).code);
      },
      opened: ({ hello, candidates }) => {
        const suite = candidates[0]?.enc.length === X_WING_ENC_BYTES ? 'x-wing' : 'x25519';
        const mode = modeOf(hello);
        if (mode !== null) meter.sessionOpened(suite, mode);
      },
      counted: ({ tokensIn, tokensCached, tokensOut }) => {
        if (firstFrameAt !== null && tokensOut > 0) meter.perToken((seconds() - firstFrameAt) / tokensOut);
        span?.set({
          'gen_ai.usage.input_tokens': tokensIn + tokensCached,
          'gen_ai.usage.cache_read.input_tokens': tokensCached,
          'gen_ai.usage.output_tokens': tokensOut,
        });
      },
    },
  };
}

/** Of an encapsulation with X-Wing (AIS/1, notation). */
const X_WING_ENC_BYTES = 1120;

/** Null for what is no Hello: its worker will say so. */
function modeOf(hello: Bytes): number | null {
  try {
    return parseHello(hello).mode;
  } catch {
    return null;
  }
}
