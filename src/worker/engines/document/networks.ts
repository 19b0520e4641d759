import type { Tensor } from 'onnxruntime-node';
import { type Bytes, CodedError } from '../../../core/index.ts';
import type { Runtime } from '../decoder-graph.ts';
import type { Network } from './reader.ts';

/** How the networks run; in the manifest, as it decides what they answer. */
export const NETWORK_FLAGS = { intraOpNumThreads: 1, interOpNumThreads: 1, graphOptimizationLevel: 'all' } as const;

export type LoadedNetwork = Readonly<{ run: Network /** Once every run has ended. */; close(): Promise<void> }>;

/** @throws CodedError MODEL_INVALID */
export async function loadNetwork(runtime: Runtime, graph: Bytes, what: string): Promise<LoadedNetwork> {
  const session = await runtime.InferenceSession.create(graph, {
    ...NETWORK_FLAGS,
    executionMode: 'sequential',
    executionProviders: ['cpu'],
    logSeverityLevel: 3,
  }).catch((cause: unknown) => {
    throw new CodedError('MODEL_INVALID', `the ${what} cannot be loaded`, { what }, { cause });
  });
  const [input, output] = [session.inputNames[0], session.outputNames[0]];
  if (session.inputNames.length !== 1 || session.outputNames.length !== 1 || !input || !output) {
    throw new CodedError('MODEL_INVALID', `the ${what} must have one input and one output`, { what });
  }
  const running = new Set<Promise<unknown>>();
  let closed = false;
  return {
    async run(data, dims) {
      if (closed) throw new CodedError('ANSWER_FAILED', 'the engine is closed');
      const run = session.run({ [input]: new runtime.Tensor('float32', data, dims) });
      running.add(run);
      const over = () => running.delete(run);
      run.then(over, over);
      const answer = await run.catch((cause: unknown) => {
        throw new CodedError('ANSWER_FAILED', 'the runtime failed', {}, { cause });
      });
      const { data: values, dims: shape } = answer[output] as Tensor;
      if (!(values instanceof Float32Array)) throw new CodedError('ANSWER_FAILED', `the ${what} gave no float32`);
      return { data: values, dims: shape };
    },
    async close() {
      closed = true;
      await Promise.allSettled(running);
      await session.release();
    },
  };
}
