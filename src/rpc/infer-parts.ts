import type { Bytes, UnixMs } from '../core/index.ts';
import type { RouterService } from '../router/index.ts';
import type { ResponsePart, SealedOpen } from '../session/index.ts';
import { MessageReader } from './grpc/framing.ts';
import { Inbox } from './inbox.ts';
import { frameWire } from './infer-wire.ts';
import { MESSAGE_BYTES_MAX } from './package.ts';
import { partOf } from './serve-messages.ts';

/** `cancelled`: nobody reads any more. `stop`: the client wants the end and its receipt. */
export type InferSignals = Readonly<{ cancelled: AbortSignal; stop: AbortSignal }>;

/** Parts that wait to be read before the worker is held up. */
const WAITING_MAX = 16;

/** A request for those who have no gRPC stream: its answer's parts as they come. @throws CodedError by the deadline */
export async function* inferParts(
  router: Pick<RouterService, 'infer'>,
  open: SealedOpen,
  frames: AsyncIterable<Bytes>,
  deadline: UnixMs,
  { cancelled, stop }: InferSignals,
): AsyncGenerator<ResponsePart> {
  const parts = new Inbox<ResponsePart>();
  const reader = new MessageReader(MESSAGE_BYTES_MAX);
  /** While the router takes no more frames: told when it does again, or has ended. */
  let held: PromiseWithResolvers<void> | null = null;
  let hasEnded = false;
  const goOn = () => {
    held?.resolve();
    held = null;
  };
  const input = router.infer(open, deadline, {
    answer: {
      write: (wire) => {
        // Copied: what is written is a view that ends with this call.
        reader.push(Buffer.from(wire), (whole) => parts.push(partOf(whole) as ResponsePart));
        return parts.length < WAITING_MAX;
      },
    },
    finish: (error) => {
      hasEnded = true;
      parts.end(error);
      goOn();
    },
    pause: () => {
      held ??= Promise.withResolvers();
    },
    resume: goOn,
  });
  const send = async (): Promise<void> => {
    for await (const frame of frames) {
      while (held !== null && !hasEnded) await held.promise;
      if (hasEnded) return;
      input.frame(frame, frameWire(frame));
    }
    input.halfClosed();
  };
  const gone = () => input.gone();
  const wantEnd = () => input.stop();
  cancelled.addEventListener('abort', gone, { once: true });
  stop.addEventListener('abort', wantEnd, { once: true });
  if (cancelled.aborted) gone();
  else if (stop.aborted) wantEnd();
  let broken: { error: unknown } | null = null;
  void send().catch((error: unknown) => {
    broken = { error };
    gone();
  });
  try {
    for (let part = await parts.next(); part !== undefined; part = await parts.next()) {
      yield part;
      if (parts.length === 0) input.drained();
    }
  } catch (error) {
    throw (broken as { error: unknown } | null)?.error ?? error;
  } finally {
    cancelled.removeEventListener('abort', gone);
    stop.removeEventListener('abort', wantEnd);
    gone();
  }
}
