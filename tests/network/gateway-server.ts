import { once } from 'node:events';
import { serve } from '@hono/node-server';
import { type Client, createGateway, GATEWAY_LIMITS } from '../../src/client/index.ts';

/** A gateway before a client, on a port of its own. */
export async function startGateway(client: Client): Promise<Readonly<{ url: string; close(): Promise<void> }>> {
  let id = 0;
  const app = createGateway(
    {
      client,
      now: Date.now,
      randomId: () => `id${++id}`,
      version: '0',
      policy: 'development-simulated #1',
      simulated: true,
    },
    GATEWAY_LIMITS,
  );
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    async close() {
      (server as { closeAllConnections?: () => void }).closeAllConnections?.();
      await new Promise((done) => server.close(done));
    },
  };
}
