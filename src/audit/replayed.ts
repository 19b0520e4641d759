import { asCodedError, equalBytes } from '../core/index.ts';
import { formatVkey, type Leaf, type ParsedLeaf } from '../log/index.ts';
import type { Tally } from './checks.ts';
import type { EntriesInput } from './entries.ts';
import { LogState } from './state.ts';

/** A snapshot is written while others append: it is of a tree at most this much smaller than its index. */
const SNAPSHOT_LAG_MAX = 4_096;

/**
 * V9: the log begins and ends as a log does, and each snapshot of its state is the one that the entries before it lead
 * to. A range that does not begin at the first entry takes its first snapshot as given, and says so.
 */
export class Replayed {
  readonly #input: EntriesInput;
  readonly #tally: Tally;
  /** Behind the entry that was read last, so that it can be brought to exactly the size that a snapshot names. */
  #state: LogState | null;
  readonly #ahead: { index: number; parsed: ParsedLeaf }[] = [];
  #closedAt: number | null = null;

  constructor(input: EntriesInput, tally: Tally) {
    this.#input = input;
    this.#tally = tally;
    this.#state = input.manifest.from === 0 ? new LogState() : null;
  }

  async entry(index: number, parsed: ParsedLeaf): Promise<void> {
    const tally = this.#tally;
    tally.look();
    if (this.#closedAt !== null) tally.fail(`entry ${index} comes after entry ${this.#closedAt} closed the log`);
    const { type } = parsed.leaf;
    if ((index === 0) !== (type === 'log-opened')) {
      tally.fail(index === 0 ? 'the first entry does not open the log' : `entry ${index} opens the log again`);
    }
    if (parsed.known) {
      if (type === 'log-opened') this.#opened(index, parsed.leaf as Leaf<'log-opened'>);
      if (type === 'log-closed') this.#closedAt = index;
      if (type === 'state-snapshot') await this.#snapshot(index, parsed.leaf as Leaf<'state-snapshot'>);
    }
    this.#ahead.push({ index, parsed });
    if (this.#ahead.length > 2 * SNAPSHOT_LAG_MAX) this.#advance(index - SNAPSHOT_LAG_MAX);
  }

  /** Brings the state to the entries below an index. */
  #advance(size: number): void {
    const many = this.#ahead.findIndex(({ index }) => index >= size);
    for (const { index, parsed } of this.#ahead.splice(0, many < 0 ? this.#ahead.length : many)) {
      this.#state?.apply(index, parsed);
    }
  }

  #opened(index: number, { body }: Leaf<'log-opened'>): void {
    const { trust } = this.#input;
    const keys = trust.policy.logs.map(({ key }) => formatVkey(key));
    this.#tally.require(
      trust.policy.logs.some(({ key }) => key.name === body.origin) && body.vkeys.some((key) => keys.includes(key)),
      `entry ${index}: it opens the log ${body.origin}, with a key that the auditor did not bring`,
    );
  }

  async #snapshot(index: number, { body, blobs }: Leaf<'state-snapshot'>): Promise<void> {
    const tally = this.#tally;
    tally.look();
    const wrong = (why: string) => tally.fail(`entry ${index}: ${why}`);
    if (body.size > index) return wrong(`a snapshot of ${body.size} entries, before there were as many`);
    if (index - body.size > SNAPSHOT_LAG_MAX) return wrong(`a snapshot of long before, of ${body.size} entries`);
    const archived = blobs[0] === undefined ? null : await this.#input.source.blob(blobs[0]);
    if (this.#state === null) return this.#begin(index, body, archived);
    if (body.size < this.#state.size) return wrong(`a snapshot of ${body.size} entries, older than the one before it`);
    this.#advance(body.size);
    if (this.#state.root() !== body.root) return wrong(`the state after ${body.size} entries is another`);
    // Without its file (V8 says so) the root is still the one that the entries lead to.
    if (archived !== null && !this.#isArchived(archived)) wrong('the archived state is another');
  }

  #isArchived(archived: Uint8Array): boolean {
    try {
      return equalBytes(archived, this.#state?.encode() ?? new Uint8Array(0));
    } catch (thrown) {
      if (asCodedError(thrown).code === 'INVARIANT_BROKEN') throw thrown;
      return false; // more facts than a snapshot has
    }
  }

  /** Nothing before the range is known: what its first snapshot says of that is taken as given. */
  #begin(index: number, body: Leaf<'state-snapshot'>['body'], archived: Uint8Array | null): void {
    if (archived === null || body.size < this.#input.manifest.from) return;
    try {
      const state = LogState.parse(body.size, archived);
      if (state.root() !== body.root) {
        this.#tally.fail(`entry ${index}: the archived state is another`);
        return;
      }
      this.#advance(body.size);
      this.#state = state;
    } catch (thrown) {
      this.#tally.fail(`entry ${index}: ${asCodedError(thrown).message}`);
    }
  }

  end(): void {
    const { from } = this.#input.manifest;
    if (from === 0) return;
    this.#tally.skip(`what was in force before entry ${from} is not in this bundle: start at 0 to see it`);
  }
}
