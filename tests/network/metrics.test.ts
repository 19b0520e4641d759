import { expect, test } from 'vitest';
import { createRouterMetrics, serveMetrics } from '../../src/cli/compose/metrics.ts';
import { ask, echoEngine, startInProcess } from './in-process.ts';

const CANARY = 'xylophone-canary';
/** Every label that there is, and what it can be. */
const LABELS = {
  error_type: /^[A-Z_]*$/,
  reason: /^([A-Z_]+|[a-z]+\.[A-Za-z]+)$/,
  check: /^[A-Za-z]+$/,
  outcome: /^[a-z]+$/,
  state: /^[a-z-]+$/,
  suite: /^(x-wing|x25519)$/,
  mode: /^[012]$/,
  gen_ai_token_type: /^(input|output)$/,
  le: /^(\d+(\.\d+)?|\+Inf)$/,
};

test('a router counts what it does in closed labels: no prompt, key, worker or account is in them', async () => {
  const metrics = createRouterMetrics();
  const network = await startInProcess({ engine: echoEngine({ delayMs: 5 }), meter: metrics.meter });
  const server = await serveMetrics(metrics, network.router.snapshot, 0);
  try {
    const get = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
      return { status: response.status, text: await response.text() };
    };
    for (let i = 0; i < 3; i++) await ask(network.client, `${CANARY} ${i}`);
    const cancelled = new AbortController();
    const cut = ask(network.client, `${CANARY} ${'word '.repeat(60)}`, { signal: cancelled.signal });
    setTimeout(() => cancelled.abort(), 100);
    await cut.catch(() => undefined);
    expect(await get('/healthz')).toEqual({ status: 200, text: 'ok\n' });
    expect((await get('/readyz')).status).toBe(200);
    expect((await get('/elsewhere')).status).toBe(404);
    const { text } = await get('/metrics');
    expect(text).toMatch(/gen_ai_server_request_duration_seconds_count\{error_type=""\} [34]/);
    expect(text).toMatch(/gen_ai_server_time_to_first_token_seconds_count [34]/);
    expect(text).toMatch(/attestation_verify_seconds_count\{outcome="affirming"\} [1-9]/);
    expect(text).toContain('attestation_workers{state="admitted"} 1');
    expect(text).toMatch(/gen_ai_client_token_usage_count\{gen_ai_token_type="output"\} [34]/);
    expect(text).toMatch(/gen_ai_server_time_per_output_token_seconds_count [34]/);
    expect(text).toMatch(/session_open_total\{suite="x-wing",mode="1"\} [1-4]/);
    expect(text).toMatch(/router_cache_route_picks_total\{outcome="(un)?(matched|tagged)"\} [1-4]/);
    expect(text).toMatch(/epoch_key_age_seconds_count [1-9]/);
    expect(text).toContain('router_backend_inflight 0');
    expect(text).toContain('router_waiting 0');
    expect(text).not.toContain(CANARY);
    for (const [, label, value] of text.matchAll(/[{,]([a-z_]+)="([^"]*)"/g)) {
      expect(Object.keys(LABELS)).toContain(label);
      expect(value, label).toMatch(LABELS[label as keyof typeof LABELS]);
    }
    expect(text).not.toContain('worker-0');
    server.drain();
    expect(await get('/readyz')).toEqual({ status: 503, text: 'draining\n' });
    expect((await get('/healthz')).status).toBe(200);
  } finally {
    await server.close();
    await network.close();
  }
});

test('checks that stood in the way, of evidence and of receipts, are counted by name', async () => {
  const metrics = createRouterMetrics();
  const network = await startInProcess({ meter: metrics.meter });
  network.changePolicy({ tees: ['sev-snp'] });
  const text = () => metrics.text(network.router.snapshot());
  try {
    await expect
      .poll(text, { timeout: 20_000 })
      .toMatch(/attestation_rejections_total\{outcome="refused",reason="[a-z]+\.[A-Za-z]+"\} [1-9]/);
    metrics.meter.receiptRefused('chain');
    expect(await text()).toContain('receipt_verify_failures_total{check="chain"} 1');
  } finally {
    await network.close();
  }
}, 60_000);
