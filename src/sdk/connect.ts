import { type RouterTransport, severalRouters } from '../client/index.ts';
import { type ClientTls, connectToRouter } from '../rpc/index.ts';
import { openSession, type Session, type SessionOptions } from './session.ts';

export type ConnectOptions = SessionOptions &
  Readonly<{
    /** `host:port` of a router, several with commas, or a transport of the caller's own. No router is trusted. */
    router: string | RouterTransport;
    /** Without it the way to the router is not encrypted, which requests are in any case; a router may ask for a certificate. */
    tls?: ClientTls;
  }>;

/**
 * Opens a door to a router. Nothing is sent to a worker before its own evidence verified under this policy; what the
 * router says of a worker counts for nothing.
 * @throws ChrysalisError `request` for a policy or anchors that cannot be used, `could-not-find-out` for a router that
 *   cannot be reached
 */
export function connect(options: ConnectOptions): Promise<Session> {
  const { router, tls } = options;
  return openSession((now, randomness) => {
    if (typeof router !== 'string') return router;
    const routers = router.split(',').map((address) => connectToRouter(address, now, tls));
    return severalRouters(routers, randomness(1)[0] as number, now);
  }, options);
}
