/** What a web page imports: the same sessions over fetch, with the browser's own cryptography. */
import './browser-buffer.ts';
import { type RouterTransport, severalRouters } from '../client/index.ts';
import { connectToRouterOverFetch } from '../rpc/web/index.ts';
import { openSession, type Session, type SessionOptions } from './session.ts';

export * from './shared.ts';

export type ConnectOptions = SessionOptions &
  Readonly<{
    /** URL of a router's door for web pages, several with commas, or a transport of the caller's own. */
    router: string | RouterTransport;
  }>;

/** As in Node; see `connect` there. @throws ChrysalisError */
export function connect(options: ConnectOptions): Promise<Session> {
  const { router } = options;
  return openSession((now, randomness) => {
    if (typeof router !== 'string') return router;
    const deps = { fetch: globalThis.fetch.bind(globalThis), now, randomness };
    const routers = router.split(',').map((url) => connectToRouterOverFetch(url, deps));
    return severalRouters(routers, randomness(1)[0] as number, now);
  }, options);
}
