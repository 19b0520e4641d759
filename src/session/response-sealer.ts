import { runningHmacSha256 } from '#crypto';
import { type Bytes, type Clock, CodedError, concat, secretBytes, type UnixMs } from '../core/index.ts';
import type { SignedReceipt } from './exchange.ts';
import { FRAMES_MAX, FrameKey } from './frames.ts';
import type { Padding } from './header.ts';
import { amountOf, type PriceSheet, roundCounts, type TokenCounts } from './price.ts';
import type { Finish, Receipt, ReceiptKind, ReceiptSigner } from './receipt.ts';
import {
  encodePreface,
  encodeUsage,
  FRAME_DATA,
  FRAME_ERROR,
  FRAME_FINAL,
  type Preface,
  paddedBytes,
  RESPONSE_MESSAGE_MAX,
  ResponseChain,
  TICK_BYTES,
} from './response.ts';

/** What the worker has established of a request by the time that it answers. */
export type ResponseTerms = Readonly<{
  preface: Preface;
  padding: Padding;
  key: Uint8Array;
  nonce: Uint8Array;
  commitmentKey: Uint8Array;
  price: PriceSheet;
  priceCap: bigint;
  started: UnixMs;
  /** The fields of every receipt of this request. */
  receipt: Pick<
    Receipt,
    | 'workerId'
    | 'keysetDigest'
    | 'certificateDigest'
    | 'model'
    | 'requestId'
    | 'headerHash'
    | 'requestDigest'
    | 'dispatch'
    | 'requestCommitment'
    | 'priceId'
  >;
}>;

/** Bound of what waits for its turn in tick mode. */
export const TICK_PENDING_MAX = 1_048_576;
const NO_TOKENS: TokenCounts = { tokensIn: 0, tokensCached: 0, tokensOut: 0 };

/** The worker's end of one response (AIS/1 sections 6 and 8): frames in order, receipts over what was sealed. */
export class ResponseSealer {
  /** Goes out first, in clear. */
  readonly preface: Bytes;
  readonly padding: Padding;
  readonly #terms: ResponseTerms;
  readonly #key: FrameKey;
  readonly #chain: ResponseChain;
  readonly #commitment: ReturnType<typeof runningHmacSha256>;
  readonly #signer: ReceiptSigner;
  readonly #now: Clock;
  #pending: Bytes = new Uint8Array(0);
  #plaintext: Bytes = new Uint8Array(0);
  #dataBytes = 0;

  constructor(terms: ResponseTerms, signer: ReceiptSigner, now: Clock) {
    this.preface = encodePreface(terms.preface);
    this.padding = terms.padding;
    this.#terms = terms;
    this.#key = new FrameKey(terms.key, terms.nonce);
    this.#chain = new ResponseChain({ ...terms.receipt, responseNonce: terms.preface.responseNonce });
    this.#commitment = runningHmacSha256(terms.commitmentKey);
    for (const used of [terms.key, terms.nonce, terms.commitmentKey]) used.fill(0);
    this.#signer = signer;
    this.#now = now;
  }

  get frames(): number {
    return this.#chain.frames;
  }
  get ended(): boolean {
    return this.#chain.ended;
  }
  /** Of the data messages so far: a client takes no checkpoint over more output tokens than it has bytes. */
  get dataBytes(): number {
    return this.#dataBytes;
  }

  /**
   * Seals one data message of 1 to {@link RESPONSE_MESSAGE_MAX} bytes, in the paddings `off` and `bucket`.
   * @throws CodedError INVARIANT_BROKEN for another length, in tick mode, or after the end
   */
  data(message: Uint8Array): Bytes {
    if (this.padding === 'tick') throw broken('in tick mode, enqueue() and tick()');
    if (message.length === 0) throw broken('an empty data message');
    return this.#seal(FRAME_DATA, message);
  }

  /** Tick mode: keeps data for the ticks to come. @throws CodedError INVARIANT_BROKEN beyond {@link TICK_PENDING_MAX} */
  enqueue(message: Uint8Array): void {
    if (this.padding !== 'tick' || this.#pending.length + message.length > TICK_PENDING_MAX) {
      throw broken('enqueue() is for tick mode, and bounded');
    }
    this.#pending = concat(this.#pending, message);
  }

