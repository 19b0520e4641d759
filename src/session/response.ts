import type { RunningHmac } from '#crypto';
import { type Bytes, CodedError, concat, u32, u64 } from '../core/index.ts';
import { FRAME_BYTES_MAX, FRAME_OVERHEAD, FRAMES_MAX, FrameKey, responseSteps } from './frames.ts';
import type { Padding } from './header.ts';
import { malformed, readU64, readUint } from './objects.ts';
import type { TokenCounts } from './price.ts';
import { encodeFinish, type Finish, type ReceiptKind, readFinish } from './receipt.ts';
import type { SentRequest } from './request.ts';
import { responseKeysFrom, responseStart } from './request-keys.ts';

/** Flags of a response frame (AIS/1 section 6); others are refused. */
export const FRAME_DATA = 0;
export const FRAME_FINAL = 1;
export const FRAME_ERROR = 2;

const BUCKET_BYTES = 256;
/** Plaintext of every frame in tick mode, one each 50 ms. */
export const TICK_BYTES = 1024;
/** The longest message of one response frame: with it a frame stays within 16 KiB in every padding. */
export const RESPONSE_MESSAGE_MAX = 16_128 - 4;
const PREFACE_BYTES = 65;
const USAGE_BYTES = 21;

/** Bytes of the plaintext that carries a message of this length, before its tag. */
export function paddedBytes(messageLength: number, padding: Padding): number {
  const needed = 4 + messageLength;
  if (padding === 'off') return needed;
  return padding === 'bucket' ? Math.ceil(needed / BUCKET_BYTES) * BUCKET_BYTES : TICK_BYTES;
}

/** The clear preface: ec_digest_j[32] ‖ dispatch u8 ‖ response_nonce[32]. */
export type Preface = Readonly<{ certificateDigest: Bytes; dispatch: number; responseNonce: Bytes }>;

export function encodePreface(preface: Preface): Bytes {
  return concat(preface.certificateDigest, Uint8Array.of(preface.dispatch), preface.responseNonce);
}

/** @throws CodedError OBJECT_MALFORMED unless it has 65 bytes */
export function parsePreface(bytes: Uint8Array): Preface {
  if (bytes.length !== PREFACE_BYTES) throw malformed('preface', 'length', 'not 65 bytes');
  return {
    certificateDigest: new Uint8Array(bytes.subarray(0, 32)),
    dispatch: bytes[32] as number,
    responseNonce: new Uint8Array(bytes.subarray(33)),
  };
}

/** The exact usage that the final frame seals. */
export type Usage = Readonly<{ finish: Finish; counts: TokenCounts; amount: bigint }>;

/** finish u8 ‖ tokens_in u32 ‖ tokens_cached u32 ‖ tokens_out u32 ‖ amount u64. */
export function encodeUsage({ finish, counts, amount }: Usage): Bytes {
  const { tokensIn, tokensCached, tokensOut } = counts;
  return concat(encodeFinish(finish), u32(tokensIn), u32(tokensCached), u32(tokensOut), u64(amount));
}

/** @throws CodedError OBJECT_MALFORMED */
export function parseUsage(message: Uint8Array): Usage {
  if (message.length !== USAGE_BYTES) throw malformed('usage', 'length', `not ${USAGE_BYTES} bytes`);
  return {
    finish: readFinish(message.subarray(0, 1)),
    counts: {
      tokensIn: readUint(message.subarray(1, 5)),
      tokensCached: readUint(message.subarray(5, 9)),
      tokensOut: readUint(message.subarray(9, 13)),
    },
    amount: readU64(message.subarray(13)),
  };
}

/**
 * `c_i` over the ciphertext of a response: what worker, router and client each compute for themselves (section 8). Whatever
 * is wrong with a frame shows when it is pushed; the hashing may come later, at the latest when the value is asked for.
 */
export class ResponseChain {
  /** Its own: each frame overwrites it, a while after it came. */
  readonly #value: Bytes;
  #frames = 0;
  /** Flags of the newest frame. */
  #flags = FRAME_DATA;

  constructor(of: Parameters<typeof responseStart>[0]) {
    this.#value = responseStart(of);
  }

