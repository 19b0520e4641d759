import { type Bytes, encodeBeacon, type UnixMs } from '../core/index.ts';
import type { Anew } from '../session/index.ts';
import type { AdmissionDeps } from './admission-deps.ts';
import type { Worker } from './fleet.ts';
import type { BeaconSource } from './ports.ts';

/** A challenge is answered within this or not at all. */
export const CHALLENGE_LIFETIME_MS = 30_000;
/** A worker that asks more often is answered no more often: judging evidence costs more than sending it. */
export const CHALLENGE_PAUSE_MS = 1_000;

/** @property anew why only new evidence answers it; null where what the worker was in with before may */
export type Challenge = Readonly<{ nonce: Bytes; source: BeaconSource; anew: Anew | null; openUntil: UnixMs }>;

/** Nonces that workers are to answer; each is good for one answer on the connection that it was sent on. */
export function createChallenges(deps: Pick<AdmissionDeps, 'beacon' | 'now' | 'randomness'>) {
  const open = new WeakMap<Worker, Challenge>();
  const askedAt = new WeakMap<Worker, UnixMs>();
  /** To whom one is on its way: the beacon is waited for. */
  const coming = new WeakSet<Worker>();
  /** Whose answer is being judged. */
  const judged = new WeakSet<Worker>();
  return {
    /**
     * Whether it may be challenged now, then not again for a while; not while it makes an answer, which would be to another,
     * nor while one is judged: of two that were judged at once the one could take back what the other has.
     */
    isDue(worker: Worker): boolean {
      const [last, asked] = [askedAt.get(worker), open.get(worker)];
      if (last !== undefined && deps.now() - last < CHALLENGE_PAUSE_MS) return false;
      if (coming.has(worker) || judged.has(worker) || (asked !== undefined && asked.openUntil >= deps.now()))
        return false;
      askedAt.set(worker, deps.now());
      return true;
    },
    /** @throws whatever the sources of a beacon throw */
    async send(worker: Worker, anew: Anew | null): Promise<void> {
      coming.add(worker);
      const source = await deps.beacon().finally(() => coming.delete(worker));
      const nonce = deps.randomness(32);
      open.set(worker, { nonce, source, anew, openUntil: deps.now() + CHALLENGE_LIFETIME_MS });
      const { beacon, checkpoint } = source;
      worker.control.send({ kind: 'challenge', nonce, beacon: encodeBeacon(beacon), checkpoint, anew: anew ?? '' });
    },
    /** The open one, which is open no more; what answers it is judged until {@link over}. */
    take(worker: Worker): Challenge | null {
      const asked = open.get(worker);
      open.delete(worker);
      if (asked === undefined || asked.openUntil < deps.now()) return null;
      judged.add(worker);
      return asked;
    },
    over(worker: Worker): void {
      judged.delete(worker);
    },
  };
}
