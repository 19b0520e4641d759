import * as grpc from '@grpc/grpc-js';
import type { RouterTransport } from '../client/index.ts';
import { CodedError } from '../core/index.ts';
import type { ResponsePart } from '../session/index.ts';
import { bytesOf } from './bytes.ts';
import { readFrom, writeTo } from './duplex.ts';
import { v1 } from './package.ts';
import { amountFromWire } from './payments-server.ts';
import { fromServiceError } from './status.ts';
import { type ClientTls, clientDoor } from './tls.ts';
import type { ChannelAccount__Output } from './wire/chrysalis/v1/ChannelAccount.ts';
import type { InferResponse__Output } from './wire/chrysalis/v1/InferResponse.ts';
import type { LoggedEntry__Output } from './wire/chrysalis/v1/LoggedEntry.ts';

type Options = Parameters<RouterTransport['listModels']>[0];
type UnaryMethod<Ask, Answer> = Readonly<{
  path: string;
  requestSerialize: (request: Ask) => Buffer;
  responseDeserialize: (bytes: Buffer) => Answer;
}>;

export function ask<Ask, Answer>(
  client: grpc.Client,
  method: UnaryMethod<Ask, Answer>,
  request: Ask,
  options: Options,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { path, requestSerialize, responseDeserialize } = method;
    const settle = (error: grpc.ServiceError | null, answer?: Answer) => {
      options.signal?.removeEventListener('abort', cancel);
      if (error !== null || answer === undefined) reject(fromServiceError(error ?? {}, 'ROUTER_UNREACHABLE'));
      else resolve(answer);
    };
    const call: grpc.CallOptions = { deadline: options.deadline };
    const running = client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, call, settle);
    const cancel = () => running.cancel();
    if (options.signal?.aborted) cancel();
    else options.signal?.addEventListener('abort', cancel, { once: true });
  });
}

function partFromWire(wire: InferResponse__Output): ResponsePart {
  if (wire.preface) return { kind: 'preface', preface: bytesOf(wire.preface) };
  if (wire.frame) return { kind: 'frame', frame: bytesOf(wire.frame) };
  if (wire.receipt) {
    return {
      kind: 'receipt',
      receipt: { receipt: bytesOf(wire.receipt.receipt), signature: bytesOf(wire.receipt.signature) },
    };
  }
  throw new CodedError('ROUTER_UNREACHABLE', 'the router broke the protocol');
}

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
export function connectToRouter(address: string, tls?: ClientTls): RouterTransport {
  const { credentials, options: channel } = clientDoor(address, tls);
  const inference = new v1.Inference(address, credentials, channel);
  const transparency = new v1.Transparency(address, credentials, channel);
  const payments = new v1.Payments(address, credentials, channel);
  const { ListModels, GetOffers } = v1.Inference.service;
  const { GetEvidence, GetAdmission, GetReceiptProof } = v1.Transparency.service;
  const { GetTerms, Delegate, SubmitVoucher, GetChannel, RequestClaim } = v1.Payments.service;
  return {
    listModels: async (options) =>
      (await ask(inference, ListModels, {}, options)).models.map((model) => ({
        ...model,
        modelDigest: bytesOf(model.modelDigest),
      })),
    getOffers: async (hello, offersMax, options) =>
      (await ask(inference, GetOffers, { hello, offersMax }, options)).offers.map((entry) => ({
        offer: bytesOf(entry.offer),
        evidenceDigest: bytesOf(entry.evidenceDigest),
        workerId: bytesOf(entry.workerId),
        workerName: entry.workerName,
      })),
    infer: (open, frames, options) => infer(inference, open, frames, options),
    getEvidence: async (evidenceDigest, options) => {
      const answer = await ask(transparency, GetEvidence, { evidenceDigest }, options);
      return { bundle: bytesOf(answer.bundle), collateral: answer.collateral };
    },
    getAdmission: async (workerId, options) => entry(await ask(transparency, GetAdmission, { workerId }, options)),
    getReceiptProof: async (receiptDigest, options) => {
      const answer = await ask(transparency, GetReceiptProof, { receiptDigest }, options);
      return { batch: entry(answer.batch), place: bytesOf(answer.place) };
    },
    getTerms: async (options) => {
      const answer = await ask(payments, GetTerms, {}, options);
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
      return bytesOf((await ask(payments, Delegate, request, options)).paymentRef);
    },
    submitVoucher: async ({ cumulative, newReceiptDigests, ...rest }, options) => {
      const request = {
        ...rest,
        cumulative: cumulative.toString(),
        newReceiptDigests: newReceiptDigests.map(asBuffer),
      };
      return amountFromWire((await ask(payments, SubmitVoucher, request, options)).cumulative, 'cumulative');
    },
    getChannel: async (channel, options) => account(await ask(payments, GetChannel, { channel }, options)),
    requestClaim: async (channel, options) => account(await ask(payments, RequestClaim, { channel }, options)),
    close: () => {
      inference.close();
      transparency.close();
      payments.close();
    },
  };
}

function metadataOf({ traceparent }: Options): grpc.Metadata {
  const metadata = new grpc.Metadata();
  if (traceparent !== undefined) metadata.set('traceparent', traceparent);
  return metadata;
}

async function* infer(
  inference: InstanceType<typeof v1.Inference>,
  ...[open, frames, options]: Parameters<RouterTransport['infer']>
): AsyncGenerator<ResponsePart> {
  const call = inference.infer(metadataOf(options), { deadline: options.deadline });
  const cancel = () => call.cancel();
  options.signal?.addEventListener('abort', cancel, { once: true });
  if (options.signal?.aborted) cancel();
  // The reader below reports what went wrong; a write that fails because the stream is gone adds nothing.
  const stop = () => void writeTo(call, { stop: true }).catch(() => undefined);
  const sent = (async () => {
    await writeTo(call, { open: { ...open, candidates: [...open.candidates] } });
    for (const frame of frames) await writeTo(call, { frame });
    if (options.stop?.aborted) stop();
    else if (options.stop !== undefined) options.stop.addEventListener('abort', stop, { once: true });
    else call.end();
  })().catch(() => undefined);
  try {
    for await (const wire of readFrom<InferResponse__Output>(call, 'ROUTER_UNREACHABLE')) yield partFromWire(wire);
    await sent;
  } finally {
    options.signal?.removeEventListener('abort', cancel);
    options.stop?.removeEventListener('abort', stop);
    call.cancel();
  }
}
