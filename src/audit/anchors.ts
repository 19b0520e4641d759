import { equalBytes, toBase64 } from '../core/index.ts';
import { type Leaf, rootFromTiles } from '../log/index.ts';
import type { Tally } from './checks.ts';
import type { EntriesInput } from './entries.ts';
import { mustTile } from './source.ts';

/** V15: what the log says it anchored is its own tree, and the chain holds it. */
export class Anchors {
  /** Largest size anchored, by contract. */
  readonly #sizes = new Map<string, number>();
  readonly #input: EntriesInput;
  readonly #tally: Tally;

  constructor(input: EntriesInput, tally: Tally) {
    this.#input = input;
    this.#tally = tally;
  }

  /** @returns what is wrong with an anchor of the log's, or null */
  async entry(index: number, { body }: Leaf<'anchor'>): Promise<string | null> {
    const { manifest } = this.#input;
    if (body.size > index) return `it anchors a tree of ${body.size} entries, before there were as many`;
    if (body.size < manifest.from) return null; // of a tree that is not in this bundle
    this.#tally.look();
    this.#sizes.set(body.address, Math.max(body.size, this.#sizes.get(body.address) ?? 0));
    const root = await this.#root(body.size);
    return body.root === toBase64(root) ? null : `the anchor is of another tree of size ${body.size}`;
  }

  /** Looks at the chain, where there is one to look at. */
  async end(): Promise<void> {
    const { manifest, deps } = this.#input;
    const tally = this.#tally;
    if (this.#sizes.size === 0) return;
    if (deps.anchored === undefined) {
      tally.skip('that the chain holds these anchors is not checked: no chain was given to look at');
      return;
    }
    const held = await deps.anchored();
    for (const [address, size] of this.#sizes) {
      const holds = held !== null && held.address === address && held.size >= size;
      tally.require(holds, `the chain does not hold the anchor of size ${size} at ${address}`);
    }
    if (held === null || held.size < manifest.from) return;
    if (held.size > manifest.to) {
      tally.note(`the chain has a newer head, of size ${held.size}: it cannot be compared with this bundle`);
      return;
    }
    tally.require(
      equalBytes(await this.#root(held.size), held.root),
      `the chain holds another tree of size ${held.size}`,
    );
  }

  #root(size: number) {
    const { source, manifest } = this.#input;
    return rootFromTiles(size, (tile) => mustTile(source, tile), manifest.to);
  }
}
