import { once } from 'node:events';
import { type ServerType, serve } from '@hono/node-server';
import { createGateway, GATEWAY_LIMITS } from '../src/client/index.ts';
import { echoEngine, startInProcess } from '../tests/network/in-process.ts';
import { type BenchLine, quantile } from './report.ts';

const ROUNDS = 150;
const WARM = 30;

/**
 * Milliseconds to the first piece of an answer, from an HTTP request to the gateway: through gateway, router and worker,
 * sealed and opened, on loopback and all in this process; against the engine's first token, asked directly. A session is
 * open already. The gateway's own part is told apart by asking its client directly.
 */
export async function benchGateway(): Promise<readonly BenchLine[]> {
  const engine = echoEngine();
  const network = await startInProcess({ engine });
  const app = createGateway(
    { client: network.client, now: Date.now, randomId: () => 'x', version: '0', policy: 'p', simulated: true },
    GATEWAY_LIMITS,
  );
  const server: ServerType = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const messages = [{ role: 'user' as const, content: 'one two three' }];
  const body = JSON.stringify({ messages, stream: true });
  const overHttp = async (): Promise<number> => {
    const began = performance.now();
    const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    let first = 0;
    for await (const piece of (answer.body as ReadableStream<Uint8Array>).pipeThrough(
      new TextDecoderStream() as never,
    )) {
      if (first === 0 && String(piece).includes('"one ')) first = performance.now() - began;
    }
    return first;
  };
  const firstOf = async (events: AsyncIterable<{ kind: string }>, kind: string): Promise<number> => {
    const began = performance.now();
    let first = 0;
    for await (const event of events) if (first === 0 && event.kind === kind) first = performance.now() - began;
    return first;
  };
  const request = { messages, maxTokens: 8, temperature: 0, topP: 1, topK: 0, stop: [] };
  const never = new AbortController().signal;
  const times = { http: [] as number[], client: [] as number[], engine: [] as number[] };
  for (let round = 0; round < WARM + ROUNDS; round++) {
    const http = await overHttp();
    const client = await firstOf(network.client.chat({ messages }), 'text');
    const direct = await firstOf(engine.generate(request, never), 'token');
    if (round < WARM) continue;
    times.http.push(http);
    times.client.push(client);
    times.engine.push(direct);
  }
  (server as { closeAllConnections?: () => void }).closeAllConnections?.();
  await new Promise((done) => server.close(done));
  await network.close();
  const half = (all: readonly number[]) => quantile(all, 0.5);
  const [http, client, direct] = [half(times.http), half(times.client), half(times.engine)];
  const floor = { name: 'engine, asked directly', value: direct };
  return [
    { name: 'first token over HTTP, the whole way, p50', value: http, unit: 'ms', floor },
    { name: 'of which gateway and HTTP', value: http - client, unit: 'ms' },
    { name: 'of which sealing, router, worker', value: client - direct, unit: 'ms' },
  ];
}
