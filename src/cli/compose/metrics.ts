import { createServer } from 'node:http';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Meter, RouterSnapshot } from '../../router/index.ts';
import { codedFromSystem } from '../output.ts';

const LATENCY_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const TOKEN_TIME_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1];
/** A key lives twelve minutes. */
const EPOCH_BUCKETS = [15, 30, 60, 120, 240, 360, 480, 600, 720, 900];
/** As OpenTelemetry advises. */
const TOKEN_BUCKETS = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576];
const JUDGEMENT_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5];

export type RouterMetrics = Readonly<{
  meter: Meter;
  /** Prometheus text of everything, with the router's present state. */
  text(snapshot: RouterSnapshot): Promise<string>;
}>;

/**
 * Metrics of one router under the names of OpenTelemetry's GenAI conventions where they exist. Labels are closed sets of
 * words: no key, tag, account or worker is one.
 */
export function createRouterMetrics(): RouterMetrics {
  const registry = new Registry();
  const gauges = gaugesIn(registry);
  return {
    meter: { ...requestMeter(registry), ...trustMeter(registry) },
    text: (snapshot) => {
      gauges(snapshot);
      return registry.metrics();
    },
  };
}

type Labels = readonly string[];
const makers = (registry: Registry) => {
  const common = (name: string, help: string, labels: Labels) => ({
    ...{ name, help, labelNames: [...labels] },
    registers: [registry],
  });
  return {
    histogram: (name: string, help: string, buckets: number[], labels: Labels = []) =>
      new Histogram({ ...common(name, help, labels), buckets }),
    counter: (name: string, help: string, labels: Labels) => new Counter(common(name, help, labels)),
    gauge: (name: string, help: string, labels: Labels = []) => new Gauge(common(name, help, labels)),
  };
};

type RequestMeter = Omit<Meter, keyof ReturnType<typeof trustMeter>>;

function requestMeter(registry: Registry): RequestMeter {
  const { histogram, counter } = makers(registry);
  const requests = histogram(
    'gen_ai_server_request_duration_seconds',
    'From the arrival of a request to the end of its answer, by error code; empty where it was answered whole',
    LATENCY_BUCKETS,
    ['error_type'],
  );
  const firstToken = histogram(
    'gen_ai_server_time_to_first_token_seconds',
    'From the arrival of a request to its first sealed frame',
    LATENCY_BUCKETS,
  );
  const perToken = histogram(
    'gen_ai_server_time_per_output_token_seconds',
    'Of an answer after its first sealed frame, for each token that its receipt counts',
    TOKEN_TIME_BUCKETS,
  );
  const tokens = histogram(
    'gen_ai_client_token_usage',
    'Tokens of a request that was answered whole, as its final receipt counts them',
    TOKEN_BUCKETS,
    ['gen_ai_token_type'],
  );
  const dispatch = histogram(
    'router_dispatch_seconds',
    'From when a request asks for a slot of a worker until it has one, or has none',
    LATENCY_BUCKETS,
  );
  const picks = counter('router_cache_route_picks_total', 'Dispatches, by where their prefix tags led', ['outcome']);
  const rejected = counter('router_requests_rejected_total', 'Requests that ended with an error, by code', ['reason']);
  return {
    requestEnded: (seconds, error) => {
      requests.observe({ error_type: error ?? '' }, seconds);
      if (error !== null) rejected.inc({ reason: error });
    },
    firstFrame: (seconds) => firstToken.observe(seconds),
    perToken: (seconds) => perToken.observe(seconds),
    waited: (seconds) => dispatch.observe(seconds),
    picked: (outcome) => picks.inc({ outcome }),
    answered: ({ tokensIn, tokensCached, tokensOut }) => {
      tokens.observe({ gen_ai_token_type: 'input' }, tokensIn + tokensCached);
      tokens.observe({ gen_ai_token_type: 'output' }, tokensOut);
    },
  };
}

