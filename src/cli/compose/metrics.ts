import { createServer } from 'node:http';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Meter, RouterSnapshot } from '../../router/index.ts';
import { codedFromSystem } from '../output.ts';

const LATENCY_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
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
  const registers = [new Registry()];
  const requests = new Histogram({
    name: 'gen_ai_server_request_duration_seconds',
    help: 'From the arrival of a request to the end of its answer, by error code; empty where it was answered whole',
    labelNames: ['error_type'],
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const firstToken = new Histogram({
    name: 'gen_ai_server_time_to_first_token_seconds',
    help: 'From the arrival of a request to its first sealed frame',
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const dispatch = new Histogram({
    name: 'router_dispatch_seconds',
    help: 'From when a request asks for a slot of a worker until it has one, or has none',
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const judged = new Histogram({
    name: 'attestation_verify_seconds',
    help: 'Appraisals of evidence, by what came of them',
    labelNames: ['outcome'],
    buckets: JUDGEMENT_BUCKETS,
    registers,
  });
  const tokens = new Histogram({
    name: 'gen_ai_client_token_usage',
    help: 'Tokens of a request that was answered whole, as its final receipt counts them',
    labelNames: ['gen_ai_token_type'],
    buckets: TOKEN_BUCKETS,
    registers,
  });
  const rejected = new Counter({
    name: 'router_requests_rejected_total',
    help: 'Requests that ended with an error, by code',
    labelNames: ['reason'],
    registers,
  });
  const workers = gauge('attestation_workers', 'Attached workers by state', ['state']);
  const inflight = gauge('router_backend_inflight', 'Requests that run at workers');
  const waiting = gauge('router_waiting', 'Requests that wait for a slot');
  const breakers = gauge('router_circuit_breakers', 'Breakers of workers by state', ['state']);
  const leaseEnds = gauge(
    'attestation_deadline_seconds',
    'Seconds to the first lease that ends; -1 where nobody serves',
  );

  function gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge {
    return new Gauge({ name, help, labelNames: [...labelNames], registers });
  }
  return {
    meter: {
      requestEnded: (seconds, error) => {
        requests.observe({ error_type: error ?? '' }, seconds);
        if (error !== null) rejected.inc({ reason: error });
      },
      firstFrame: (seconds) => firstToken.observe(seconds),
      waited: (seconds) => dispatch.observe(seconds),
      answered: ({ tokensIn, tokensCached, tokensOut }) => {
        tokens.observe({ gen_ai_token_type: 'input' }, tokensIn + tokensCached);
        tokens.observe({ gen_ai_token_type: 'output' }, tokensOut);
      },
      evidenceJudged: (seconds, outcome) => judged.observe({ outcome }, seconds),
    },
    text: (snapshot) => {
      for (const [state, count] of Object.entries(snapshot.workers)) workers.set({ state }, count);
      for (const [state, count] of Object.entries(snapshot.breakers)) breakers.set({ state }, count);
      inflight.set(snapshot.running);
      waiting.set(snapshot.waiting);
      leaseEnds.set(snapshot.nextLeaseEndsInMs === null ? -1 : snapshot.nextLeaseEndsInMs / 1000);
      return (registers[0] as Registry).metrics();
    },
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
