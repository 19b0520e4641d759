import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Blocks, HISTORY_BLOCKS_MAX } from '../../src/chain/dev/blocks.ts';
import { labelledDigest, toHex, u32 } from '../../src/core/index.ts';

const chainId = new Uint8Array(32).fill(1);
const state = (n: number) => new Uint8Array(32).fill(n);
const genesis = () => Blocks.genesis(chainId, state(0));

test('a block commits to chain, number, state and the block before', () => {
  const blocks = genesis();
  const first = labelledDigest('development block', chainId, u32(1), state(0), new Uint8Array(32));
  expect(blocks.latest).toEqual({ seqno: 1, rootHash: first });
  blocks.append(state(5));
  expect(blocks.at(2)).toEqual(labelledDigest('development block', chainId, u32(2), state(5), first));
  expect(blocks.at(1)).toEqual(first);
  expect([blocks.at(0), blocks.at(3)]).toEqual([null, null]);
});

test('restored from its record, every block is the same; taken back, it is as before', () => {
  const step = fc.oneof(
    fc.record({ append: fc.integer({ min: 0, max: 3 }) }),
    fc.record({ extend: fc.integer({ min: 0, max: 40 }) }),
    fc.record({ takeBack: fc.integer({ min: 0, max: 3 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const blocks = genesis();
      for (const one of steps) {
        if ('append' in one) blocks.append(state(one.append));
        else if ('extend' in one) blocks.extendTo(blocks.latest.seqno + one.extend);
        else {
          const before = JSON.stringify(blocks.record());
          blocks.append(state(one.takeBack));
          blocks.takeBack();
          expect(JSON.stringify(blocks.record())).toBe(before);
        }
      }
      const restored = Blocks.restore(chainId, blocks.record());
      for (let seqno = 0; seqno <= blocks.latest.seqno + 1; seqno++) {
        expect(restored.at(seqno)).toEqual(blocks.at(seqno));
      }
    }),
    { numRuns: 50 },
  );
});

test('the oldest are forgotten, and what is left restores', () => {
  const blocks = genesis();
  blocks.extendTo(HISTORY_BLOCKS_MAX + 1);
  const kept = blocks.at(HISTORY_BLOCKS_MAX)!;
  blocks.trim();
  expect(blocks.at(1)).toBeNull();
  expect(blocks.at(HISTORY_BLOCKS_MAX)).toEqual(kept);
  for (let n = 0; n < 2_000; n++) {
    blocks.append(state(n % 2));
    blocks.trim();
  }
  const record = blocks.record();
  expect(record.runs.length).toBeLessThanOrEqual(1_024);
  expect(Blocks.restore(chainId, record).latest).toEqual(blocks.latest);
});

test('a record that does not give the root hash it states is refused', () => {
  const blocks = genesis();
  blocks.extendTo(9);
  blocks.append(state(1));
  const good = blocks.record();
  const corrupt = expect.objectContaining({ code: 'CHAIN_STATE_CORRUPT' });
  const [first, second] = good.runs as [[number, string], [number, string]];
  for (const bad of [
    { ...good, latestRoot: toHex(state(3)) },
    { ...good, before: toHex(state(3)) },
    { ...good, latest: 9 },
    { ...good, latest: 11 },
    { ...good, latest: 0 },
    { ...good, first: 2 },
    { ...good, latest: 2 ** 40 },
    { ...good, runs: [] },
    { ...good, runs: [second, first] },
    { ...good, runs: [first, [11, second[1]] as const] },
    { ...good, runs: [[1, second[1]] as const, second] },
  ]) {
    expect(() => Blocks.restore(chainId, bad)).toThrow(corrupt);
  }
  expect(() => Blocks.restore(state(2), good)).toThrow(corrupt);
});
