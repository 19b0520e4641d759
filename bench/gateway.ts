import { once } from 'node:events';
import { Agent, request as ask, createServer, type IncomingMessage, type Server } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { type ServerType, serve } from '@hono/node-server';
import { createGateway, GATEWAY_LIMITS } from '../src/client/index.ts';
import type { Engine } from '../src/worker/index.ts';
import { echoEngine, startInProcess } from '../tests/network/in-process.ts';
import { type BenchLine, quantile } from './report.ts';

const ROUNDS = 150;
/** By then the compiler has done with both sides: the times fall until some thousand requests were answered. */
const WARM = 600;
/** Before each request, so that what the one before left to do (receipt, payment, log) is not the next one's delay. */
const PAUSE_MS = 25;
const WARM_PAUSE_MS = 4;
const MESSAGES = [{ role: 'user' as const, content: 'one two three' }];
const SAMPLING = { maxTokens: 8, temperature: 0, topP: 1, topK: 0, stop: [] };

/** Between an answer's tokens, as a small model has it: else its end is sealed, checked and stored before its beginning is read. */
const STEP_MS = 3;

/** The first token at once, the others a step apart. */
function stepwise(engine: Engine): Engine {
  return {
    ...engine,
    async *generate(request, signal) {
      for await (const event of engine.generate(request, signal)) {
        yield event;
        if (event.kind === 'token') await pause(STEP_MS);
      }
    },
  };
}

/** What a caller would ask without any of this: the same engine behind a bare server that streams its tokens. */
async function bareServer(engine: Engine): Promise<Server> {
  const server = createServer((request, response) => {
    void (async () => {
      let body = '';
      for await (const piece of request) body += String(piece);
      const { messages } = JSON.parse(body) as { messages: typeof MESSAGES };
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for await (const event of engine.generate({ messages, ...SAMPLING }, new AbortController().signal)) {
        if (event.kind === 'token') response.write(`data: ${JSON.stringify({ content: event.text })}\n\n`);
      }
      response.end('data: [DONE]\n\n');
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const portOf = (server: ServerType | Server) => (server.address() as { port: number }).port;

/** Milliseconds from a request to the first token, on a connection that is open already. */
async function firstToken(agent: Agent, port: number): Promise<number> {
  const body = JSON.stringify({ messages: MESSAGES, stream: true });
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  const began = performance.now();
  const asking = ask({ agent, port, method: 'POST', path: '/v1/chat/completions', headers });
  asking.end(body);
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  let first = 0;
  for await (const piece of answer)
    if (first === 0 && String(piece).includes('"one ')) first = performance.now() - began;
  return first;
}

/**
 * Milliseconds to the first token of an answer, from an HTTP request to the gateway: through gateway, router and worker,
 * sealed and opened, on loopback and all in this process; against the same engine behind a bare HTTP server. A session is
 * open already. The gateway's own part is told apart by asking its client directly.
 */
export async function benchGateway(): Promise<readonly BenchLine[]> {
  const engine = stepwise(echoEngine());
  const network = await startInProcess({ engine });
  const app = createGateway(
    { client: network.client, now: Date.now, randomId: () => 'x', version: '0', policy: 'p', simulated: true },
    GATEWAY_LIMITS,
  );
  const server: ServerType = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const bare = await bareServer(engine);
  const agent = new Agent({ keepAlive: true });
  const throughClient = async (): Promise<number> => {
    const began = performance.now();
    let first = 0;
    for await (const { kind } of network.client.chat({ messages: MESSAGES })) {
      if (first === 0 && kind === 'text') first = performance.now() - began;
    }
    return first;
  };
  const times = { http: [] as number[], client: [] as number[], bare: [] as number[] };
  for (let round = 0; round < WARM + ROUNDS; round++) {
    // Each begins alike: a process that has just slept is the last one to lose its core to others.
    const rest = () => pause(round < WARM ? WARM_PAUSE_MS : PAUSE_MS);
    await rest();
    const http = await firstToken(agent, portOf(server));
    await rest();
    const client = await throughClient();
    await rest();
    const direct = await firstToken(agent, portOf(bare));
    if (round < WARM) continue;
    times.http.push(http);
    times.client.push(client);
    times.bare.push(direct);
  }
  agent.destroy();
  for (const one of [server, bare]) {
    (one as { closeAllConnections?: () => void }).closeAllConnections?.();
    await new Promise((done) => one.close(done));
  }
  await network.close();
  // A machine that others use too is told by the tenth that was disturbed least.
  return [0.5, 0.1].flatMap((share) => {
    const of = `p${100 * share}`;
    const [http, client, direct] = [times.http, times.client, times.bare].map((all) => quantile(all, share));
    const floor = { name: 'the engine over HTTP, asked directly', value: direct as number };
    return [
      { name: `first token over HTTP, the whole way, ${of}`, value: http as number, unit: 'ms', floor },
      { name: `added to the engine asked directly, ${of}`, value: (http as number) - (direct as number), unit: 'ms' },
      { name: `of the whole, gateway and HTTP, ${of}`, value: (http as number) - (client as number), unit: 'ms' },
      { name: `of the whole, sealing, router, worker, ${of}`, value: client as number, unit: 'ms' },
    ];
  });
}
