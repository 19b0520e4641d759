/** Draws from a seed: the same seed draws the same (xorshift32). */
export type Draw = Readonly<{
  /** An integer from 0 to `below` - 1. */
  int(below: number): number;
  chance(share: number): boolean;
  of<Item>(items: readonly Item[]): Item;
  bytes(length: number): Buffer;
}>;

export function drawFrom(seed: number): Draw {
  let state = seed >>> 0 || 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
  const int = (below: number) => Math.floor(next() * below);
  return {
    int,
    chance: (share) => next() < share,
    of: (items) => items[int(items.length)] as (typeof items)[number],
    bytes: (length) => Buffer.from(Uint8Array.from({ length }, () => int(256))),
  };
}
