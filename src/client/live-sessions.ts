import { type Bytes, CodedError, toHex, type UnixMs } from '../core/index.ts';
import type { Mode } from '../session/index.ts';
import type { VerifiedWorker } from './api.ts';
import type { OpenedSession } from './sessions.ts';
import type { CallOptions } from './transport.ts';

const SESSIONS_MAX = 16;
/** A session is replaced this long before its deadline, so that a request does not meet it. */
const SESSION_MARGIN_MS = 5_000;

/** What a session is opened for. */
export type SessionAsk = Readonly<{ model: Bytes; mode: Mode; candidates: number }>;

/** An open session and who uses it: its keys go when it has been replaced and the last answer under it has ended. */
export type LiveSession = OpenedSession & {
  readonly paymentRef: Bytes;
  /** Workers that have answered under it; for these, router and worker hold what later requests leave out. */
  known: boolean;
  users: number;
  dropped: boolean;
};

/** The sessions that a client keeps open, one for each model, mode and number of candidates. */
export function createLiveSessions(
  open: (ask: SessionAsk, avoid: ReadonlySet<string>, call: CallOptions) => Promise<LiveSession>,
  now: () => UnixMs,
) {
  type Slot = { readonly opening: Promise<LiveSession>; held: LiveSession | null };
  const live = new Map<string, Slot>();
  const keyOf = ({ model, mode, candidates }: SessionAsk) => `${toHex(model)}:${mode}:${candidates}`;

  const closeUnused = (held: LiveSession): void => {
    if (held.dropped && held.users === 0) held.session.close();
  };

  /** @param only drops the session of this key only where it is still this one: another request may have replaced it */
  const drop = (key: string, only?: LiveSession): void => {
    const slot = live.get(key);
    void slot?.opening
      .then((session) => {
        if (only !== undefined && session !== only) return;
        if (live.get(key) === slot) live.delete(key);
        session.dropped = true;
        closeUnused(session);
      })
      .catch(() => undefined);
  };

  return {
    /** An open session for this, a new one where there is none; {@link release} it. @param avoid worker ids, hex */
    async use(ask: SessionAsk, avoid: ReadonlySet<string>, call: CallOptions): Promise<LiveSession> {
      const key = keyOf(ask);
      for (;;) {
        const known = live.get(key);
        if (known !== undefined) {
          const held = known.held ?? (await unlessAborted(known.opening, call.signal));
          if (!held.dropped && now() < held.session.deadline - SESSION_MARGIN_MS) {
            held.users += 1;
            return held;
          }
          if (live.get(key) === known) drop(key);
          if (held.dropped && live.get(key) === known) live.delete(key);
          continue;
        }
        if (live.size >= SESSIONS_MAX) drop(live.keys().next().value as string);
        // Shared by all who ask for it: one that is cancelled must not cancel it.
        const opening = open(ask, avoid, { deadline: call.deadline });
        const slot: Slot = { opening, held: null };
        live.set(key, slot);
        opening.then(
          (held) => {
            slot.held = held;
          },
          () => {
            if (live.get(key) === slot) live.delete(key);
          },
        );
      }
    },
    release(held: LiveSession): void {
      held.users -= 1;
      closeUnused(held);
    },
    /** The next request for this gets another session. */
    drop: (ask: SessionAsk, held: LiveSession) => drop(keyOf(ask), held),
    dropAll(): void {
      for (const key of [...live.keys()]) drop(key);
    },
  };
}

/** @throws CodedError REQUEST_CANCELLED where the signal fires first */
async function unlessAborted<Value>(value: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return value;
  const aborted = Promise.withResolvers<never>();
  const leave = () => aborted.reject(new CodedError('REQUEST_CANCELLED', 'cancelled before anything was sent'));
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  try {
    return await Promise.race([value, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

const VERIFIED_MAX = 256;

/** What was verified and still holds, newest last. */
export function createVerifiedWorkers(now: () => UnixMs) {
  const verified = new Map<string, VerifiedWorker>();
  return {
    remember(workers: readonly VerifiedWorker[]): void {
      for (const worker of workers) {
        verified.delete(worker.workerId);
        verified.set(worker.workerId, worker);
      }
      for (const [id, { expiresAt }] of verified) {
        if (expiresAt <= now() || verified.size > VERIFIED_MAX) verified.delete(id);
      }
    },
    list: () => [...verified.values()].filter((worker) => worker.expiresAt > now()),
  };
}
