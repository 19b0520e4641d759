import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Tokenizer } from '@huggingface/tokenizers';
import * as ort from 'onnxruntime-node';
import { type Engine, loadOnnxEngine, modelFolderOnDisk, type OnnxEngine } from '../src/worker/engines/index.ts';
import { type BenchLine, quantile } from './report.ts';

const MODEL = resolve(dirname(fileURLToPath(import.meta.url)), '../enclave-images/models/chrysalis-tales-3m');
const PROMPT = 'Once upon a time';
const TOKENS = 160;
const ROUNDS = 12;
/** Answers in one turn: enough that each turn bears its own share of the garbage collector, whose visits are rarer. */
const ANSWERS = 8;

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
      for (let answer = 0; answer < ANSWERS; answer++) {
        if (turn === 'ours') await ours(engine);
        else await bare(expected.tokens.length);
      }
      seconds[turn].push((performance.now() - began) / 1000);
    }
  }
  const together = await benchTogether(engine);
  await engine.close();
  const rate = (times: readonly number[]) => (ANSWERS * expected.tokens.length) / quantile(times, 0.25);
  const floor = { name: 'bare ONNX Runtime loop', value: rate(seconds.bare) };
  return [
    {
      name: `engine, ${expected.tokens.length} tokens greedy`,
      value: rate(seconds.ours),
      unit: 'tokens/s',
      floor,
      // Of turns beside each other: what else the machine does falls on both.
      ratio: quantile(
        seconds.bare.map((time, round) => time / (seconds.ours[round] as number)),
        0.5,
      ),
    },
    ...together,
  ];
}

const STREAMS = 16;
const STREAM_TOKENS = 96;

const TOGETHER_ROUNDS = 10;

/**
 * Tokens a second of processor time, sixteen streams together against the same one after the other; and rows a second of
 * the bare graph, in steps of sixteen rows against steps of one. The first of these is the most that any engine could
 * give with this runtime on this machine: its rows cost what they cost, and nothing is sampled, decoded or handed on.
 */
async function benchTogether(engine: OnnxEngine): Promise<BenchLine[]> {
  const asks = Array.from({ length: STREAMS }, (_, i) => ({
    ...{ messages: [], prompt: `${PROMPT}, number ${i},`, maxTokens: STREAM_TOKENS },
    ...{ temperature: 1, topP: 1, topK: 0, seed: i, stop: [] },
  }));
  const run = async (ask: (typeof asks)[number]): Promise<number> => {
    let tokens = 0;
    for await (const event of engine.generate(ask, new AbortController().signal)) if (event.kind === 'token') tokens++;
    return tokens;
  };
  const rate = async (all: () => Promise<readonly number[]>): Promise<number> => {
    const start = process.cpuUsage();
    const tokens = (await all()).reduce((sum, count) => sum + count, 0);
    const { user, system } = process.cpuUsage(start);
    return (tokens * 1e6) / (user + system);
  };
  const alone = async () => {
    const counts = [];
    for (const ask of asks) counts.push(await run(ask));
    return counts;
  };
  const graph = await bareSteps();
  const measures = {
    together: () => rate(() => Promise.all(asks.map(run))),
    alone: () => rate(alone),
    wide: () => graph(STREAMS),
    narrow: () => graph(1),
  };
  type Name = keyof typeof measures;
  const rates: Record<Name, number[]> = { together: [], alone: [], wide: [], narrow: [] };
  const names = Object.keys(measures) as Name[];
  for (const name of names) await measures[name](); // the compiler, and memory that is asked for once
  for (let round = 0; round < TOGETHER_ROUNDS; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) rates[name].push(await measures[name]());
  }
  const line = (name: string, unit: string, many: Name, one: Name, floor: string): BenchLine => ({
    name,
    unit,
    value: quantile(rates[many], 0.5),
    floor: { name: floor, value: quantile(rates[one], 0.5) },
    // Of measures beside each other: what else the machine does falls on both.
    ratio: quantile(
      rates[many].map((value, round) => value / (rates[one][round] as number)),
      0.5,
    ),
  });
  return [
    line(`${STREAMS} streams together`, 'tokens/s', 'together', 'alone', 'one after the other'),
    line(`bare graph, steps of ${STREAMS} rows`, 'rows/s', 'wide', 'narrow', 'steps of one row'),
  ];
}

/** Rows a second of processor time that the bare graph runs, in steps of so many rows with 48 tokens behind each. */
async function bareSteps(): Promise<(rows: number) => Promise<number>> {
  const past = 48;
  const session = await ort.InferenceSession.create(join(MODEL, 'model.onnx'), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const caches = session.inputMetadata.filter(({ name }) => name.startsWith('past_key_values'));
  return async (rows) => {
    const int64 = (length: number) => new BigInt64Array(length).fill(1n);
    const feeds: Record<string, ort.Tensor> = {
      input_ids: new ort.Tensor('int64', int64(rows), [rows, 1]),
      attention_mask: new ort.Tensor('int64', int64(rows * (past + 1)), [rows, past + 1]),
    };
    for (const cache of caches) {
      if (!cache.isTensor) throw new Error('a cache is no tensor');
      const [heads, size] = [cache.shape[1] as number, cache.shape[3] as number];
      const room = new Float32Array(rows * heads * 64 * size);
      feeds[cache.name] = new ort.Tensor('float32', room, [rows, heads, 64, size]);
    }
    const fetches: Record<string, ort.Tensor | null> = { logits: null };
    for (const { name } of caches) fetches[name.replace('past_key_values', 'present')] = feeds[name] as ort.Tensor;
    const steps = Math.ceil(960 / rows);
    const start = process.cpuUsage();
    for (let i = 0; i < steps; i++) await session.run(feeds, fetches);
    const { user, system } = process.cpuUsage(start);
    return (steps * rows * 1e6) / (user + system);
  };
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
    const against = floor === undefined ? '' : `; ${floor.name}: ${floor.value.toFixed(0)}; ratio ${ratio?.toFixed(3)}`;
    console.log(`${name}: ${value.toFixed(2)} ${unit}${against}`);
  }
}
