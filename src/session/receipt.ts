import type { SigningKey } from '#crypto';
import {
  type Bytes,
  decodeMs,
  decodeObject,
  encodeObject,
  objectDigest,
  type UnixMs,
  u8,
  u16,
  u32,
  u64,
} from '../core/index.ts';
import type { SignedReceipt } from './exchange.ts';
import { exactly, malformed, readU64, readUint, signDigest, VERSION } from './objects.ts';
import type { TokenCounts } from './price.ts';

export type ReceiptKind = 'checkpoint' | 'final' | 'error';
const KINDS: readonly (ReceiptKind | undefined)[] = [undefined, 'checkpoint', 'final', 'error'];

/** Why an answer ended. */
export type Finish = 'stop' | 'length' | 'cancelled' | 'failed';
const FINISHES: readonly Finish[] = ['stop', 'length', 'cancelled', 'failed'];

export function encodeFinish(finish: Finish): Bytes {
  return u8(FINISHES.indexOf(finish));
}
/** @throws CodedError OBJECT_MALFORMED */
export function readFinish(field: Uint8Array): Finish {
  const finish = FINISHES[readUint(field)];
  if (finish === undefined) throw malformed('usage', 'finish', 'unknown');
  return finish;
}

/** What RK signs of one request, for payment and audit (AIS/1 section 8). */
export type Receipt = Readonly<{
  version: number;
  kind: ReceiptKind;
  seq: bigint;
  /** Digest of this RK's receipt seq − 1; zeros at first. */
  prev: Bytes;
  workerId: Bytes;
  keysetDigest: Bytes;
  certificateDigest: Bytes;
  model: Bytes;
  requestId: Bytes;
  headerHash: Bytes;
  requestDigest: Bytes;
  dispatch: number;
  /** Response frames that `chain` covers. */
  frames: number;
  chain: Bytes;
  requestCommitment: Bytes;
  /** Null in a checkpoint. */
  responseCommitment: Bytes | null;
  /** Rounded; 0 in an error receipt. */
  counts: TokenCounts;
  /** `stop` (0) in a checkpoint, where it has no meaning. */
  finish: Finish;
  priceId: Bytes;
  amount: bigint;
  started: UnixMs;
  ended: UnixMs;
}>;

const RULES = [
  { name: 'version', length: 2 },
  { name: 'kind', length: 1 },
  { name: 'seq', length: 8 },
  { name: 'prev', length: 32 },
  { name: 'workerId', length: 32 },
  { name: 'keysetDigest', length: 32 },
  { name: 'certificateDigest', length: 32 },
  { name: 'model', length: 32 },
  { name: 'requestId', length: 16 },
  { name: 'headerHash', length: 32 },
  { name: 'requestDigest', length: 32 },
  { name: 'dispatch', length: 1 },
  { name: 'frames', length: 4 },
  { name: 'chain', length: 32 },
  { name: 'requestCommitment', length: 32 },
  { name: 'responseCommitment', length: [0, 32] },
  { name: 'tokensIn', length: 4 },
  { name: 'tokensCached', length: 4 },
  { name: 'tokensOut', length: 4 },
  { name: 'finish', length: 1 },
  { name: 'priceId', length: 32 },
  { name: 'amount', length: 8 },
  { name: 'started', length: 8 },
  { name: 'ended', length: 8 },
] as const;

export function encodeReceipt(receipt: Receipt): Bytes {
  return encodeObject([
    u16(receipt.version),
    u8(KINDS.indexOf(receipt.kind)),
    u64(receipt.seq),
    exactly(32, 'prev', receipt.prev),
    receipt.workerId,
    receipt.keysetDigest,
    receipt.certificateDigest,
    receipt.model,
    receipt.requestId,
    receipt.headerHash,
    receipt.requestDigest,
    u8(receipt.dispatch),
    u32(receipt.frames),
    receipt.chain,
    receipt.requestCommitment,
    receipt.responseCommitment ?? new Uint8Array(0),
    u32(receipt.counts.tokensIn),
    u32(receipt.counts.tokensCached),
    u32(receipt.counts.tokensOut),
    encodeFinish(receipt.finish),
    receipt.priceId,
    u64(receipt.amount),
    u64(receipt.started),
    u64(receipt.ended),
  ]);
}

/** Structure only. @throws CodedError OBJECT_MALFORMED, also for a checkpoint with, or another kind without, a response commitment */
export function parseReceipt(object: Uint8Array): Receipt {
  const f = decodeObject(object, 'receipt', RULES);
  const field = (name: (typeof RULES)[number]['name']) => f[RULES.findIndex((rule) => rule.name === name)] as Bytes;
  const version = readUint(field('version'));
  if (version !== VERSION) throw malformed('receipt', 'version', 'unknown');
  const kind = KINDS[readUint(field('kind'))];
  if (kind === undefined) throw malformed('receipt', 'kind', 'unknown');
  const commitment = field('responseCommitment');
  if ((kind === 'checkpoint') !== (commitment.length === 0)) {
    throw malformed('receipt', 'responseCommitment', 'empty in a checkpoint, and only there');
  }
  return {
    version,
    kind,
    seq: readU64(field('seq')),
    prev: field('prev'),
    workerId: field('workerId'),
    keysetDigest: field('keysetDigest'),
    certificateDigest: field('certificateDigest'),
    model: field('model'),
    requestId: field('requestId'),
    headerHash: field('headerHash'),
    requestDigest: field('requestDigest'),
    dispatch: readUint(field('dispatch')),
    frames: readUint(field('frames')),
    chain: field('chain'),
    requestCommitment: field('requestCommitment'),
    responseCommitment: commitment.length === 0 ? null : commitment,
    counts: {
      tokensIn: readUint(field('tokensIn')),
      tokensCached: readUint(field('tokensCached')),
      tokensOut: readUint(field('tokensOut')),
    },
    finish: readFinish(field('finish')),
    priceId: field('priceId'),
    amount: readU64(field('amount')),
    started: decodeMs(field('started'), 'receipt.started'),
    ended: decodeMs(field('ended'), 'receipt.ended'),
  };
}

/** `receipt_digest = H("receipt", fields)`. @param object as it travels */
export function receiptDigest(object: Uint8Array): Bytes {
  return objectDigest('receipt', object);
}

/** The one signer of a boot's receipts: numbers and links them, whatever order their signatures finish in. */
export class ReceiptSigner {
  readonly #key: SigningKey;
  #seq = 0n;
  #prev: Bytes = new Uint8Array(32);

  constructor(receiptKey: SigningKey) {
    this.#key = receiptKey;
  }

  /** Takes the next number at once; only the signature is awaited, and frames that were sealed before it go out meanwhile. */
  async issue(receipt: Omit<Receipt, 'version' | 'seq' | 'prev'>): Promise<SignedReceipt> {
    const object = encodeReceipt({ ...receipt, version: VERSION, seq: this.#seq, prev: this.#prev });
    const digest = receiptDigest(object);
    this.#seq++;
    this.#prev = digest;
    return { receipt: object, signature: await signDigest(this.#key, digest, 'aside') };
  }
}
