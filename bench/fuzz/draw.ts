import { seededRandom } from '../fleet/random.ts';

/** Draws from a seed: the same seed draws the same. */
export type Draw = Readonly<{
  /** An integer from 0 to `below` - 1. */
  int(below: number): number;
  chance(share: number): boolean;
  of<Item>(items: readonly Item[]): Item;
  bytes(length: number): Buffer;
}>;

export function drawFrom(seed: number): Draw {
  const next = seededRandom(seed);
  const int = (below: number) => Math.floor(next() * below);
  return {
    int,
    chance: (share) => next() < share,
    of: (items) => items[int(items.length)] as (typeof items)[number],
    bytes: (length) => Buffer.from(Uint8Array.from({ length }, () => int(256))),
  };
}
