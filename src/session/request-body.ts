import { type Bytes, CodedError } from '../core/index.ts';
import { FRAME_OVERHEAD, type FrameKey, PIECE_BYTES } from './frames.ts';

/** How a request hides its length: Padmé costs at most 12 %, the next power of two up to 100 %. */
export type BodyPadding = 'padme' | 'powerOfTwo';

const BODY_BYTES_MIN = 256;
/** The longest body whose sealed frames still fit the header's u32. */
const BODY_BYTES_MAX = 2 ** 31;

/** Padmé: the length rounded up so that only its highest log2(log2(length)) bits tell anything. */
export function padme(length: number): number {
  if (length < 2) return length;
  const exponent = Math.floor(Math.log2(length));
  const kept = Math.floor(Math.log2(exponent)) + 1;
  const step = 2 ** (exponent - kept);
  return step <= 1 ? length : Math.ceil(length / step) * step;
}

/** Bytes of the padded body of a message of `messageLength` bytes. @throws CodedError REQUEST_REFUSED beyond 2 GiB */
export function bodyBytes(messageLength: number, padding: BodyPadding): number {
  const needed = Math.max(BODY_BYTES_MIN, 4 + messageLength);
  const length = padding === 'padme' ? padme(needed) : 2 ** Math.ceil(Math.log2(needed));
  if (length > BODY_BYTES_MAX) throw new CodedError('REQUEST_REFUSED', 'too long a message', { check: 'messageBytes' });
  return length;
}

/** Sum of the frame lengths of a body: the header's sealed_bytes. */
export function sealedBytesOf(bodyLength: number): number {
  return bodyLength + Math.ceil(bodyLength / PIECE_BYTES) * FRAME_OVERHEAD;
}

/** `u32 len ‖ message ‖ zeros` in pieces of 65 536 bytes; the last frame is flagged 1. */
export function sealBody(key: FrameKey, message: Uint8Array, bodyLength: number): Bytes[] {
  const body = new Uint8Array(bodyLength);
  new DataView(body.buffer).setUint32(0, message.length, false);
  body.set(message, 4);
  const frames: Bytes[] = [];
  for (let at = 0; at < bodyLength; at += PIECE_BYTES) {
    const last = at + PIECE_BYTES >= bodyLength;
    frames.push(key.seal(frames.length, last ? 1 : 0, body.subarray(at, Math.min(bodyLength, at + PIECE_BYTES))));
  }
  body.fill(0);
  return frames;
}

/** Which part of a body is not as it must be. */
export type BodyFault = 'frame' | 'length' | 'zeros';

/** Opens the frames and checks `len` and the zeros behind the message (section 6, step 9). */
export function openBody(
  key: FrameKey,
  frames: readonly Uint8Array[],
): Readonly<{ message: Bytes }> | Readonly<{ fault: BodyFault }> {
  const pieces: Bytes[] = [];
  let length = 0;
  for (const frame of frames) {
    const piece = key.open(pieces.length, frame);
    if (piece === null) return { fault: 'frame' };
    pieces.push(piece);
    length += piece.length;
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    body.set(piece, at);
    at += piece.length;
    piece.fill(0);
  }
  if (length < 4) return { fault: 'length' };
  const messageLength = new DataView(body.buffer).getUint32(0, false);
  if (messageLength > length - 4) return { fault: 'length' };
  const slack = body.subarray(4 + messageLength);
  for (const byte of slack) if (byte !== 0) return { fault: 'zeros' };
  return { message: body.subarray(4, 4 + messageLength) };
}
