import type { InferenceSession, Tensor } from 'onnxruntime-node';
import * as runtime from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { decoderGraph, type Runtime, Sequence } from '../../../src/worker/engines/decoder-graph.ts';

/** A graph with positions, as most exporters make it: answers with logits that name the position it saw. */
function graphWithPositions(seen: Record<string, Tensor>[]): InferenceSession {
  const cache = { isTensor: true, type: 'float32', shape: ['batch', 2, 'past', 4] };
  return {
    inputNames: ['input_ids', 'attention_mask', 'position_ids', 'past_key_values.0.key'],
    outputNames: ['logits', 'present.0.key'],
    inputMetadata: [
      ...['input_ids', 'attention_mask', 'position_ids'].map((name) => ({
        name,
        isTensor: true,
        type: 'int64',
        shape: ['b', 's'],
      })),
      { name: 'past_key_values.0.key', ...cache },
    ],
    outputMetadata: [{ name: 'logits', isTensor: true, type: 'float32', shape: ['b', 's', 3] }],
    run: async (feeds: Record<string, Tensor>) => {
      const kept = Object.entries(feeds).map(([name, tensor]) => [
        name,
        new runtime.Tensor(tensor.type, tensor.data.slice() as never, tensor.dims),
      ]);
      seen.push(Object.fromEntries(kept));
      const length = feeds.attention_mask?.dims[1] as number;
      const steps = feeds.input_ids?.dims[1] as number;
      return {
        logits: new runtime.Tensor('float32', new Float32Array(3 * steps).fill(length), [1, steps, 3]),
        'present.0.key': new runtime.Tensor('float32', new Float32Array(8 * length).fill(length), [1, 2, length, 4]),
      };
    },
  } as unknown as InferenceSession;
}

test('a sequence feeds positions, a growing mask and the cache of the step before', async () => {
  const seen: Record<string, Tensor>[] = [];
  const graph = decoderGraph(graphWithPositions(seen), { heads: 2, headSize: 4, vocabulary: 3 });
  const sequence = new Sequence(runtime as unknown as Runtime, graph, 16);
  expect(await sequence.prompt([7, 8, 9])).toMatchObject({ at: 6 });
  expect(await sequence.next(4)).toMatchObject({ at: 0 });
  await sequence.next(5);
  const listed = (name: string) => seen.map((feeds) => Array.from(feeds[name]?.data as BigInt64Array, Number));
  expect(listed('input_ids')).toEqual([[7, 8, 9], [4], [5]]);
  expect(listed('position_ids')).toEqual([[0, 1, 2], [3], [4]]);
  expect(listed('attention_mask').map((mask) => mask.length)).toEqual([3, 4, 5]);
  expect(seen.map((feeds) => feeds['past_key_values.0.key']?.dims)).toEqual([
    [1, 2, 0, 4],
    [1, 2, 3, 4],
    [1, 2, 4, 4],
  ]);
});

test.each([
  ['inputNames', ['attention_mask']],
  ['inputNames', ['input_ids']],
  ['outputNames', ['present.0.key']],
  ['outputNames', ['logits']],
  ['inputMetadata', []],
  ['inputMetadata', [{ name: 'pixel_values', isTensor: true, type: 'float32', shape: [1] }]],
])('a graph whose %s are %j is refused', (field, value) => {
  const session = { ...graphWithPositions([]), [field]: value } as InferenceSession;
  expect(() => decoderGraph(session, { heads: 2, headSize: 4, vocabulary: 3 })).toThrow(
    expect.objectContaining({ code: 'MODEL_INVALID' }),
  );
});
