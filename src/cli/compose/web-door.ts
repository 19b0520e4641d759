import { createAdaptorServer } from '@hono/node-server';
import { CodedError } from '../../core/index.ts';
import { createWebDoor, type WebRouter } from '../../rpc/index.ts';

export type WebDoorOptions = Readonly<{
  webPort?: string;
  webOrigin?: string;
  webHost?: string;
  clientCa?: string;
  clientCertificates: 'require' | 'accept';
}>;

const OWN_HOSTS = ['127.0.0.1', 'localhost'];

/**
 * A door for web pages on loopback, null where none is asked for; TLS is for a proxy before it.
 * @throws CodedError USAGE_INVALID, PORT_IN_USE
 */
export async function openWebDoor(
  router: WebRouter,
  options: WebDoorOptions,
): Promise<Readonly<{ port: number; close(): Promise<void> }> | null> {
  const { webPort, webOrigin, webHost, clientCa, clientCertificates } = options;
  if (webPort === undefined) {
    if (webOrigin !== undefined || webHost !== undefined) throw usage('--web-origin and --web-host go with --web-port');
    return null;
  }
  if (clientCa !== undefined && clientCertificates === 'require') {
    throw usage('--web-port serves pages, which show no certificate: not where clients need one');
  }
  const origins = (webOrigin ?? '').split(',').filter((origin) => origin !== '');
  if (origins.length === 0 || !origins.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin)) {
    throw usage('--web-origin takes origins as browsers write them: https://app.example');
  }
  const hosts = new Set([...OWN_HOSTS, ...(webHost ?? '').split(',').filter((host) => host !== '')]);
  const server = createAdaptorServer({
    fetch: createWebDoor(router, { origins: new Set(origins), hosts, now: Date.now }),
  });
  const port = Number(webPort);
  await new Promise<void>((resolve, reject) => {
    server.once('error', () => reject(new CodedError('PORT_IN_USE', `127.0.0.1:${port} cannot be bound`, { port })));
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as { port: number }).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      (server as { closeAllConnections?: () => void }).closeAllConnections?.();
      await closed;
    },
  };
}

const usage = (why: string) => new CodedError('USAGE_INVALID', why);
