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

/**
 * A running digest over ciphertext: `x_{i+1} = H(label, x_i, frame_i)`, in the memory of `x_i`. The router computes it from
 * what it carries, so each step is one hash over one buffer that is laid out beforehand.
 */
function chainStep(label: string): (value: Bytes, frame: Uint8Array) => void {
  const head = concat(lengthPrefixed(utf8(`ais/1 ${label}`)), u32(32));
  const at = head.length;
  const buffer = new Uint8Array(at + 32 + 4 + FRAME_BYTES_MAX);
  buffer.set(head);
  const view = new DataView(buffer.buffer);
  // Frames of a stream are of few lengths.
  let room = buffer.subarray(0, at + 36);
  return (value, frame) => {
    if (frame.length > FRAME_BYTES_MAX) throw new RangeError('a frame longer than any that is sealed');
    buffer.set(value, at);
    view.setUint32(at + 32, frame.length, false);
    buffer.set(frame, at + 36);
    const length = at + 36 + frame.length;
    if (room.length !== length) room = buffer.subarray(0, length);
    sha256OfPublic(room, value);
  };
}

/** `r_{i+1} = H("request", r_i, frame_i)`. @param frame at most {@link FRAME_BYTES_MAX} bytes */
export const requestStep = chainStep('request');
/** `c_{i+1} = H("response", c_i, frame_i)`. @param frame at most {@link FRAME_BYTES_MAX} bytes */
export const responseStep = chainStep('response');
