import type { Readable } from 'node:stream';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { CodedError, type ErrorCode } from '../core/index.ts';
import { fromServiceError } from './status.ts';

// biome-ignore lint/suspicious/noExplicitAny: the generated message types differ for each method and direction
type Stream = ClientDuplexStream<any, any>;

/** Resolves when the stream takes more, so that HTTP/2 flow control reaches whoever writes; rejects once it is gone. */
export function writeTo(stream: Stream, message: unknown): Promise<void> {
  if (stream.destroyed || !stream.writable) return Promise.reject(gone());
  if (stream.write(message)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => () => {
      stream.off('drain', drained).off('close', closed).off('error', closed);
      finish();
    };
    const drained = settle(resolve);
    const closed = settle(() => reject(gone()));
    stream.once('drain', drained).once('close', closed).once('error', closed);
  });
}

/**
 * Messages as they come; throws a CodedError where the stream breaks. Leaving the loop early leaves the stream open: its
 * other direction may still be in use.
 * @param unreachable code for a lost peer
 */
export async function* readFrom<Message>(stream: Stream, unreachable: ErrorCode): AsyncGenerator<Message> {
  const messages = (stream as Readable).iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Message>;
  for (;;) {
    const next = await messages.next().catch((error: unknown) => {
      throw fromServiceError(error, unreachable);
    });
    if (next.done) break;
    yield next.value;
  }
}

/** Messages that may wait for a peer that does not read its control stream; beyond it the stream is cut. */
const WAITING_MAX = 4_096;

/** Writes one after the other, in the order given; a peer that stops reading loses the stream. */
export function orderedWriter(stream: Stream): (message: unknown) => void {
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;
  return (message) => {
    waiting += 1;
    if (waiting > WAITING_MAX) stream.destroy();
    last = last
      .then(() => writeTo(stream, message))
      .catch(() => void stream.destroy())
      .finally(() => {
        waiting -= 1;
      });
  };
}

function gone(): CodedError {
  return new CodedError('PEER_UNREACHABLE', 'the stream is closed');
}
