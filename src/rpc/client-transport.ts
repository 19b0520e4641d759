import type { RouterTransport } from '../client/index.ts';
import { type Clock, CodedError } from '../core/index.ts';
import type { ResponsePart } from '../session/index.ts';
import { ask, openChannel } from './ask.ts';
import { bytesOf } from './bytes.ts';
import type { GrpcChannel, StreamListener } from './grpc/channel.ts';
import { Inbox } from './inbox.ts';
import { CLIENT_STOP, inferWire } from './infer-wire.ts';
import { v1 } from './package.ts';
import { amountFromWire } from './payments-server.ts';
import { partOf } from './serve-messages.ts';
import { type ClientTls, clientDoor } from './tls.ts';
import type { ChannelAccount__Output } from './wire/chrysalis/v1/ChannelAccount.ts';
import type { LoggedEntry__Output } from './wire/chrysalis/v1/LoggedEntry.ts';

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

const entry = (wire: LoggedEntry__Output | null) => {
  if (wire === null) throw new CodedError('NOT_FOUND', 'the router sent no log entry');
  return { leaf: bytesOf(wire.leaf), proof: wire.proof };
};

const account = (wire: ChannelAccount__Output) => ({
  channel: wire.channel,
  state: wire.state,
  deposited: amountFromWire(wire.deposited, 'deposited'),
  claimed: amountFromWire(wire.claimed, 'claimed'),
  vouchered: amountFromWire(wire.vouchered, 'vouchered'),
  receipted: amountFromWire(wire.receipted, 'receipted'),
  receipts: wire.receipts,
  voucheredReceipts: wire.voucheredReceipts,
});

/** A client's connection to one router. @param address `host:port` @throws CodedError CONFIG_INVALID */
export function connectToRouter(address: string, now: Clock, tls?: ClientTls): RouterTransport {
  const router = openChannel(clientDoor(address, tls), now);
  const { ListModels, GetOffers } = v1.Inference.service;
  const { GetEvidence, GetAdmission, GetReceiptProof } = v1.Transparency.service;
  const { GetTerms, Delegate, SubmitVoucher, GetChannel, RequestClaim } = v1.Payments.service;
  return {
    listModels: async (options) =>
      (await ask(router, ListModels, {}, options)).models.map((model) => ({
        ...model,
        modelDigest: bytesOf(model.modelDigest),
      })),
    getOffers: async (hello, offersMax, options) =>
      (await ask(router, GetOffers, { hello, offersMax }, options)).offers.map((entry) => ({
        offer: bytesOf(entry.offer),
        evidenceDigest: bytesOf(entry.evidenceDigest),
        workerId: bytesOf(entry.workerId),
        workerName: entry.workerName,
      })),
    infer: (open, frames, options) => infer(router, open, frames, options),
    getEvidence: async (evidenceDigest, options) => {
      const answer = await ask(router, GetEvidence, { evidenceDigest }, options);
      return { bundle: bytesOf(answer.bundle), collateral: answer.collateral };
    },
    getAdmission: async (workerId, options) => entry(await ask(router, GetAdmission, { workerId }, options)),
    getReceiptProof: async (receiptDigest, options) => {
      const answer = await ask(router, GetReceiptProof, { receiptDigest }, options);
      return { batch: entry(answer.batch), place: bytesOf(answer.place) };
    },
    getTerms: async (options) => {
      const answer = await ask(router, GetTerms, {}, options);
      return {
        ...answer,
        priceSheet: bytesOf(answer.priceSheet),
        priceSignature: bytesOf(answer.priceSignature),
        modelPrices: answer.modelPrices.map((price) => ({
          model: bytesOf(price.model),
          priceSheet: bytesOf(price.priceSheet),
          signature: bytesOf(price.signature),
        })),
        dispatchKey: bytesOf(answer.dispatchKey),
      };
    },
    delegate: async ({ channel, limit, notAfter, ...rest }, options) => {
      const terms = { ...channel, salt: channel.salt.toString() };
      const request = { ...rest, channel: terms, limit: limit.toString(), notAfter: String(notAfter) };
      return bytesOf((await ask(router, Delegate, request, options)).paymentRef);
    },
    submitVoucher: async ({ cumulative, newReceiptDigests, ...rest }, options) => {
      const request = {
        ...rest,
        cumulative: cumulative.toString(),
        newReceiptDigests: newReceiptDigests.map(asBuffer),
      };
      return amountFromWire((await ask(router, SubmitVoucher, request, options)).cumulative, 'cumulative');
    },
    getChannel: async (channel, options) => account(await ask(router, GetChannel, { channel }, options)),
    requestClaim: async (channel, options) => account(await ask(router, RequestClaim, { channel }, options)),
    close: () => router.close(),
  };
}

/** Parts that wait to be read before the router is held up. */
const WAITING_MAX = 16;

const INFER = v1.Inference.service.Infer.path;

async function* infer(
  router: GrpcChannel,
  ...[open, frames, { deadline, signal, stop, traceparent }]: Parameters<RouterTransport['infer']>
): AsyncGenerator<ResponsePart> {
  const parts = new Inbox<ResponsePart>();
  const listener: StreamListener = {
    message: (whole) => {
      parts.push(responsePart(Buffer.from(whole)));
      if (parts.length >= WAITING_MAX) stream.pause();
    },
    ended: (error) => parts.end(error),
  };
  const metadata = traceparent === undefined ? {} : { traceparent };
  const stream = router.open(INFER, deadline, listener, metadata);
  const cancel = () => stream.cancel();
  const sayStop = () => void stream.write(CLIENT_STOP);
  signal?.addEventListener('abort', cancel, { once: true });
  stop?.addEventListener('abort', sayStop, { once: true });
  if (signal?.aborted) cancel();
  stream.write(inferWire(open, frames));
  if (stop?.aborted) sayStop();
  else if (stop === undefined) stream.halfClose();
  try {
    for (let part = await parts.next(); part !== undefined; part = await parts.next()) {
      yield part;
      if (parts.length === 0) stream.resume();
    }
  } finally {
    signal?.removeEventListener('abort', cancel);
    stop?.removeEventListener('abort', sayStop);
    const hasEnded = stream.isOver;
    stream.cancel();
    // Another request often follows, and its header says its deadline.
    if (hasEnded) router.makeReady(INFER);
  }
}

/** @throws CodedError for what is no part of an answer */
function responsePart(whole: Buffer): ResponsePart {
  const part = partOf(whole);
  if (part.kind === 'refused') throw new CodedError('ROUTER_UNREACHABLE', 'the router broke the protocol');
  return part;
}