  /**
   * @param from where the frame begins in `bytes`, whose end is its own
   * @throws CodedError STREAM_ENDED after the last frame; RESPONSE_REFUSED for unknown flags, a frame too short or too
   *   long, or more than 2^20 frames
   */
  push(bytes: Uint8Array, from = 0): void {
    if (this.ended) throw new CodedError('STREAM_ENDED', 'a frame after the last one', { check: 'frameAfterEnd' });
    const length = bytes.length - from;
    if (length < FRAME_OVERHEAD + 4 || length > FRAME_BYTES_MAX) {
      throw new CodedError('RESPONSE_REFUSED', 'a frame of a length that none has', { check: 'frameLength' });
    }
    if (this.#frames >= FRAMES_MAX) throw new CodedError('RESPONSE_REFUSED', 'too many frames', { check: 'frames' });
    const flags = bytes[from] as number;
    if (flags > FRAME_ERROR) throw new CodedError('RESPONSE_REFUSED', 'unknown frame flags', { check: 'flags' });
    responseSteps.takeLater(this.#value, bytes, from);
    this.#frames++;
    this.#flags = flags;
  }

  get value(): Bytes {
    responseSteps.settle();
    return concat(this.#value);
  }
  get frames(): number {
    return this.#frames;
  }
  /** True once a frame flagged final or error has passed. For who cannot open frames, only the flag says so. */
  get ended(): boolean {
    return this.#flags !== FRAME_DATA;
  }
  /** Of the receipt that may come now: an answer that failed has no final one, and a whole one none of an error. */
  get receiptKind(): ReceiptKind {
    return RECEIPT_OF_FLAGS[this.#flags] as ReceiptKind;
  }
}

const RECEIPT_OF_FLAGS: Readonly<Record<number, ReceiptKind>> = {
  [FRAME_DATA]: 'checkpoint',
  [FRAME_FINAL]: 'final',
  [FRAME_ERROR]: 'error',
};

export type ResponseEvent =
  | Readonly<{ kind: 'data'; message: Bytes }>
  | Readonly<{ kind: 'final'; usage: Usage }>
  | Readonly<{ kind: 'error'; message: Bytes }>;

/**
 * Opens one response in order (section 6). Whatever throws leaves it failed for good: no later frame is read.
 * A frame lost, doubled, moved, cut or of another request, session or worker does not open.
 */
export class ResponseReader {
  readonly sent: SentRequest;
  readonly preface: Preface;
  /** Place of the answering worker among the session's candidates. */
  readonly candidate: number;
  readonly #key: FrameKey;
  readonly #chain: ResponseChain;
  readonly #commitment: RunningHmac;
  #commitmentValue: Bytes | null = null;
  #usage: Usage | null = null;
  #failed = false;
  #tickBytes = 0;
  #dataBytes = 0;

  constructor(sent: SentRequest, prefaceBytes: Uint8Array) {
    const preface = parsePreface(prefaceBytes);
    const { session, headerHash, requestDigest } = sent;
    this.candidate = candidateOf(sent, preface);
    const { enc } = session.candidates[this.candidate] as (typeof session.candidates)[number];
    const { secret, commitment } = sent.secrets.take(this.candidate);
    const keys = responseKeysFrom(secret, sent.contentKey, enc, preface.responseNonce);
    this.sent = sent;
    this.preface = preface;
    this.#key = new FrameKey(keys.key, keys.nonce);
    keys.key.fill(0);
    keys.nonce.fill(0);
    this.#chain = new ResponseChain({ headerHash, requestDigest, ...preface });
    this.#commitment = commitment;
  }

  /**
   * @param frame as it came, in order
   * @throws CodedError FRAME_NOT_AUTHENTIC, STREAM_ENDED, RESPONSE_REFUSED with `facts.check`, `facts.frame`
   */
  push(frame: Uint8Array): ResponseEvent {
    if (this.#failed) throw new CodedError('RESPONSE_REFUSED', 'this response has failed already', { check: 'failed' });
    this.#failed = true; // until this frame has passed
    const index = this.#chain.frames;
    if (this.#chain.ended)
      throw new CodedError('STREAM_ENDED', 'a frame after the last one', { check: 'frameAfterEnd' });
    const plaintext = frame.length > FRAME_BYTES_MAX ? null : this.#key.open(index, frame);
    if (plaintext === null) {
      throw new CodedError('FRAME_NOT_AUTHENTIC', 'a response frame does not open', { check: 'frame', frame: index });
    }
    this.#chain.push(frame);
    const message = this.#messageOf(plaintext, index);
    const event = this.#eventOf(frame[0] as number, message, index);
    this.#failed = false;
    return event;
  }

  #messageOf(plaintext: Bytes, index: number): Bytes {
    const refused = (name: string, why: string) =>
      new CodedError('RESPONSE_REFUSED', why, { check: name, frame: index });
    if (plaintext.length < 4) throw refused('length', 'a frame without a length');
    const [a, b, c, d] = plaintext as unknown as readonly [number, number, number, number];
    const length = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
    if (length > plaintext.length - 4) throw refused('length', 'a message longer than its frame');
    for (let i = 4 + length; i < plaintext.length; i++) {
      if (plaintext[i] !== 0) throw refused('zeros', 'padding that is not zero');
    }
    const { padding } = this.sent.header;
    if (padding === 'tick') this.#tickBytes ||= plaintext.length;
    const expected = padding === 'tick' ? this.#tickBytes : paddedBytes(length, padding);
    if (plaintext.length !== expected) throw refused('padding', 'a frame not padded as the header asks');
    return plaintext.subarray(4, 4 + length);
  }

  #eventOf(flags: number, message: Bytes, index: number): ResponseEvent {
    if (flags === FRAME_DATA) {
      if (message.length === 0 && this.sent.header.padding !== 'tick') {
        throw new CodedError('RESPONSE_REFUSED', 'an empty data frame', { check: 'emptyFrame', frame: index });
      }
      this.#commitment.update(message);
      this.#dataBytes += message.length;
      return { kind: 'data', message };
    }
    this.#commitmentValue = this.#commitment.digest();
    this.#key.erase();
    if (flags === FRAME_ERROR) return { kind: 'error', message };
    this.#usage = parseUsage(message);
    return { kind: 'final', usage: this.#usage };
  }

  /** To be called where the stream ends. @throws CodedError STREAM_TRUNCATED unless an authenticated last frame came */
  end(): void {
    if (this.#failed || !this.#chain.ended) {
      throw new CodedError('STREAM_TRUNCATED', 'the response was cut before its end', { frames: this.#chain.frames });
    }
  }

  get chain(): Bytes {
    return this.#chain.value;
  }
  get frames(): number {
    return this.#chain.frames;
  }
  /** Length of all data messages so far. */
  get dataBytes(): number {
    return this.#dataBytes;
  }
  /** Of the final frame; null before it and after an error frame. */
  get usage(): Usage | null {
    return this.#usage;
  }
  /** HMAC over the data messages; null before the end. */
  get responseCommitment(): Bytes | null {
    return this.#commitmentValue;
  }
  /** Of the receipt that may come now. */
  get receiptKind(): ReceiptKind {
    return this.#chain.receiptKind;
  }
}

function candidateOf(sent: SentRequest, preface: Preface): number {
  const place = sent.header.candidates.findIndex((c) =>
    c.certificateDigest.every((byte, i) => byte === preface.certificateDigest[i]),
  );
  if (place < 0) {
    throw new CodedError('RESPONSE_REFUSED', 'the preface names no candidate', { check: 'prefaceCandidate' });
  }
  if (preface.dispatch < 1 || preface.dispatch > sent.header.dispatchesMax) {
    throw new CodedError('RESPONSE_REFUSED', 'a dispatch that the header does not allow', { check: 'prefaceDispatch' });
  }
  return place;
}

/**
 * Begins to read the response to a request.
 * @param preface 65 bytes, as it came
 * @throws CodedError OBJECT_MALFORMED; RESPONSE_REFUSED where the preface's worker is no candidate or its dispatch is
 *   out of range; SESSION_EXPIRED where the session was closed
 */
export function openResponse(sent: SentRequest, preface: Uint8Array): ResponseReader {
  return new ResponseReader(sent, preface);
}
