import { type Bytes, CodedError, type MonotonicClock, type Randomness } from '../core/index.ts';
import type { EvidenceMessage } from '../session/index.ts';
import type { RouterLink } from './links.ts';

const RECONNECT_MS = { least: 250, most: 15_000 };

/** One router that a worker keeps to, over all its connections. */
export type Attachment = {
  readonly connect: () => RouterLink;
  link: RouterLink | null;
  /** The router gives it nothing new, and closes the connection when what it has has ended: for good. */
  draining: boolean;
  /** With which this router signs its dispatches; null before its first lease. */
  dispatchKey: Bytes | null;
  /** When evidence was made for it last, by the monotonic clock; null before the first time. */
  attestedAt: number | null;
  /** What shows it on a later connection that it let this boot in; null where nothing does, and once it was shown. */
  admitted: Readonly<{ ticket: Bytes; evidence: EvidenceMessage }> | null;
};

export type AttachmentDeps = Readonly<{
  monotonic: MonotonicClock;
  randomness: Randomness;
  stop: AbortSignal;
  report: (event: Readonly<{ event: 'disconnected'; code: string; retryInMs: number }>) => void;
}>;

/** Keeps attached until it is stopped or drained: connects again with growing, jittered pauses. @param once ends when the connection does */
export async function attach(of: Attachment, once: () => Promise<void>, deps: AttachmentDeps): Promise<void> {
  for (let pause = RECONNECT_MS.least; !deps.stop.aborted; ) {
    const started = deps.monotonic();
    const error = await once().then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (deps.stop.aborted || of.draining) return;
    if (deps.monotonic() - started > RECONNECT_MS.most) pause = RECONNECT_MS.least;
    const jitter = (deps.randomness(1)[0] as number) / 255;
    const retryInMs = Math.round(pause * (0.5 + jitter / 2));
    deps.report({
      event: 'disconnected',
      code: error instanceof CodedError ? error.code : 'INVARIANT_BROKEN',
      retryInMs,
    });
    await new Promise((resolve) => setTimeout(resolve, retryInMs));
    pause = Math.min(pause * 2, RECONNECT_MS.most);
  }
}
