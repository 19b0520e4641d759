import { once } from 'node:events';
import { type Server, ServerResponse } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import { CodedError } from '../../core/index.ts';
import { codedFromSystem } from '../output.ts';

/** How long answers in progress may go on after a stop was asked for, in milliseconds. */
const CLOSE_GRACE_MS = 2_000;

/** An answer's head goes out with its first text, which is there by then, and not in a packet of its own. */
class HeadWithBody extends ServerResponse {
  override flushHeaders(): void {}
}

type App = Readonly<{ fetch: (request: Request) => Response | Promise<Response> }>;

/** Serves on 127.0.0.1. @param port 0 for any free one @throws CodedError PORT_IN_USE */
export async function serveHttp(app: App, port: number): Promise<Readonly<{ port: number; close(): Promise<void> }>> {
  const serverOptions = { ServerResponse: HeadWithBody as typeof ServerResponse };
  const server = createAdaptorServer({ fetch: app.fetch, serverOptions }) as Server;
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (thrown) {
    throw codedFromSystem(thrown);
  }
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new CodedError('INVARIANT_BROKEN', 'no address');
  return { port: address.port, close: () => close(server) };
}

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
  await closed;
  clearTimeout(timer);
}
