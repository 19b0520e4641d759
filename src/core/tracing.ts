import { toHex } from './bytes.ts';
import type { ErrorCode } from './errors.ts';
import type { Clock, Randomness } from './time.ts';

/** A span as W3C Trace Context names it: 16 and 8 bytes in lower-case hexadecimal, neither all zeros. */
export type SpanContext = Readonly<{ traceId: string; spanId: string }>;

/** Everything that a span can be called. */
export const SPAN_NAMES = [
  'chat',
  'embeddings',
  'chrysalis.v1.Inference/Infer',
  'wait for a slot',
  'dispatch',
] as const;
export type SpanName = (typeof SPAN_NAMES)[number];
/** Everything that can be said to have happened in one. */
export const SPAN_EVENTS = ['worker verified', 'first token', 'first frame'] as const;
export type SpanEvent = (typeof SPAN_EVENTS)[number];

const COUNT = /^\d{1,15}$/;
/**
 * Everything that a span may say, each with the form of its value: names of OpenTelemetry's GenAI and RPC conventions where
 * they exist. Nothing here can hold a prompt, an answer, a key, a session, a payment channel or an account.
 */
export const SPAN_ATTRIBUTES = {
  'gen_ai.operation.name': /^(chat|embeddings)$/,
  /** The name under which the router lists the model, not what the caller asked for in words of its own. */
  'gen_ai.request.model': /^[\p{L}\p{N} ._:@/+-]{1,64}$/u,
  'gen_ai.usage.input_tokens': COUNT,
  'gen_ai.usage.output_tokens': COUNT,
  'gen_ai.usage.cache_read.input_tokens': COUNT,
  'error.type': /^[A-Z][A-Z0-9_]{1,63}$/,
  'rpc.system': /^grpc$/,
  'rpc.service': /^chrysalis\.v1\.Inference$/,
  'rpc.method': /^Infer$/,
  /** Public: it stands in the transparency log. */
  'chrysalis.worker.id': /^[0-9a-f]{64}$/,
  'chrysalis.dispatch.number': COUNT,
} as const satisfies Record<string, RegExp>;
export type SpanAttribute = keyof typeof SPAN_ATTRIBUTES;
export type SpanAttributes = Readonly<Partial<Record<SpanAttribute, string | number>>>;

export type SpanKind = 'internal' | 'server' | 'client';
export type FinishedSpan = SpanContext &
  Readonly<{
    parent: SpanContext | null;
    /** Of another trace, kept on this side alone. */
    link: SpanContext | null;
    name: SpanName;
    kind: SpanKind;
    /** Milliseconds since 1970. */
    startedAt: number;
    endedAt: number;
    attributes: SpanAttributes;
    events: readonly Readonly<{ name: SpanEvent; at: number }>[];
  }>;

export type Span = Readonly<{
  context: SpanContext;
  /** What has not the form of its attribute is left out. */
  set(attributes: SpanAttributes): void;
  event(name: SpanEvent): void;
  /** Once. @param error why it failed, null where it did not */
  end(error: ErrorCode | null): void;
}>;

export type SpanStart = Readonly<{
  name: SpanName;
  kind: SpanKind;
  parent: SpanContext | null;
  link?: SpanContext | null;
}>;
export type Tracer = Readonly<{ start(of: SpanStart): Span; newContext(): SpanContext }>;

const EVENTS_MAX = 16;

/** @param deps.keep is given each span when it ends */
export function createTracer(
  deps: Readonly<{ now: Clock; randomness: Randomness; keep: (span: FinishedSpan) => void }>,
): Tracer {
  const id = (bytes: number): string => {
    const drawn = toHex(deps.randomness(bytes));
    return /[^0]/.test(drawn) ? drawn : id(bytes);
  };
  return {
    newContext: () => ({ traceId: id(16), spanId: id(8) }),
    start({ name, kind, parent, link = null }) {
      const context = { traceId: parent?.traceId ?? id(16), spanId: id(8) };
      const startedAt = deps.now();
      const attributes: Partial<Record<SpanAttribute, string | number>> = {};
      const events: { name: SpanEvent; at: number }[] = [];
      let ended = false;
      const set = (more: SpanAttributes) => {
        for (const [key, value] of Object.entries(more) as [SpanAttribute, string | number][]) {
          if (SPAN_ATTRIBUTES[key]?.test(String(value))) attributes[key] = value;
        }
      };
      return {
        context,
        set,
        event: (what) => {
          if (events.length < EVENTS_MAX) events.push({ name: what, at: deps.now() });
        },
        end: (error) => {
          if (ended) return;
          ended = true;
          if (error !== null) set({ 'error.type': error });
          deps.keep({ ...context, parent, link, name, kind, startedAt, endedAt: deps.now(), attributes, events });
        },
      };
    },
  };
}

/** A `traceparent` of version 00; null for anything else: what cannot be read is no parent. */
export function parseTraceparent(text: string | null | undefined): SpanContext | null {
  const [, traceId = '', spanId = ''] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/.exec(text ?? '') ?? [];
  return /[^0]/.test(traceId) && /[^0]/.test(spanId) ? { traceId, spanId } : null;
}

export function formatTraceparent({ traceId, spanId }: SpanContext): string {
  return `00-${traceId}-${spanId}-01`;
}
