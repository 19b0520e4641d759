import { type Bytes, CodedError, fromHex, labelledDigest, toHex, u32 } from '../../core/index.ts';

/** How many blocks can be looked up: more than a day at one a second. */
export const HISTORY_BLOCKS_MAX = 100_000;
/** Forgetting moves the whole list, so it is done in strides. */
const HISTORY_BLOCKS_KEPT = 90_000;
/** Blocks that changed the state and are remembered one by one; between two of them all blocks have one state. */
const RUNS_MAX = 1024;

/** What a state file keeps of the history: root hashes are computed anew from it, and must come out the same. */
export type BlocksRecord = Readonly<{
  /** Sequence number of the first block remembered. */
  first: number;
  /** Root hash of the block before it, hexadecimal. */
  before: string;
  /** [sequence number, state hash]: from that block on the state had this hash. */
  runs: readonly (readonly [number, string])[];
  latest: number;
  latestRoot: string;
}>;

/**
 * The development chain's masterchain blocks. A block's root hash is
 * `H("development block", chain id, u32 seqno, state hash, root hash of the block before)`: it commits to all before it,
 * and a block without messages follows from the one before, so a crash can never make two blocks of one number.
 */
export class Blocks {
  readonly #chainId: Bytes;
  #first: number;
  #before: Bytes;
  #roots: Bytes[] = [];
  #runs: [number, Bytes][] = [];

  private constructor(chainId: Bytes, first: number, before: Bytes) {
    this.#chainId = chainId;
    this.#first = first;
    this.#before = before;
  }

  /** A chain whose block 1 has this state. */
  static genesis(chainId: Bytes, stateHash: Bytes): Blocks {
    const blocks = new Blocks(chainId, 1, new Uint8Array(32));
    blocks.append(stateHash);
    return blocks;
  }

  /** @throws CodedError CHAIN_STATE_CORRUPT unless the record gives the latest root hash it states */
  static restore(chainId: Bytes, record: BlocksRecord): Blocks {
    const corrupt = () => new CodedError('CHAIN_STATE_CORRUPT', 'the block history of the state file does not hold');
    const blocks = new Blocks(chainId, record.first, fromHex(record.before));
    const count = record.latest - record.first + 1;
    if (count < 1 || count > 2 * HISTORY_BLOCKS_MAX || record.runs[0]?.[0] !== record.first) throw corrupt();
    record.runs.forEach(([seqno, stateHash], index) => {
      const next = record.runs[index + 1]?.[0] ?? record.latest + 1;
      if (seqno !== blocks.#first + blocks.#roots.length || next <= seqno) throw corrupt();
      blocks.append(fromHex(stateHash));
      blocks.extendTo(next - 1);
    });
    if (toHex(blocks.latest.rootHash) !== record.latestRoot) throw corrupt();
    return blocks;
  }

  record(): BlocksRecord {
    return {
      first: this.#first,
      before: toHex(this.#before),
      runs: this.#runs.map(([seqno, stateHash]) => [seqno, toHex(stateHash)] as const),
      latest: this.latest.seqno,
      latestRoot: toHex(this.latest.rootHash),
    };
  }

  get latest(): { seqno: number; rootHash: Bytes } {
    return { seqno: this.#first + this.#roots.length - 1, rootHash: this.#roots.at(-1) ?? this.#before };
  }

  /** The root hash of a block, or null where it is not remembered or does not exist yet. */
  at(seqno: number): Bytes | null {
    return this.#roots[seqno - this.#first] ?? null;
  }

  /** One more block, after which the state has this hash. */
  append(stateHash: Bytes): void {
    const seqno = this.#first + this.#roots.length;
    const last = this.#runs.at(-1)?.[1];
    if (last === undefined || toHex(last) !== toHex(stateHash)) this.#runs.push([seqno, stateHash]);
    this.#roots.push(labelledDigest('development block', this.#chainId, u32(seqno), stateHash, this.latest.rootHash));
  }

  /** Unmakes the newest block, which nobody has seen. */
  takeBack(): void {
    if (this.#runs.at(-1)?.[0] === this.latest.seqno) this.#runs.pop();
    this.#roots.pop();
  }

  /** Forgets the oldest blocks beyond the bounds. */
  trim(): void {
    if (this.#runs.length > RUNS_MAX) this.#forgetBefore((this.#runs.at(-RUNS_MAX) as [number, Bytes])[0]);
    if (this.#roots.length > HISTORY_BLOCKS_MAX) this.#forgetBefore(this.latest.seqno - HISTORY_BLOCKS_KEPT + 1);
  }

  /** Blocks without messages, up to this number. */
  extendTo(seqno: number): void {
    const state = (this.#runs.at(-1) as [number, Bytes])[1];
    while (this.latest.seqno < seqno) this.append(state);
  }

  #forgetBefore(seqno: number): void {
    this.#before = this.#roots[seqno - 1 - this.#first] as Bytes;
    this.#roots.splice(0, seqno - this.#first);
    this.#first = seqno;
    while (this.#runs.length > 1 && (this.#runs[1] as [number, Bytes])[0] <= seqno) this.#runs.shift();
    (this.#runs[0] as [number, Bytes])[0] = seqno;
  }
}
