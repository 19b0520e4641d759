import type * as grpc from '@grpc/grpc-js';
import { type Bytes, CodedError } from '../core/index.ts';
import type { RouterService, ServeLink, ServeListener, ServeRequest, Standing } from '../router/index.ts';
import type { EvidenceMessage, RouterToWorker, WorkerToRouter } from '../session/index.ts';
import { bytesOf } from './bytes.ts';
import type { Call, CallHandler, CallListener } from './grpc/call.ts';
import { readOneField } from './grpc/fields.ts';
import { framed, PREFIX_BYTES } from './grpc/framing.ts';
import type { GrpcServer } from './grpc/server.ts';
import { v1 } from './package.ts';
import type { UnaryFactory } from './router-server.ts';
import { DONE, frameStart, otherPartOf, requestWire, SERVE_FROM_WORKER, STOP } from './serve-messages.ts';
import type { Evidence__Output as WireEvidence } from './wire/chrysalis/v1/Evidence.ts';
import type { GetStandingRequest__Output } from './wire/chrysalis/v1/GetStandingRequest.ts';
import type { Standing as WireStanding } from './wire/chrysalis/v1/Standing.ts';
import type { WorkerMessage__Output } from './wire/chrysalis/v1/WorkerMessage.ts';

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

function evidenceFromWire(wire: WireEvidence): EvidenceMessage {
  const { bundle, nonceProof, epochCertificate, epochSignature, certificates } = wire;
  return {
    kind: 'evidence',
    bundle: bytesOf(bundle),
    nonceProof: bytesOf(nonceProof),
    epochCertificate: bytesOf(epochCertificate),
    epochSignature: bytesOf(epochSignature),
    certificates: certificates.map(bytesOf),
  };
}

