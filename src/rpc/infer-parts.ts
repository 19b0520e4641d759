import type { Bytes, CodedError, UnixMs } from '../core/index.ts';
import type { RouterService } from '../router/index.ts';
import type { ResponsePart, SealedOpen } from '../session/index.ts';
import { MessageReader } from './grpc/framing.ts';
import { frameWire } from './infer-wire.ts';
import { MESSAGE_BYTES_MAX } from './package.ts';
import { partOf } from './serve-messages.ts';

/** `cancelled`: nobody reads any more. `stop`: the client wants the end and its receipt. */
export type InferSignals = Readonly<{ cancelled: AbortSignal; stop: AbortSignal }>;

/** Parts that wait to be read before the worker is held up. */
const WAITING_MAX = 16;

/** What is waited for again and again: `ring` wakes whoever waits, or the next one to do so. */
class Bell {
  #rung = false;
  #wake: (() => void) | null = null;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  async next(): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#rung = false;
    this.#wake = null;
  }
}

/** A request for those who have no gRPC stream: its answer's parts as they come. @throws CodedError by the deadline */
export async function* inferParts(
  router: Pick<RouterService, 'infer'>,
  open: SealedOpen,
  frames: AsyncIterable<Bytes>,
  deadline: UnixMs,
  { cancelled, stop }: InferSignals,
): AsyncGenerator<ResponsePart> {
  const came = new Bell();
  const mayGoOn = new Bell();
  const waiting: ResponsePart[] = [];
  const reader = new MessageReader(MESSAGE_BYTES_MAX);
  let isHeld = false;
  let end: { error: unknown } | null = null;
  const input = router.infer(open, deadline, {
    write: (wire) => {
      // Copied: what is written is a view that ends with this call.
      reader.push(Buffer.from(wire), (whole) => waiting.push(partOf(whole) as ResponsePart));
      came.ring();
      return waiting.length < WAITING_MAX;
    },
    finish: (error) => {
      end = { error };
      came.ring();
      mayGoOn.ring();
    },
    pause: () => {
      isHeld = true;
    },
    resume: () => {
      isHeld = false;
      mayGoOn.ring();
    },
  });
  const send = async (): Promise<void> => {
    for await (const frame of frames) {
      while (isHeld && end === null) await mayGoOn.next();
      if (end !== null) return;
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
    for (;;) {
      const part = waiting.shift();
      if (part !== undefined) {
        yield part;
        if (waiting.length === 0) input.drained();
      } else if (end === null) await came.next();
      else if ((end as { error: unknown }).error === null) return;
      else throw ((broken ?? end) as { error: CodedError }).error;
    }
  } finally {
    cancelled.removeEventListener('abort', gone);
    stop.removeEventListener('abort', wantEnd);
    gone();
  }
}
