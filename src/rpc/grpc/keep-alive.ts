import type { Http2Session } from 'node:http2';

/** Asks the peer for a sign of life this often, and lets go of a connection whose last PING is not answered by then. */
export function keepAlive(session: Http2Session, everyMs: number): void {
  let answered = true;
  const ping = setInterval(() => {
    if (session.destroyed) return;
    if (!answered) {
      session.destroy();
      return;
    }
    answered = false;
    session.ping((error) => {
      answered = error === null;
    });
  }, everyMs);
  // It keeps no process alive that has nothing under way.
  ping.unref();
  session.once('close', () => clearInterval(ping));
}
