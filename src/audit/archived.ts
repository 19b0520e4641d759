import { fromHex, fromUtf8, leafHash, merkleRoot, toHex } from '../core/index.ts';
import { type Digest, isDigest, type Leaf } from '../log/index.ts';
import type { Tally } from './checks.ts';
import type { EntriesInput } from './entries.ts';

type Missing = Readonly<{ index: number; subject: string; digest: Digest }>;
const MISSING_MAX = 100_000;

/** V8: every file that an entry names is there and unaltered, or was removed by a retention run that an entry tells of. */
export class ArchivedFiles {
  readonly #input: EntriesInput;
  readonly #tally: Tally;
  readonly #removed = new Set<Digest>();
  readonly #missing: Missing[] = [];

  constructor(input: EntriesInput, tally: Tally) {
    this.#input = input;
    this.#tally = tally;
  }

  async entry(index: number, leaf: Leaf): Promise<void> {
    const { source } = this.#input;
    for (const digest of leaf.blobs) {
      this.#tally.look();
      if ((await source.blob(digest)) !== null || this.#missing.length >= MISSING_MAX) continue;
      this.#missing.push({ index, subject: leaf.subject, digest });
    }
    if (leaf.type === 'retention-run') await this.#run(index, leaf as Leaf<'retention-run'>);
  }

  /** Files that are missing, and that no entry up to here says were removed: told once. */
  missing(): readonly (Missing & { why: string })[] {
    const absent = new Set(this.#input.manifest.absent);
    const found = this.#missing.splice(0).filter(({ digest }) => {
      if (this.#removed.has(digest)) this.#tally.note(`removed by a logged retention run: ${digest}`);
      return !this.#removed.has(digest);
    });
    return found.map((one) => {
      const gone = absent.has(one.digest);
      const why = gone ? 'the log no longer had it, and no entry says that it was removed' : 'missing or altered';
      this.#tally.fail(`entry ${one.index}: ${one.digest} is ${why}`);
      return { ...one, why };
    });
  }

  async #run(index: number, { body, blobs }: Leaf<'retention-run'>): Promise<void> {
    const list = blobs[0] === undefined ? null : await this.#input.source.blob(blobs[0]);
    const digests = list === null ? [] : fromUtf8(list, 'removed digests').split('\n').filter(isDigest);
    const root = toHex(merkleRoot(digests.map((digest) => leafHash(fromHex(digest.slice(7), 'digest')))));
    const holds = digests.length === body.count && body.root === `sha256:${root}`;
    this.#tally.require(holds, `entry ${index}: the list of removed files is not the one it names`);
    if (holds) for (const digest of digests) this.#removed.add(digest);
  }
}
