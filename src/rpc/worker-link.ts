import { type Clock, CodedError } from '../core/index.ts';
import type { RouterToWorker, WorkerToRouter } from '../session/index.ts';
import type { RouterLink } from '../worker/index.ts';
import { openChannel } from './ask.ts';
import { bytesOf } from './bytes.ts';
import type { ClientStream, GrpcChannel } from './grpc/channel.ts';
import { framed, PREFIX_BYTES } from './grpc/framing.ts';
import { Inbox } from './inbox.ts';
import { v1 } from './package.ts';
import { ServeCall } from './serve-call.ts';
import { type ClientTls, clientDoor } from './tls.ts';
import type { RouterMessage__Output } from './wire/chrysalis/v1/RouterMessage.ts';
import type { WorkerMessage } from './wire/chrysalis/v1/WorkerMessage.ts';

/** Before an idle stream that was lost is opened again. */
const REOPEN_MS = { least: 50, most: 10_000 };
/** Control messages that wait because the router does not read; beyond it the connection is of no use. */
const CONTROL_BYTES_MAX = 1024 * 1024;

function toWire(message: WorkerToRouter): WorkerMessage {
  switch (message.kind) {
    case 'join':
      return { join: { ...message.join, versions: [...message.join.versions] } };
    case 'evidence':
      return { evidence: { ...message, certificates: [...message.certificates] } };
    case 'resume': {
      const { evidence } = message;
      return { resume: { ...message, evidence: { ...evidence, certificates: [...evidence.certificates] } } };
    }
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
    const { nonce, beacon, checkpoint, anew } = wire.challenge;
    return { kind: 'challenge', nonce: bytesOf(nonce), beacon: bytesOf(beacon), checkpoint, anew };
  }
  if (wire.lease) {
    const { lease, expiresAt, logIndex, dispatchKey, priceSheet, ticket } = wire.lease;
    return {
      kind: 'lease',
      lease: bytesOf(lease),
      expiresAt: Number(expiresAt),
      logIndex: Number(logIndex),
      dispatchKey: bytesOf(dispatchKey),
      priceSheet: bytesOf(priceSheet),
      ticket: bytesOf(ticket),
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

/** The worker's side of its control stream. */
function openControl(router: GrpcChannel) {
  const { path, requestSerialize, responseDeserialize } = v1.WorkerAttachment.service.Attach;
  const inbox = new Inbox<RouterToWorker>();
  const stream: ClientStream = router.open(path, null, {
    // Copied: what a router sends is kept.
    message: (whole) => inbox.push(fromWire(responseDeserialize(Buffer.from(whole.subarray(PREFIX_BYTES))))),
    ended: (error) => inbox.end(error),
  });
  return {
    send(message: WorkerToRouter): void {
      if (stream.waitingBytes > CONTROL_BYTES_MAX) stream.cancel();
      else stream.write(framed(requestSerialize(toWire(message))));
    },
    messages: (async function* () {
      for (let next = await inbox.next(); next !== undefined; next = await inbox.next()) yield next;
    })(),
    halfClose: () => stream.halfClose(),
  };
}

/** Dials one router and keeps a control stream to it. @param address `host:port` */
export function attachToRouter(address: string, now: Clock, tls?: ClientTls): RouterLink {
  const router = openChannel(clientDoor(address, tls), now);
  const control = openControl(router);
  let closed = false;

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
      const call = new ServeCall(router, lease);
      let isIdle = true;
      try {
        for (;;) {
          const request = await call.request();
          isIdle = false;
          if (request === undefined) {
            lost();
            return;
          }
          idle -= 1;
          failures = 0;
          // Streams are opened by the handful, and seldom: opening one costs this answer's beginning its time.
          if (2 * idle < spare) refill();
          await call.answer((cancelled) => serve(request, cancelled));
          if (idle >= spare || closed) break;
          idle += 1;
          isIdle = true;
          call.done();
        }
        call.halfClose();
      } catch {
        if (isIdle) lost();
        // Otherwise the router would wait until the request's deadline.
        call.cancel();
      }
    };
    refill();
  };

  return {
    send: control.send,
    messages: control.messages,
    serve: park,
    close: () => {
      closed = true;
      control.halfClose();
      router.close();
    },
  };
}
