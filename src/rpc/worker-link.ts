import { type Bytes, CodedError } from '../core/index.ts';
import type { RouterToWorker, WorkerToRouter } from '../session/index.ts';
import type { RouterLink, ServedRequest, ServePart } from '../worker/index.ts';
import { bytesOf } from './bytes.ts';
import { orderedWriter, readFrom, writeTo } from './duplex.ts';
import { v1 } from './package.ts';
import { type ClientTls, clientDoor } from './tls.ts';
import type { RouterMessage__Output } from './wire/chrysalis/v1/RouterMessage.ts';
import type { ServeFromRouter__Output } from './wire/chrysalis/v1/ServeFromRouter.ts';

/** Before an idle stream that was lost is opened again. */
const REOPEN_MS = { least: 50, most: 10_000 };
/** Frames of one request that a worker takes before it stops reading; the header's own limit is smaller. */
const REQUEST_FRAMES_MAX = 1024;

function toWire(message: WorkerToRouter): object {
  switch (message.kind) {
    case 'join':
      return { join: { ...message.join, versions: [...message.join.versions] } };
    case 'evidence':
      return { evidence: { ...message, certificates: [...message.certificates] } };
    case 'offer':
      return { offer: { id: message.id, offer: message.offer, bundle: message.bundle } };
    case 'offerRefused':
      return { offer: { id: message.id, refused: message.reason } };
    case 'status':
      return { status: message };
    case 'renewal':
      return { renewal: {} };
  }
}

function fromWire(wire: RouterMessage__Output): RouterToWorker {
  if (wire.challenge) {
    const { nonce, beacon, checkpoint } = wire.challenge;
    return { kind: 'challenge', nonce: bytesOf(nonce), beacon: bytesOf(beacon), checkpoint };
  }
  if (wire.lease) {
    const { lease, expiresAt, logIndex, dispatchKey, priceSheet } = wire.lease;
    return {
      kind: 'lease',
      lease: bytesOf(lease),
      expiresAt: Number(expiresAt),
      logIndex: Number(logIndex),
      dispatchKey: bytesOf(dispatchKey),
      priceSheet: bytesOf(priceSheet),
    };
  }
  if (wire.refusal) return { kind: 'refusal', ...wire.refusal };
  if (wire.hello) return { kind: 'hello', id: wire.hello.id, hello: bytesOf(wire.hello.hello) };
  if (wire.voucher) {
    const { voucher, signature, key } = wire.voucher;
    return { kind: 'voucher', voucher: bytesOf(voucher), signature: bytesOf(signature), key: bytesOf(key) };
  }
  if (wire.drain) return { kind: 'drain', reason: wire.drain.reason };
  throw new CodedError('ROUTER_UNREACHABLE', 'an empty router message');
}

function serveToWire(part: ServePart): object {
  if (part.kind === 'preface') return { preface: part.preface };
  if (part.kind === 'frame') return { frame: part.frame };
  if (part.kind === 'receipt') return { receipt: part.receipt };
  return { refused: part.reason };
}

/** What the router says on one Serve stream: requests one after the other, and `stop` while one is answered. */
class ServeReader {
  readonly #messages: AsyncIterator<ServeFromRouter__Output>;
  /** Asked for while an answer is under way; where it is not a `stop`, it begins the next request. */
  #ahead: Promise<IteratorResult<ServeFromRouter__Output>> | null = null;
  #answering = false;

  constructor(messages: AsyncIterator<ServeFromRouter__Output>) {
    this.#messages = messages;
  }

  /** The next request; null when the router closed the stream. */
  async request(): Promise<ServedRequest | null> {
    this.#answering = false;
    let open: ServeFromRouter__Output['open'] | undefined;
    const frames: Bytes[] = [];
    for (;;) {
      const { value: wire, done } = await (this.#ahead ?? this.#messages.next());
      this.#ahead = null;
      if (done) return null;
      if (wire.stop && !open) continue; // for an answer that was whole before it came
      if (wire.open) open = wire.open;
      else if (wire.frame && open && frames.length < REQUEST_FRAMES_MAX) frames.push(bytesOf(wire.frame));
      else if (wire.dispatch && open) {
        return {
          header: bytesOf(open.header),
          authorization: bytesOf(open.authorization),
          commit: bytesOf(open.commit),
          wrap: bytesOf(open.wrap),
          enc: bytesOf(open.enc),
          hello: bytesOf(open.hello),
          timeLeftMs: open.timeLeftMs,
          frames,
          dispatch: wire.dispatch.dispatch,
          dispatchSignature: bytesOf(wire.dispatch.signature),
        };
      } else throw new CodedError('ROUTER_UNREACHABLE', 'the router broke the protocol');
    }
  }

  /** While a request is answered: a reader notices a cancel, and a `stop` ends the answer, not the stream. */
  watch(ended: () => void): void {
    this.#answering = true;
    const ahead = this.#messages.next();
    this.#ahead = ahead;
    ahead.then(
      ({ value, done }) => {
        if (!this.#answering) return;
        if (done) ended();
        else if (value.stop) {
          ended();
          this.watch(() => undefined);
        }
      },
      () => ended(),
    );
  }
}

/** Dials one router and keeps a control stream to it. @param address `host:port` */
export function attachToRouter(address: string, tls?: ClientTls): RouterLink {
  const { credentials, options } = clientDoor(address, tls);
  const stub = new v1.WorkerAttachment(address, credentials, options);
  const control = stub.attach();
  const write = orderedWriter(control);
  let closed = false;
  const messages = (async function* () {
    for await (const wire of readFrom<RouterMessage__Output>(control, 'ROUTER_UNREACHABLE')) yield fromWire(wire);
  })();

  const park: RouterLink['serve'] = (lease, spare, serve) => {
    let idle = 0;
    let failures = 0;
    const refill = () => {
      while (idle < spare && !closed) {
        idle += 1;
        void run().catch(() => undefined);
      }
    };
    /** An idle stream is gone: others take its place, after a while that grows with each that goes so. */
    const lost = () => {
      idle -= 1;
      failures += 1;
      setTimeout(refill, Math.min(REOPEN_MS.most, REOPEN_MS.least * 2 ** failures)).unref();
    };
    /** One stream, request after request; an answer that failed takes its stream with it. */
    const run = async () => {
      const call = stub.serve();
      const gone = new AbortController();
      call.on('error', () => gone.abort());
      call.on('close', () => gone.abort());
      const reader = new ServeReader(readFrom<ServeFromRouter__Output>(call, 'ROUTER_UNREACHABLE'));
      let isIdle = true;
      try {
        await writeTo(call, { lease });
        for (;;) {
          const request = await reader.request();
          isIdle = false;
          if (request === null) {
            lost();
            return;
          }
          idle -= 1;
          failures = 0;
          refill();
          const abort = new AbortController();
          reader.watch(() => abort.abort());
          const cancelled = AbortSignal.any([abort.signal, gone.signal]);
          for await (const part of serve(request, cancelled)) await writeTo(call, serveToWire(part));
          if (idle >= spare || closed) break;
          idle += 1;
          isIdle = true;
          await writeTo(call, { done: true });
        }
        call.end();
      } catch {
        if (isIdle) lost();
        gone.abort();
        // Destroying it would not tell the router, who would wait until the request's deadline.
        call.cancel();
      }
    };
    refill();
  };

  return {
    send: (message) => write(toWire(message)),
    messages,
    serve: park,
    close: () => {
      closed = true;
      control.end();
      stub.close();
    },
  };
}
