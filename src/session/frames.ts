import { type AeadKey, aeadKey, aeadOpen, aeadSealInto, sha256OfPublic } from '#crypto';
import { type Bytes, CodedError, concat, lengthPrefixed, u32, utf8 } from '../core/index.ts';

/** A frame is `u8 flags ‖ AEAD(key, nonce XOR u96(i), aad = flags, plaintext)` (AIS/1 section 6). */
export const FRAME_OVERHEAD = 17;
export const PIECE_BYTES = 65_536;
/** The longest plaintext of a frame that is read: a whole piece behind its u32 length. */
export const FRAME_BYTES_MAX = PIECE_BYTES + 4 + FRAME_OVERHEAD;
export const FRAMES_MAX = 2 ** 20;

const FLAGS = Array.from({ length: 256 }, (_, flags) => Uint8Array.of(flags));

const SLAB_BYTES = 65_536;
/** Frames up to this length are cut from shared memory: making memory for each costs as much as encrypting it. */
const SLAB_FRAME_MAX = 4096;
let slab: Bytes = new Uint8Array(0);
let slabUsed = 0;

/** Room for one frame. Ciphertext alone: what is secret has memory of its own. */
function ciphertextBytes(length: number): Bytes {
  if (length > SLAB_FRAME_MAX) return new Uint8Array(length);
  if (slabUsed + length > slab.length) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  const bytes = slab.subarray(slabUsed, slabUsed + length);
  slabUsed += length;
  return bytes;
}

/** The key of one direction of one request, imported once. Seals and opens without promises. */
export class FrameKey {
  #key: AeadKey | null;
  readonly #nonce: Bytes;
  readonly #scratch: Bytes;
  readonly #low: number;

  /** @param key 32 bytes @param nonce 12 bytes; both may be overwritten afterwards */
  constructor(key: Uint8Array, nonce: Uint8Array) {
    this.#key = aeadKey(key);
    this.#nonce = concat(nonce);
    this.#scratch = concat(nonce);
    this.#low = new DataView(this.#nonce.buffer).getUint32(8, false);
  }

  #nonceOf(index: number): Bytes {
    // FRAMES_MAX keeps the index within the lowest 32 of its 96 bits.
    const low = (this.#low ^ index) >>> 0;
    this.#scratch[8] = low >>> 24;
    this.#scratch[9] = (low >>> 16) & 0xff;
    this.#scratch[10] = (low >>> 8) & 0xff;
    this.#scratch[11] = low & 0xff;
    return this.#scratch;
  }

