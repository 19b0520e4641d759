import type * as grpc from '@grpc/grpc-js';
import { CodedError } from '../core/index.ts';
import type { FromServe, RouterService, ServeLink, Standing, ToServe } from '../router/index.ts';
import type { OpenRefusal, RouterToWorker, WorkerToRouter } from '../session/index.ts';
import { bytesOf } from './bytes.ts';
import { orderedWriter, readFrom, writeTo } from './duplex.ts';
import type { UnaryFactory } from './router-server.ts';
import { toServiceError } from './status.ts';
import type { GetStandingRequest__Output } from './wire/chrysalis/v1/GetStandingRequest.ts';
import type { ServeFromWorker__Output } from './wire/chrysalis/v1/ServeFromWorker.ts';
import type { Standing as WireStanding } from './wire/chrysalis/v1/Standing.ts';
import type { WorkerMessage__Output } from './wire/chrysalis/v1/WorkerMessage.ts';

const OPEN_REFUSALS: ReadonlySet<string> = new Set<OpenRefusal>(['OPEN_FAILED', 'SESSION_UNKNOWN', 'BUSY']);

function toWorkerWire(message: RouterToWorker): object {
  switch (message.kind) {
    case 'challenge':
      return { challenge: message };
    case 'lease':
      return { lease: { ...message, expiresAt: String(message.expiresAt), logIndex: String(message.logIndex) } };
    case 'refusal':
      return { refusal: { ...message, failedChecks: [...message.failedChecks] } };
    case 'hello':
      return { hello: message };
    case 'drain':
      return { drain: message };
    case 'voucher':
      return { voucher: message };
  }
}

function fromWorkerWire(wire: WorkerMessage__Output): WorkerToRouter {
  if (wire.join) {
    const { versions, name, modelDigest, modelName, contextTokensMax, concurrencyMax } = wire.join;
    return {
      kind: 'join',
      join: { versions, name, modelDigest: bytesOf(modelDigest), modelName, contextTokensMax, concurrencyMax },
    };
  }
  if (wire.evidence) {
    const { bundle, nonceProof, epochCertificate, epochSignature, certificates } = wire.evidence;
    return {
      kind: 'evidence',
      bundle: bytesOf(bundle),
      nonceProof: bytesOf(nonceProof),
      epochCertificate: bytesOf(epochCertificate),
      epochSignature: bytesOf(epochSignature),
      certificates: certificates.map(bytesOf),
    };
  }
  if (wire.offer) {
    const { id, offer, refused, bundle } = wire.offer;
    if (offer) return { kind: 'offer', id, offer: bytesOf(offer), bundle: bytesOf(bundle) };
    return { kind: 'offerRefused', id, reason: (refused ?? '').slice(0, 64) };
  }
  if (wire.status) return { kind: 'status', running: wire.status.running, idleStreams: wire.status.idleStreams };
  if (wire.renewal) return { kind: 'renewal' };
  throw new CodedError('REQUEST_MALFORMED', 'an empty worker message');
}

function toServeWire(part: ToServe): object {
  if (part.kind === 'frame') return { frame: part.frame };
  if (part.kind === 'dispatch') return { dispatch: { dispatch: part.dispatch, signature: part.signature } };
  if (part.kind === 'stop') return { stop: true };
  const { kind: _, ...open } = part;
  return { open };
}

function standingToWire({ state, refused, leaseExpiresAt, logIndex, earned }: Standing): WireStanding {
  return {
    state,
    refused: refused === null ? null : { ...refused, checks: [...refused.checks], at: String(refused.at) },
    leaseExpiresAt: String(leaseExpiresAt),
    logIndex: String(logIndex),
    earned: earned === null ? '' : String(earned),
  };
}

function fromServeWire(wire: ServeFromWorker__Output): FromServe {
  if (wire.preface) return { kind: 'preface', preface: bytesOf(wire.preface) };
  if (wire.frame) return { kind: 'frame', frame: bytesOf(wire.frame) };
  if (wire.receipt) {
    return {
      kind: 'receipt',
      receipt: { receipt: bytesOf(wire.receipt.receipt), signature: bytesOf(wire.receipt.signature) },
    };
  }
  if (wire.refused !== undefined && OPEN_REFUSALS.has(wire.refused)) {
    return { kind: 'refused', reason: wire.refused as OpenRefusal };
  }
  throw new CodedError('WORKER_GONE', 'the worker broke the protocol');
}

/** Where workers dial in: the control stream, and the Serve streams they park. */
export function attachmentHandlers(router: RouterService, unary: UnaryFactory): grpc.UntypedServiceImplementation {
  return {
    getStanding: unary(async ({ workerId }: GetStandingRequest__Output) =>
      standingToWire(await router.standing(bytesOf(workerId))),
    ),
    attach: (call: grpc.ServerDuplexStream<WorkerMessage__Output, object>) => {
      const write = orderedWriter(call);
      const attached = router.attach({
        send: (message) => write(toWorkerWire(message)),
        close: () => call.end(),
      });
      void (async () => {
        for await (const wire of readFrom<WorkerMessage__Output>(call, 'WORKER_GONE')) {
          attached.receive(fromWorkerWire(wire));
        }
        call.end();
      })()
        .catch((error: unknown) => call.emit('error', toServiceError(error)))
        .finally(() => attached.gone());
    },
    serve: (call: grpc.ServerDuplexStream<ServeFromWorker__Output, object>) => {
      void (async () => {
        const messages = readFrom<ServeFromWorker__Output>(call, 'WORKER_GONE');
        const first = await messages.next();
        const lease = first.done ? undefined : first.value.lease;
        const link: ServeLink = {
          send: (part) => writeTo(call, toServeWire(part)),
          parts: (async function* () {
            for await (const wire of messages) yield fromServeWire(wire);
            call.end();
          })(),
          cancel: () => call.emit('error', toServiceError(new CodedError('REQUEST_CANCELLED', 'cancelled'))),
        };
        if (!lease || !router.park(bytesOf(lease), link)) throw new CodedError('WORKER_REFUSED', 'no such lease');
      })().catch((error: unknown) => call.emit('error', toServiceError(error)));
    },
  } as grpc.UntypedServiceImplementation;
}
