import { type Bytes, CodedError } from '../core/index.ts';
import type { ServedRequest, ServePart } from '../worker/index.ts';
import { bytesOf } from './bytes.ts';
import type { ClientStream, GrpcChannel } from './grpc/channel.ts';
import { readOneField } from './grpc/fields.ts';
import { framed, PREFIX_BYTES } from './grpc/framing.ts';
import { Inbox } from './inbox.ts';
import { v1 } from './package.ts';
import { DONE, oneField, partWire, SERVE_FROM_ROUTER, SERVE_FROM_WORKER, STOP } from './serve-messages.ts';
import type { ServeOpen__Output } from './wire/chrysalis/v1/ServeOpen.ts';

/** Frames of one request that a worker takes; the header's own limit is smaller. */
const REQUEST_FRAMES_MAX = 1024;
/** A preface waits so long at most for the answer's first frame. */
const PREFACE_MS = 1_000;

/** A Serve stream as its worker has it: requests one after the other, and `stop` while one is answered. */
export class ServeCall {
  readonly #stream: ClientStream;
  readonly #requests = new Inbox<ServedRequest>();
  #open: ServeOpen__Output | null = null;
  #frames: Bytes[] = [];
  #cancelled: AbortController | null = null;
  #isOver = false;
  #drained: (() => void) | null = null;
  /** A preface that waits for its frame. */
  #held: Readonly<{ wire: Buffer; timer: NodeJS.Timeout }> | null = null;

  constructor(router: GrpcChannel, lease: Uint8Array) {
    this.#stream = router.open(v1.WorkerAttachment.service.Serve.path, null, {
      message: (whole) => this.#take(whole),
      ended: (error) => {
        this.#isOver = true;
        this.#requests.end(error);
        this.#cancelled?.abort();
        this.#drained?.();
      },
      drained: () => this.#drained?.(),
    });
    this.#stream.write(oneField(SERVE_FROM_WORKER.lease, lease));
  }

  /** The next request; undefined when the router closed the stream. @throws CodedError where it broke */
  request(): Promise<ServedRequest | undefined> {
    return this.#requests.next();
  }

  /** Sends an answer's parts as they come. @throws CodedError where the stream is gone before the last of them */
  async answer(serve: (cancelled: AbortSignal) => AsyncIterable<ServePart>): Promise<void> {
    const cancelled = new AbortController();
    this.#cancelled = cancelled;
    if (this.#isOver) cancelled.abort();
    try {
      let isFirst = true;
      for await (const part of serve(cancelled.signal)) {
        if (part.kind === 'preface') {
          this.#hold(this.#withHeld(partWire(part)));
          continue;
        }
        await this.#write(this.#withHeld(partWire(part)));
        if (!isFirst || part.kind !== 'frame') continue;
        isFirst = false;
        // What is written goes out at the end of this turn of the event loop: no work on the next token comes before.
        await turn();
      }
    } finally {
      this.#withHeld(NOTHING);
      this.#cancelled = null;
    }
  }

  /** The answer is whole: the stream waits for another request. */
  done(): void {
    this.#stream.write(ANSWERED);
  }

  halfClose(): void {
    this.#stream.halfClose();
  }

  cancel(): void {
    this.#stream.cancel();
  }

  /**
   * A preface goes out with the frame that follows it: sent alone, it would come before the engine's work on the prompt.
   * Where no frame follows soon, it says alone that the answer has begun.
   */
  #hold(wire: Buffer): void {
    const timer = setTimeout(() => this.#isOver || this.#stream.write(this.#withHeld(NOTHING)), PREFACE_MS);
    this.#held = { wire, timer };
  }

  #withHeld(wire: Buffer): Buffer {
    const held = this.#held;
    if (held === null) return wire;
    clearTimeout(held.timer);
    this.#held = null;
    return Buffer.concat([held.wire, wire]);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (this.#isOver) throw new CodedError('PEER_UNREACHABLE', 'the stream is closed');
    if (this.#stream.write(bytes)) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    this.#drained = null;
  }

  #take(whole: Buffer): void {
    if (whole.equals(STOP)) {
      // Where no answer is under way it is for one that was whole before it came.
      if (this.#open !== null) throw broken();
      this.#cancelled?.abort();
      return;
    }
    const message = Buffer.from(whole);
    const { number, bytes } = readOneField(message, PREFIX_BYTES);
    if (number === SERVE_FROM_ROUTER.frame && this.#open !== null && this.#frames.length < REQUEST_FRAMES_MAX) {
      this.#frames.push(bytesOf(bytes));
      return;
    }
    const { open, dispatch } = v1.WorkerAttachment.service.Serve.responseDeserialize(message.subarray(PREFIX_BYTES));
    if (open && this.#open === null && this.#requests.length === 0) this.#open = open;
    else if (dispatch && this.#open !== null) {
      const request = requestOf(this.#open, this.#frames, dispatch);
      this.#open = null;
      this.#frames = [];
      this.#requests.push(request);
    } else throw broken();
  }
}

const NOTHING = Buffer.alloc(0);
const ANSWERED = framed(DONE);
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function requestOf(
  open: ServeOpen__Output,
  frames: readonly Bytes[],
  { dispatch, signature }: Readonly<{ dispatch: number; signature: Buffer }>,
): ServedRequest {
  return {
    header: bytesOf(open.header),
    authorization: bytesOf(open.authorization),
    commit: bytesOf(open.commit),
    wrap: bytesOf(open.wrap),
    enc: bytesOf(open.enc),
    hello: bytesOf(open.hello),
    timeLeftMs: open.timeLeftMs,
    frames,
    dispatch,
    dispatchSignature: bytesOf(signature),
  };
}

const broken = () => new CodedError('ROUTER_UNREACHABLE', 'the router broke the protocol');