/** What is checked: evidence, receipts, keys. */
function trustMeter(registry: Registry) {
  const { histogram, counter } = makers(registry);
  const judged = histogram(
    'attestation_verify_seconds',
    'Appraisals of evidence, by what came of them',
    JUDGEMENT_BUCKETS,
    ['outcome'],
  );
  const refused = counter('attestation_rejections_total', 'Checks that stood in the way of a worker, by name', [
    'outcome',
    'reason',
  ]);
  const cameBack = counter(
    'attestation_resumptions_total',
    'Workers that came back with a ticket, by what came of it: resumed, or why they had to prove themselves anew',
    ['outcome'],
  );
  const opened = counter('session_open_total', 'First requests of sessions, by key encapsulation and AIS/1 mode', [
    'suite',
    'mode',
  ]);
  const epochAge = histogram(
    'epoch_key_age_seconds',
    'Age of a worker’s epoch key when it was offered to a client',
    EPOCH_BUCKETS,
  );
  const receipts = counter('receipt_verify_failures_total', 'Receipts of workers that did not verify, by check', [
    'check',
  ]);
  return {
    evidenceJudged: (seconds, outcome, because) => {
      judged.observe({ outcome }, seconds);
      for (const reason of because) refused.inc({ outcome, reason });
    },
    cameBack: (outcome) => cameBack.inc({ outcome }),
    sessionOpened: (suite, mode) => opened.inc({ suite, mode: String(mode) }),
    epochAge: (seconds) => epochAge.observe(seconds),
    receiptRefused: (check) => receipts.inc({ check }),
  } satisfies Partial<Meter>;
}

/** The router's present state, set anew each time it is asked for. */
function gaugesIn(registry: Registry): (snapshot: RouterSnapshot) => void {
  const { gauge } = makers(registry);
  const workers = gauge('attestation_workers', 'Attached workers by state', ['state']);
  const inflight = gauge('router_backend_inflight', 'Requests that run at workers');
  const slots = gauge('router_backend_slots', 'Requests that may run at workers at the same time');
  const waiting = gauge('router_waiting', 'Requests that wait for a slot');
  const tokens = gauge('router_waiting_tokens', 'Tokens of the requests that wait, in and out, as far as can be told');
  const oldest = gauge('router_waiting_oldest_seconds', 'How long the oldest request has waited for a slot');
  const lag = gauge(
    'voucher_lag_nanoton',
    'Vouched for by clients and not claimed on chain, when it was looked at last',
  );
  const breakers = gauge('router_circuit_breakers', 'Breakers of workers by state', ['state']);
  const leaseEnds = gauge(
    'attestation_deadline_seconds',
    'Seconds to the first lease that ends; -1 where nobody serves',
  );
  return (snapshot) => {
    for (const [state, count] of Object.entries(snapshot.workers)) workers.set({ state }, count);
    for (const [state, count] of Object.entries(snapshot.breakers)) breakers.set({ state }, count);
    inflight.set(snapshot.running);
    lag.set(Number(snapshot.voucherLag));
    slots.set(snapshot.slots);
    waiting.set(snapshot.waiting);
    tokens.set(snapshot.waitingTokens);
    oldest.set(snapshot.oldestWaitMs / 1000);
    leaseEnds.set(snapshot.nextLeaseEndsInMs === null ? -1 : snapshot.nextLeaseEndsInMs / 1000);
  };
}

/** @property drain from here on it is not ready, whoever serves */
type MetricsServer = Readonly<{ port: number; drain(): void; close(): Promise<void> }>;

/**
 * `/metrics` for Prometheus, `/healthz` (this process answers) and `/readyz` (a worker serves) on 127.0.0.1.
 * @throws CodedError PORT_IN_USE
 */
export async function serveMetrics(
  metrics: RouterMetrics,
  snapshot: () => RouterSnapshot,
  port: number,
): Promise<MetricsServer> {
  let isDraining = false;
  const server = createServer((request, response) => {
    const answer = (status: number, body: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': type }).end(body);
    };
    if (request.method !== 'GET') return answer(405, 'GET only\n');
    if (request.url === '/healthz') return answer(200, 'ok\n');
    if (request.url === '/readyz') {
      if (isDraining) return answer(503, 'draining\n');
      const { workers } = snapshot();
      return workers.admitted > 0 ? answer(200, 'ready\n') : answer(503, 'no worker serves\n');
    }
    if (request.url !== '/metrics') return answer(404, 'there are /metrics, /healthz and /readyz\n');
    return void metrics.text(snapshot()).then(
      (text) => answer(200, text, 'text/plain; version=0.0.4; charset=utf-8'),
      () => answer(500, 'no metrics\n'),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(codedFromSystem(error)));
    server.listen(port, '127.0.0.1', resolve);
  });
  const bound = (server.address() as { port: number }).port;
  return {
    port: bound,
    drain: () => {
      isDraining = true;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
