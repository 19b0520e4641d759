import { CodedError, createTracer, type FinishedSpan, type SpanAttributes, type Tracer } from '../../core/index.ts';
import type { Logger } from '../logger.ts';
import { VERSION } from '../version.ts';
import { systemRandomness } from './files.ts';

const SPANS_MAX = 8_192;
const BATCH_MAX = 512;
const SEND_EVERY_MS = 1_000;
const ANSWER_MS = 5_000;
/** How long a process that stops waits for what is left to be taken. */
const LEAVE_MS = 2_000;
const COMPLAIN_EVERY_MS = 60_000;

export type OpenedTraces = Readonly<{ tracer: Tracer; close(): Promise<void> }>;

/** As OTLP numbers them; 1 internal, 2 server, 3 client. */
const KIND = { internal: 1, server: 2, client: 3 } as const;
const STATUS_ERROR = 2;

/**
 * Spans to a collector by OTLP over HTTP, as JSON: at most 512 at a time and 8,192 waiting; what is more, and what a
 * collector does not take, is dropped and said once a minute. No request waits for it.
 * @param url of the collector; its path is /v1/traces unless it has one
 * @throws CodedError USAGE_INVALID
 */
export function openTraces(url: string, service: string, say: Logger, send: typeof fetch = fetch): OpenedTraces {
  const to = endpointOf(url);
  let waiting: FinishedSpan[] = [];
  let dropped = 0;
  let saidAt = Number.NEGATIVE_INFINITY;
  let sending: Promise<void> | null = null;
  const drop = (count: number) => {
    dropped += count;
    const now = performance.now();
    if (now - saidAt < COMPLAIN_EVERY_MS) return;
    saidAt = now;
    say('warn', 'spans-dropped', { count: dropped, message: `${to.origin} does not take spans` });
    dropped = 0;
  };
  const flush = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, BATCH_MAX);
      waiting = waiting.slice(BATCH_MAX);
      if (!(await post(send, to, encodeSpans(batch, service)))) drop(batch.length);
    }
  };
  const sendNow = (): Promise<void> => {
    sending ??= flush().finally(() => {
      sending = null;
    });
    return sending;
  };
  const timer = setInterval(() => void sendNow(), SEND_EVERY_MS);
  timer.unref();
  const keep = (span: FinishedSpan) => {
    if (waiting.length >= SPANS_MAX) drop(1);
    else waiting.push(span);
  };
  return {
    tracer: createTracer({ now: Date.now, randomness: systemRandomness, keep }),
    close: async () => {
      clearInterval(timer);
      const left = new Promise<void>((resolve) => setTimeout(resolve, LEAVE_MS).unref());
      await Promise.race([sendNow().then(sendNow), left]);
    },
  };
}

function endpointOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new CodedError('USAGE_INVALID', '--traces takes an http(s) URL without a password', { field: 'traces' });
  }
  if (url.pathname === '/') url.pathname = '/v1/traces';
  return url;
}

async function post(send: typeof fetch, to: URL, body: string): Promise<boolean> {
  try {
    const headers = { 'content-type': 'application/json' };
    const answer = await send(to, { method: 'POST', headers, body, signal: AbortSignal.timeout(ANSWER_MS) });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}

/** An ExportTraceServiceRequest in OTLP's JSON: ids in hexadecimal, times in nanoseconds as text. */
export function encodeSpans(spans: readonly FinishedSpan[], service: string): string {
  const resource = { attributes: [text('service.name', service), text('service.version', VERSION)] };
  const scopeSpans = [{ scope: { name: 'chrysalis', version: VERSION }, spans: spans.map(encodeSpan) }];
  return JSON.stringify({ resourceSpans: [{ resource, scopeSpans }] });
}

const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
const nanoseconds = (ms: number) => `${BigInt(Math.round(ms)) * 1_000_000n}`;

function encodeSpan(span: FinishedSpan) {
  const { traceId, spanId, parent, link, name, kind, startedAt, endedAt, attributes, events } = span;
  return {
    traceId,
    spanId,
    ...(parent === null ? {} : { parentSpanId: parent.spanId }),
    name,
    kind: KIND[kind],
    startTimeUnixNano: nanoseconds(startedAt),
    endTimeUnixNano: nanoseconds(endedAt),
    attributes: encodeAttributes(attributes),
    events: events.map((event) => ({ name: event.name, timeUnixNano: nanoseconds(event.at) })),
    links: link === null ? [] : [{ traceId: link.traceId, spanId: link.spanId }],
    status: attributes['error.type'] === undefined ? {} : { code: STATUS_ERROR },
  };
}

function encodeAttributes(attributes: SpanAttributes) {
  return Object.entries(attributes).map(([key, value]) =>
    typeof value === 'number' ? { key, value: { intValue: String(value) } } : text(key, value),
  );
}
