import type * as grpc from '@grpc/grpc-js';
import { addressOfTerms } from '../chain/index.ts';
import type { Identities } from '../router/index.ts';
import type { Call as HttpCall } from './grpc/call.ts';
import { channelFromWire } from './payments-server.ts';
import { toServiceError } from './status.ts';
import type { DelegateRequest__Output } from './wire/chrysalis/v1/DelegateRequest.ts';

type Call = Pick<grpc.ServerUnaryCall<unknown, unknown>, 'getAuthContext'> & Readonly<{ request?: unknown }>;
type Answer = (error: Partial<grpc.ServiceError>) => void;
type Handler = (call: Call, answer: Answer) => void;

/** The same handlers for those that the router knows: whoever it does not know reaches none of them. */
export function identified(
  handlers: grpc.UntypedServiceImplementation,
  identities: Identities | null,
): grpc.UntypedServiceImplementation {
  if (identities === null) return handlers;
  const guarded = ([name, handler]: [string, unknown]): [string, Handler] => [
    name,
    (call, answer) => {
      try {
        identities.admit(call.getAuthContext().sslPeerCertificate?.raw ?? null, channelOf(name, call.request));
      } catch (error) {
        answer(toServiceError(error));
        return;
      }
      (handler as Handler)(call, answer);
    },
  ];
  return Object.fromEntries(Object.entries(handlers).map(guarded)) as unknown as grpc.UntypedServiceImplementation;
}

/** As {@link identified}, for a call that carries no channel: throws for a peer that the router does not know. */
export function identifiedPeer(identities: Identities | null): (call: HttpCall) => void {
  return (call) => void identities?.admit(call.peerCertificate?.raw ?? null, null);
}

/** The channel that a call is about, as the methods of Payments name it. @throws CodedError for one that is no channel */
function channelOf(method: string, request: unknown): string | null {
  if (method === 'delegate') return addressOfTerms(channelFromWire(request as DelegateRequest__Output)).raw;
  const { channel } = (request ?? {}) as { channel?: unknown };
  return typeof channel === 'string' ? channel : null;
}
