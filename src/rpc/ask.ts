import type { CallOptions } from '../client/index.ts';
import { type Clock, CodedError, type ErrorCode } from '../core/index.ts';
import { type ChannelDoor, GrpcChannel } from './grpc/channel.ts';
import { framed, PREFIX_BYTES } from './grpc/framing.ts';
import { CHANNEL_LIMITS } from './package.ts';

/**
 * A connection to a router, or to a service of its operator.
 * @param messageBytesMax of one answer
 * @throws CodedError CONFIG_INVALID
 */
export function openChannel(
  door: ChannelDoor,
  now: Clock,
  messageBytesMax = CHANNEL_LIMITS.messageBytesMax,
): GrpcChannel {
  return new GrpcChannel(door, { ...CHANNEL_LIMITS, messageBytesMax }, UNREACHABLE, now);
}

const UNREACHABLE: ErrorCode = 'ROUTER_UNREACHABLE';

type UnaryMethod<Ask, Answer> = Readonly<{
  path: string;
  requestSerialize: (request: Ask) => Buffer;
  responseDeserialize: (bytes: Buffer) => Answer;
}>;

/** One question, one answer. @throws CodedError of the peer, or ROUTER_UNREACHABLE */
export function ask<Ask, Answer>(
  channel: GrpcChannel,
  { path, requestSerialize, responseDeserialize }: UnaryMethod<Ask, Answer>,
  request: Ask,
  { deadline, signal }: CallOptions,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let answer: Buffer | null = null;
    const broken = (cause?: unknown) => new CodedError(UNREACHABLE, 'the peer broke the protocol', {}, { cause });
    const stream = channel.open(path, deadline, {
      message: (whole) => {
        if (answer !== null) throw broken();
        answer = Buffer.from(whole.subarray(PREFIX_BYTES));
      },
      ended: (error) => {
        signal?.removeEventListener('abort', cancel);
        if (error !== null || answer === null) return reject(error ?? broken());
        try {
          resolve(responseDeserialize(answer));
        } catch (cause) {
          reject(broken(cause));
        }
      },
    });
    const cancel = () => stream.cancel();
    if (signal?.aborted) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
    stream.write(framed(requestSerialize(request)));
    stream.halfClose();
  });
}
