import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ReceiptsTree, receiptsRoot } from '../../src/core/index.ts';

const digests = fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 20 });

test('a tree that grows has the root of the whole list, whatever was added at once, and trees before it keep theirs', () => {
  fc.assert(
    fc.property(fc.array(digests, { maxLength: 8 }), (batches) => {
      const trees = [ReceiptsTree.EMPTY];
      for (const batch of batches) trees.push((trees.at(-1) as ReceiptsTree).with(batch));
      for (const [i, tree] of trees.entries()) {
        const all = batches.slice(0, i).flat();
        expect(tree.count).toBe(all.length);
        expect(tree.root).toEqual(receiptsRoot(all));
      }
    }),
  );
});
