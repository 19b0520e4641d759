import { CodedError } from '../../core/index.ts';

/** gRPC over HTTP/2, "Length-Prefixed-Message": u8 compressed flag, u32 length, message. */
export const PREFIX_BYTES = 5;

/** A message with its prefix, uncompressed. */
export function framed(message: Uint8Array): Buffer {
  const whole = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  whole[0] = 0;
  whole.writeUInt32BE(message.length, 1);
  whole.set(message, PREFIX_BYTES);
  return whole;
}

/** Whether a piece is one message and nothing else, as most pieces are where each is sent by itself. */
export function isOneMessage(piece: Buffer, messageBytesMax: number): boolean {
  const length = piece.length - PREFIX_BYTES;
  if (length < 0 || length > messageBytesMax || piece[0] !== 0) return false;
  return piece.readUInt32BE(1) === length;
}

/**
 * Cuts a stream of DATA into its messages, whatever the pieces it comes in. Holds at most one message that is not yet
 * whole. What it hands out are views into the pieces: whoever keeps one copies it.
 */
export class MessageReader {
  readonly #messageBytesMax: number;
  /** Of a message that is not whole: its pieces, prefix included, and how many bytes they are. */
  #pieces: Buffer[] = [];
  #held = 0;
  /** Bytes of prefix and message that are being waited for. */
  #wanted = PREFIX_BYTES;

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  /** Whether the stream may end here. */
  get isAtBorder(): boolean {
    return this.#held === 0;
  }

  /**
   * @param take called for each whole message, prefix and message apart as one view: `whole.subarray(PREFIX_BYTES)` is
   *   the message
   * @throws CodedError REQUEST_UNSUPPORTED (compressed), REQUEST_TOO_LARGE, before any byte of such a message is held
   */
  push(piece: Buffer, take: (whole: Buffer) => void): void {
    let rest = piece;
    while (rest.length > 0) {
      if (this.#held === 0) {
        const length = this.#lengthOf(rest);
        if (length === rest.length) {
          take(rest);
          return;
        }
        if (length !== null && rest.length > length) {
          take(rest.subarray(0, length));
          rest = rest.subarray(length);
          continue;
        }
      }
      rest = this.#hold(rest, take);
    }
  }

  /** Prefix and message together, or null where the prefix is not there whole. */
  #lengthOf(start: Buffer): number | null {
    if (start.length > 0 && start[0] !== 0) {
      throw new CodedError('REQUEST_UNSUPPORTED', 'compressed messages are not taken');
    }
    if (start.length < PREFIX_BYTES) return null;
    const length = start.readUInt32BE(1);
    if (length > this.#messageBytesMax) {
      throw new CodedError(
        'REQUEST_TOO_LARGE',
        `a message of ${length} bytes, and at most ${this.#messageBytesMax} are taken`,
      );
    }
    return PREFIX_BYTES + length;
  }

  #hold(rest: Buffer, take: (whole: Buffer) => void): Buffer {
    const missing = this.#wanted - this.#held;
    const part = rest.subarray(0, missing);
    this.#pieces.push(part);
    this.#held += part.length;
    if (this.#held < this.#wanted) return rest.subarray(part.length);
    const whole = this.#pieces.length === 1 ? part : Buffer.concat(this.#pieces, this.#held);
    const length = this.#wanted === PREFIX_BYTES ? (this.#lengthOf(whole) as number) : this.#wanted;
    if (length > this.#held) {
      this.#pieces = [whole];
      this.#wanted = length;
    } else {
      this.#pieces = [];
      this.#held = 0;
      this.#wanted = PREFIX_BYTES;
      take(whole);
    }
    return rest.subarray(part.length);
  }
}
