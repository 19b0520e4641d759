/**
 * Compares ONNX Runtime with PyTorch on an exported model: `node scripts/train-model/check.ts MODEL_DIR EXPECTED.json`,
 * where export.py wrote EXPECTED.json. Same prompt tokens, same greedy answer, first logits within a tolerance; exits 1
 * where one of them differs.
 */
import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import { decoderGraph, type Runtime, Sequence } from '../../src/worker/engines/decoder-graph.ts';
import { loadOnnxEngine, modelFolderOnDisk } from '../../src/worker/engines/index.ts';
import { argmax } from '../../src/worker/engines/sampler.ts';
import { loadTokenizer } from '../../src/worker/engines/tokenizer.ts';

type Expected = Readonly<{ ask: string; prompt: number[]; answer: number[]; firstLogits: number[] }>;
const LOGIT_TOLERANCE = 1e-3;

const [folder, expectedPath] = process.argv.slice(2);
if (folder === undefined || expectedPath === undefined) throw new Error('usage: check.ts MODEL_DIR EXPECTED.json');
const cases = JSON.parse(readFileSync(expectedPath, 'utf8')) as Expected[];
if (cases.length === 0) throw new Error('no cases');

const read = (name: string) => Uint8Array.from(readFileSync(`${folder}/${name}`));
const texts = ['tokenizer.json', 'tokenizer_config.json'];
const tokenizer = loadTokenizer(new Map(texts.map((name) => [name, read(name)])));
const config = JSON.parse(readFileSync(`${folder}/config.json`, 'utf8')) as Record<string, number>;
const session = await ort.InferenceSession.create(`${folder}/model.onnx`, { intraOpNumThreads: 1 });
const graph = decoderGraph(session, {
  heads: config.num_key_value_heads as number,
  headSize: config.head_dim as number,
  vocabulary: config.vocab_size as number,
});
const engine = await loadOnnxEngine(modelFolderOnDisk(folder), { randomness: (length) => new Uint8Array(length) });
let wrong = 0;
for (const { ask, prompt, answer, firstLogits } of cases) {
  const ids = tokenizer.encode(tokenizer.template?.([{ role: 'user', content: ask }]) ?? '', false);
  const sequence = new Sequence(ort as unknown as Runtime, graph, prompt.length + answer.length);
  let { logits, at } = await sequence.prompt(prompt);
  const difference = Math.max(...firstLogits.map((value, i) => Math.abs(value - (logits[at + i] as number))));
  const greedy: number[] = [];
  while (greedy.length < answer.length) {
    greedy.push(argmax(logits, at, graph.vocabulary));
    if (greedy.length < answer.length) ({ logits, at } = await sequence.next(greedy.at(-1) as number));
  }
  const sampling = { maxTokens: answer.length, temperature: 0, topP: 1, topK: 0, stop: [] };
  const engineTokens: number[] = [];
  const request = { messages: [{ role: 'user', content: ask } as const], ...sampling };
  for await (const event of engine.generate(request, new AbortController().signal)) {
    if (event.kind === 'token') engineTokens.push(event.tokenId);
  }
  const checks = {
    'prompt tokens': ids.join() === prompt.join(),
    'greedy answer': greedy.join() === answer.join(),
    'engine answer': engineTokens.join() === answer.join(),
    'first logits': difference <= LOGIT_TOLERANCE,
  };
  const failed = Object.entries(checks).filter(([, holds]) => !holds);
  wrong += failed.length;
  const verdict = failed.length === 0 ? 'same' : `differs: ${failed.map(([name]) => name).join(', ')}`;
  console.log(`${ask} ${verdict} (${answer.length} tokens, logits within ${difference.toExponential(1)})`);
}
process.exit(wrong === 0 ? 0 : 1);
