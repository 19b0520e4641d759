import { CodedError } from '../../core/index.ts';
import type { Batch, BatchSequence } from './batch.ts';
import { type DecoderGraph, type LogitsAt, type Runtime, Sequence, type TokenSequence } from './decoder-graph.ts';

/**
 * A sequence that is alone runs by itself: the cache of one step is the next step's input, and nothing is copied. When
 * another one comes, it moves into the batch with its next token, as soon as the batch has room for it. The answers are the
 * same, bit for bit.
 */
export function createSharedSteps(runtime: Runtime, graph: DecoderGraph, batch: Batch) {
  let alone: { leave: boolean } | null = null;

  const lonely = (lengthMax: number): TokenSequence => {
    const own = { leave: false };
    alone = own;
    const sequence = new Sequence(runtime, graph, lengthMax);
    let moved: BatchSequence | null = null;
    let ended = false;
    const move = async (id: number): Promise<LogitsAt> => {
      const joined = await batch.begin(lengthMax);
      if (alone === own) alone = null;
      moved = joined;
      if (ended) {
        joined.end();
        throw new CodedError('REQUEST_CANCELLED', 'the sequence was ended');
      }
      return joined.goOn(sequence.state(), id);
    };
    return {
      prompt: (ids) => sequence.prompt(ids),
      next: (id) => moved?.next(id) ?? (own.leave && batch.hasRoom(lengthMax) ? move(id) : sequence.next(id)),
      end: () => {
        ended = true;
        if (alone === own) alone = null;
        moved?.end();
      },
    };
  };

  return {
    /** A place for a sequence of at most so many tokens, as soon as there is one. @throws CodedError TOO_MANY_REQUESTS */
    async begin(lengthMax: number): Promise<TokenSequence> {
      if (alone === null && batch.idle) return lonely(lengthMax);
      if (alone !== null) alone.leave = true;
      return batch.begin(lengthMax);
    },
  };
}