  /** Bytes that wait for a tick; the final frame must not overtake them. */
  get pendingBytes(): number {
    return this.#pending.length;
  }

  /** Tick mode: the frame of one tick, which the caller sends each 50 ms whether or not there is anything to say. */
  tick(): Bytes {
    if (this.padding !== 'tick') throw broken('tick() is for tick mode');
    const message = this.#pending.subarray(0, TICK_BYTES - 4);
    const frame = this.#seal(FRAME_DATA, message);
    this.#pending = this.#pending.slice(message.length);
    return frame;
  }

  /** A receipt over what was sealed so far (kind 1). @param counts exact; the receipt shows them rounded */
  checkpoint(counts: TokenCounts): Promise<SignedReceipt> {
    if (this.ended) throw broken('a checkpoint after the end');
    return this.#receipt('checkpoint', counts, 'stop', null);
  }

  /** The last frame with the exact usage, and the receipt that makes it payable (kind 2). */
  final(usage: Readonly<{ finish: Finish; counts: TokenCounts }>): Promise<Sealed> {
    if (this.#pending.length > 0) throw broken('data still waits for its tick');
    const amount = this.#amount(usage.counts);
    return this.#last(FRAME_FINAL, encodeUsage({ ...usage, amount }), 'final', usage.counts, usage.finish);
  }

  /** Ends the stream with a sealed error; its receipt is over no amount (kind 3). */
  error(message: Uint8Array): Promise<Sealed> {
    this.#pending = new Uint8Array(0);
    return this.#last(FRAME_ERROR, message, 'error', NO_TOKENS, 'failed');
  }

  #last(flags: number, message: Uint8Array, kind: ReceiptKind, counts: TokenCounts, finish: Finish): Promise<Sealed> {
    const frame = this.#seal(flags, message);
    this.#key.erase();
    const receipt = this.#receipt(kind, counts, finish, this.#commitment.digest());
    return receipt.then((signed) => ({ frame, receipt: signed }));
  }

  #seal(flags: number, message: Uint8Array): Bytes {
    const most = this.padding === 'tick' ? TICK_BYTES - 4 : RESPONSE_MESSAGE_MAX;
    if (message.length > most) throw broken(`a message has at most ${most} bytes`);
    if (this.ended) throw broken('a frame after the last one');
    // Room for the last frame is always kept: a stream without one counts as cut.
    if (flags === FRAME_DATA && this.frames >= FRAMES_MAX - 1) throw broken('too many frames');
    const plaintext = this.#room(paddedBytes(message.length, this.padding));
    plaintext[0] = message.length >>> 24;
    plaintext[1] = message.length >>> 16;
    plaintext[2] = message.length >>> 8;
    plaintext[3] = message.length;
    plaintext.set(message, 4);
    const frame = this.#key.seal(this.frames, flags, plaintext);
    plaintext.fill(0);
    this.#chain.push(frame);
    if (flags === FRAME_DATA) {
      this.#commitment.update(message);
      this.#dataBytes += message.length;
    }
    return frame;
  }

  /** Zeros to lay a message out in; overwritten again once it is sealed. */
  #room(length: number): Bytes {
    if (this.#plaintext.length < length) this.#plaintext = secretBytes(length);
    return this.#plaintext.length === length ? this.#plaintext : this.#plaintext.subarray(0, length);
  }

  #amount(counts: TokenCounts): bigint {
    return amountOf(roundCounts(counts, this.#terms.price), this.#terms.price, this.#terms.priceCap);
  }

  #receipt(kind: ReceiptKind, counts: TokenCounts, finish: Finish, commitment: Bytes | null): Promise<SignedReceipt> {
    const { price, started, receipt } = this.#terms;
    return this.#signer.issue({
      ...receipt,
      kind,
      frames: this.frames,
      chain: this.#chain.value,
      responseCommitment: commitment,
      counts: roundCounts(counts, price),
      finish,
      amount: kind === 'error' ? 0n : this.#amount(counts),
      started,
      ended: Math.max(started, this.#now()),
    });
  }
}

/** The last frame of a response, and its receipt. */
export type Sealed = Readonly<{ frame: Bytes; receipt: SignedReceipt }>;

function broken(why: string): CodedError {
  return new CodedError('INVARIANT_BROKEN', `response: ${why}`);
}
