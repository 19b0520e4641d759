import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Tokenizer } from '@huggingface/tokenizers';
import * as ort from 'onnxruntime-node';
import { type Engine, loadOnnxEngine, modelFolderOnDisk } from '../src/worker/engines/index.ts';
import { type BenchLine, quantile } from './report.ts';

const MODEL = resolve(dirname(fileURLToPath(import.meta.url)), '../enclave-images/models/chrysalis-tales-3m');
const PROMPT = 'Once upon a time';
const TOKENS = 160;
const ROUNDS = 48;

/**
 * Tokens per second of the engine against a bare loop over ONNX Runtime: same model, same prompt tokens, same answer
 * tokens, greedy, one thread, both in this process, in turns (ABBA). The bare loop neither tokenizes nor decodes, has
 * no stop texts and no cancelling. Fails where the two differ in a single token.
 */
export async function benchEngine(): Promise<BenchLine[]> {
  const engine = await loadOnnxEngine(modelFolderOnDisk(MODEL), { randomness: (length) => new Uint8Array(length) });
  const bare = await bareLoop();
  const expected = await ours(engine);
  const check = await bare(expected.tokens.length);
  if (check.join() !== expected.tokens.join()) throw new Error('the engine and the bare loop answer differently');
  const seconds = { ours: [] as number[], bare: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const turn of round % 2 === 0 ? (['ours', 'bare'] as const) : (['bare', 'ours'] as const)) {
      const began = performance.now();
      if (turn === 'ours') await ours(engine);
      else await bare(expected.tokens.length);
      seconds[turn].push((performance.now() - began) / 1000);
    }
  }
  await engine.close();
  const rate = (times: readonly number[]) => expected.tokens.length / quantile(times, 0.25);
  const floor = { name: 'bare ONNX Runtime loop', value: rate(seconds.bare) };
  return [
    {
      name: `engine, ${expected.tokens.length} tokens greedy`,
      value: rate(seconds.ours),
      unit: 'tokens/s',
      floor,
      ratio: rate(seconds.ours) / floor.value,
    },
  ];
}

async function ours(engine: Engine): Promise<{ tokens: number[] }> {
  const tokens: number[] = [];
  const sampling = { maxTokens: TOKENS, temperature: 0, topP: 1, topK: 0, stop: [] };
  for await (const event of engine.generate(
    { messages: [], prompt: PROMPT, ...sampling },
    new AbortController().signal,
  )) {
    if (event.kind === 'done') return { tokens };
    if (event.kind === 'token') tokens.push(event.tokenId);
  }
  throw new Error('the engine ended without saying so');
}

/** The least that generating takes: run, take the largest logit, hand the cache on. */
async function bareLoop(): Promise<(tokens: number) => Promise<number[]>> {
  const json = (name: string) => JSON.parse(readFileSync(join(MODEL, name), 'utf8')) as object;
  const prompt = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json')).encode(PROMPT).ids;
  const session = await ort.InferenceSession.create(join(MODEL, 'model.onnx'), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const caches = session.inputMetadata.filter(({ name }) => name.startsWith('past_key_values'));
  return async (tokens) => {
    const feeds: Record<string, ort.Tensor> = {};
    for (const cache of caches) {
      if (!cache.isTensor) throw new Error('a cache is no tensor');
      feeds[cache.name] = new ort.Tensor('float32', [], [1, cache.shape[1] as number, 0, cache.shape[3] as number]);
    }
    const out: number[] = [];
    let step: readonly number[] = prompt;
    for (let length = prompt.length; out.length < tokens; length++) {
      feeds.input_ids = new ort.Tensor('int64', BigInt64Array.from(step, BigInt), [1, step.length]);
      feeds.attention_mask = new ort.Tensor('int64', new BigInt64Array(length).fill(1n), [1, length]);
      const results = await session.run(feeds);
      for (const { name } of caches) feeds[name] = results[name.replace('past_key_values', 'present')] as ort.Tensor;
      const logits = (results.logits as ort.Tensor).data as Float32Array;
      const vocabulary = (results.logits as ort.Tensor).dims[2] as number;
      let best = logits.length - vocabulary;
      for (let i = best + 1; i < logits.length; i++) if ((logits[i] as number) > (logits[best] as number)) best = i;
      step = [best - (logits.length - vocabulary)];
      out.push(step[0] as number);
    }
    return out;
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { name, value, unit, floor, ratio } of await benchEngine()) {
    console.log(
      `${name}: ${value.toFixed(0)} ${unit}; ${floor?.name}: ${floor?.value.toFixed(0)}; ratio ${ratio?.toFixed(3)}`,
    );
  }
}
