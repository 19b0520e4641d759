import { expect, test } from 'vitest';
import { createRouterMetrics, serveMetrics } from '../../src/cli/compose/metrics.ts';
import { ask, echoEngine, startInProcess } from './in-process.ts';

const CANARY = 'xylophone-canary';

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
    expect(text).toContain('router_backend_inflight 0');
    expect(text).toContain('router_waiting 0');
    expect(text).not.toContain(CANARY);
    const values = [...text.matchAll(/="([^"]*)"/g)].map(([, value]) => value as string);
    expect(values.filter((value) => !/^([a-z-]*|[A-Z_]+|\d+(\.\d+)?|\+Inf)$/.test(value))).toEqual([]);
    expect(text).not.toContain('worker-0');
    const labels = new Set([...text.matchAll(/[{,]([a-z_]+)="/g)].map(([, name]) => name));
    expect([...labels].sort()).toEqual(
      ['error_type', 'gen_ai_token_type', 'le', 'outcome', 'reason', 'state'].filter((name) => labels.has(name)),
    );
    server.drain();
    expect(await get('/readyz')).toEqual({ status: 503, text: 'draining\n' });
    expect((await get('/healthz')).status).toBe(200);
  } finally {
    await server.close();
    await network.close();
  }
});