  seal(index: number, flags: number, plaintext: Uint8Array): Bytes {
    const frame = ciphertextBytes(plaintext.length + FRAME_OVERHEAD);
    frame[0] = flags;
    if (this.#key === null) throw erased();
    aeadSealInto(this.#key, this.#nonceOf(index), FLAGS[flags] as Bytes, plaintext, frame, 1);
    return frame;
  }

  /** The plaintext, or null where the frame is not the sender's frame number `index`. */
  open(index: number, frame: Uint8Array): Bytes | null {
    if (this.#key === null) throw erased();
    if (frame.length < FRAME_OVERHEAD) return null;
    return aeadOpen(this.#key, this.#nonceOf(index), FLAGS[frame[0] as number] as Bytes, frame, 1);
  }

  /** Lets go of the key, which the library overwrites when it frees it, and overwrites the nonce. */
  erase(): void {
    this.#key = null;
    this.#nonce.fill(0);
    this.#scratch.fill(0);
  }
}

function erased(): CodedError {
  return new CodedError('SESSION_EXPIRED', 'the keys of this response are erased');
}

const LENGTH_BYTES = 4;
/** Frames that wait to be hashed, of all chains together: some two hundred, a tenth of a millisecond. */
const LATE_BYTES = 65_536;

/**
 * A running digest over ciphertext: `x_{i+1} = H(label, x_i, frame_i)`, in the memory of `x_i`. The router computes it
 * from what it carries, so each step is one hash over memory that is laid out beforehand, and frames of many chains are
 * hashed in one go: in between other work each costs more than twice as much.
 */
class ChainSteps {
  /** Label, x_i and a frame, as long as it can be: what is hashed. Behind it the frames that wait, in order. */
  readonly #bytes: Bytes;
  readonly #valueAt: number;
  readonly #lengthAt: number;
  readonly #lateAt: number;
  /** From the beginning to the end of the frame: frames of a stream are of few lengths. */
  #hashed: Bytes;
  #lateEnd: number;
  #waiting = 0;
  /** Of each frame that waits: its chain's x_i, where its length begins, and where it ends. Kept, to be filled again. */
  readonly #values: Bytes[] = [];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  constructor(label: string) {
    const head = concat(lengthPrefixed(utf8(`ais/1 ${label}`)), u32(32));
    this.#valueAt = head.length;
    this.#lengthAt = this.#valueAt + 32;
    this.#lateAt = this.#lengthAt + LENGTH_BYTES + FRAME_BYTES_MAX;
    this.#lateEnd = this.#lateAt;
    this.#bytes = new Uint8Array(this.#lateAt + LATE_BYTES);
    this.#bytes.set(head);
    this.#hashed = this.#bytes;
  }

  /** @param value x_i, which becomes x_{i+1} @param frame at most {@link FRAME_BYTES_MAX} bytes */
  take(value: Bytes, frame: Uint8Array): void {
    if (frame.length > FRAME_BYTES_MAX) throw new RangeError('a frame longer than any that is sealed');
    this.#putLength(this.#lengthAt, frame.length);
    this.#bytes.set(frame, this.#lengthAt + LENGTH_BYTES);
    this.#hash(value, frame.length);
  }

  /**
   * As {@link take}, by the next {@link settle}: until then `value` is an older one.
   * @param from where the frame begins in `bytes`, whose end is its own
   */
  takeLater(value: Bytes, bytes: Uint8Array, from: number): void {
    const room = LENGTH_BYTES + bytes.length;
    if (this.#lateEnd + room > this.#bytes.length) this.settle();
    if (room > LATE_BYTES) {
      this.take(value, bytes.subarray(from));
      return;
    }
    // Copied with what stands before it: a view of the frame alone would cost more.
    this.#bytes.set(bytes, this.#lateEnd + LENGTH_BYTES);
    const start = this.#lateEnd + from;
    this.#putLength(start, bytes.length - from);
    this.#lateEnd += room;
    const place = this.#waiting++;
    this.#values[place] = value;
    this.#starts[place] = start;
    this.#ends[place] = this.#lateEnd;
  }

  /** Takes all frames that wait. */
  settle(): void {
    for (let i = 0; i < this.#waiting; i++) {
      const start = this.#starts[i] as number;
      const end = this.#ends[i] as number;
      this.#bytes.copyWithin(this.#lengthAt, start, end);
      this.#hash(this.#values[i] as Bytes, end - start - LENGTH_BYTES);
    }
    this.#waiting = 0;
    this.#lateEnd = this.#lateAt;
  }

  #putLength(at: number, length: number): void {
    this.#bytes[at] = length >>> 24;
    this.#bytes[at + 1] = length >>> 16;
    this.#bytes[at + 2] = length >>> 8;
    this.#bytes[at + 3] = length;
  }

  #hash(value: Bytes, frameBytes: number): void {
    this.#bytes.set(value, this.#valueAt);
    const end = this.#lengthAt + LENGTH_BYTES + frameBytes;
    if (this.#hashed.length !== end) this.#hashed = this.#bytes.subarray(0, end);
    sha256OfPublic(this.#hashed, value);
  }
}

/** `r_{i+1} = H("request", r_i, frame_i)`. */
export const requestSteps = new ChainSteps('request');
/** `c_{i+1} = H("response", c_i, frame_i)`. */
export const responseSteps = new ChainSteps('response');