function fromWorkerWire(wire: WorkerMessage__Output): WorkerToRouter {
  if (wire.join) {
    const { versions, name, modelDigest, modelName, contextTokensMax, concurrencyMax } = wire.join;
    return {
      kind: 'join',
      join: { versions, name, modelDigest: bytesOf(modelDigest), modelName, contextTokensMax, concurrencyMax },
    };
  }
  if (wire.evidence) return evidenceFromWire(wire.evidence);
  if (wire.resume) {
    const { ticket, evidence, signature } = wire.resume;
    if (!evidence) throw new CodedError('REQUEST_MALFORMED', 'a resume without evidence');
    return {
      kind: 'resume',
      ticket: bytesOf(ticket),
      evidence: evidenceFromWire(evidence),
      signature: bytesOf(signature),
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

/** A worker's control messages that wait because it does not read; beyond it the stream is cut. */
const CONTROL_BYTES_MAX = 1024 * 1024;

function attachHandler(router: RouterService): CallHandler {
  const { requestDeserialize, responseSerialize } = v1.WorkerAttachment.service.Attach;
  return (call) => {
    let isLost = false;
    function lose(error: unknown): void {
      call.end(error);
      if (isLost) return;
      isLost = true;
      // The router may be in the middle of whatever it closes the stream for.
      queueMicrotask(() => attached.gone());
    }
    const attached = router.attach({
      send: (message) => {
        if (call.isOver) return;
        if (call.waitingBytes > CONTROL_BYTES_MAX) lose(new CodedError('WORKER_GONE', 'the worker does not read'));
        else call.write(framed(responseSerialize(toWorkerWire(message) as never)));
      },
      close: () => lose(null),
    });
    call.listen({
      message: (whole) => {
        try {
          attached.receive(fromWorkerWire(controlOf(requestDeserialize, whole)));
        } catch (error) {
          lose(error);
        }
      },
      halfClosed: () => lose(null),
      gone: (error) => lose(error),
    });
  };
}

function controlOf(deserialize: (bytes: Buffer) => WorkerMessage__Output, whole: Buffer): WorkerMessage__Output {
  // Copied: what a worker sends is kept.
  const message = Buffer.from(whole.subarray(PREFIX_BYTES));
  try {
    return deserialize(message);
  } catch (cause) {
    throw new CodedError('REQUEST_MALFORMED', 'a message that is no protobuf', {}, { cause });
  }
}

/** One request's turn on a Serve stream: it can do nothing to the stream once the next turn has come. */
class Turn implements ServeLink {
  readonly #stream: ServeStream;

  constructor(stream: ServeStream) {
    this.#stream = stream;
  }

  isOpen(): boolean {
    return this.#stream.isTurnOf(this);
  }

  begin(request: ServeRequest, listener: ServeListener): void {
    if (this.isOpen()) this.#stream.begin(request, listener);
    else listener.ended(new CodedError('WORKER_GONE', 'the stream is gone'));
  }

  stop(): void {
    if (this.isOpen()) this.#stream.call.write(STOP);
  }

  pause(): void {
    if (this.isOpen()) this.#stream.call.pause();
  }

  resume(): void {
    if (this.isOpen()) this.#stream.call.resume();
  }

  cancel(): void {
    if (this.isOpen()) this.#stream.cancel();
  }
}

/** Offers a stream to whoever has a request; false where its lease is not known (any more). */
type Park = (lease: Bytes, link: ServeLink) => boolean;

/** A stream that a worker keeps at the router: silent from its lease, or the end of an answer, to the next request. */
class ServeStream implements CallListener {
  #listener: ServeListener | null = null;
  readonly call: Call;
  readonly #park: Park;
  /** Null before it was named. */
  #lease: Bytes | null = null;
  #turn: Turn | null = null;

  constructor(call: Call, park: Park) {
    this.call = call;
    this.#park = park;
  }

  isTurnOf(turn: Turn): boolean {
    return this.#turn === turn && !this.call.isOver;
  }

  begin(request: ServeRequest, listener: ServeListener): void {
    this.#listener = listener;
    this.call.write(requestWire(request), true);
  }

  cancel(): void {
    this.#listener = null;
    this.call.end(new CodedError('REQUEST_CANCELLED', 'cancelled'));
  }

  message(whole: Buffer, isAlone: boolean): void {
    try {
      const listener = this.#listener;
      if (listener === null) {
        this.#start(whole);
        return;
      }
      const at = frameStart(whole);
      if (at > 0) listener.frame(whole, at, isAlone);
      else if (whole[PREFIX_BYTES] === DONE[0] && whole.subarray(PREFIX_BYTES).equals(DONE)) this.#next(listener);
      else {
        listener.part(otherPartOf(whole), whole);
        if (isAlone) listener.pieceEnd();
      }
    } catch (error) {
      this.#ended(error as CodedError);
    }
  }

  pieceEnd(): void {
    this.#listener?.pieceEnd();
  }

  halfClosed(): void {
    this.#ended(this.#lease === null ? new CodedError('WORKER_REFUSED', 'no lease was named') : null);
  }

  gone(): void {
    this.#ended(new CodedError('WORKER_GONE', 'the stream is cut'));
  }

  #ended(error: CodedError | null): void {
    const listener = this.#listener;
    this.#listener = null;
    this.call.end(error);
    listener?.ended(error);
  }

  #start(whole: Buffer): void {
    if (this.#lease !== null) throw new CodedError('REQUEST_MALFORMED', 'nothing may come before a request');
    const { number, bytes: lease } = readOneField(Uint8Array.from(whole), PREFIX_BYTES);
    if (number !== SERVE_FROM_WORKER.lease) throw new CodedError('WORKER_REFUSED', 'no lease was named');
    this.#lease = lease;
    this.#turn = new Turn(this);
    if (!this.#park(lease, this.#turn)) throw new CodedError('WORKER_REFUSED', 'no such lease');
  }

  #next(listener: ServeListener): void {
    this.#listener = null;
    const turn = new Turn(this);
    // First the old turn's end, which may still cut the stream: an answer that was not whole.
    listener.ended(null);
    if (this.call.isOver) return;
    this.#turn = turn;
    this.call.resume();
    if (!this.#park(this.#lease as Bytes, turn)) this.call.end();
  }
}

function standingToWire({ state, resumed, refused, leaseExpiresAt, logIndex, earned }: Standing): WireStanding {
  return {
    state,
    resumed,
    refused: refused === null ? null : { ...refused, checks: [...refused.checks], at: String(refused.at) },
    leaseExpiresAt: String(leaseExpiresAt),
    logIndex: String(logIndex),
    earned: earned === null ? '' : String(earned),
  };
}

/** Where workers dial in: the control stream, and the Serve streams they park. */
export function serveAttachment(server: GrpcServer, router: RouterService, unary: UnaryFactory): void {
  const { Attach, GetStanding, Serve } = v1.WorkerAttachment.service;
  const getStanding = unary(async ({ workerId }: GetStandingRequest__Output) =>
    standingToWire(await router.standing(bytesOf(workerId))),
  );
  server.addService({ GetStanding }, { getStanding } as grpc.UntypedServiceImplementation);
  server.handle(Attach.path, attachHandler(router));
  const park: Park = (lease, link) => router.park(lease, link);
  server.handle(Serve.path, (call) => call.listen(new ServeStream(call, park)));
}
