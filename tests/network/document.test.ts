import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toHex, utf8 } from '../../src/core/index.ts';
import { connect } from '../../src/sdk/index.ts';
import { type Engine, loadDocumentEngine, modelDigest } from '../../src/worker/index.ts';
import { dataUrl, documentModel, PAGE, pageJpeg, pagePng } from '../worker/engines/document/fixtures.ts';
import { startGateway } from './gateway-server.ts';
import { type InProcess, startInProcess } from './in-process.ts';

/** A worker that reads documents, behind router and gateway. */
let engine: Engine;
let network: InProcess;
let gateway: Awaited<ReturnType<typeof startGateway>>;
let openai: OpenAI;
beforeAll(async () => {
  engine = await loadDocumentEngine(documentModel(), { modelId: 'pp-ocr-v4' });
  network = await startInProcess({ engine });
  gateway = await startGateway(network.client);
  openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await gateway.close();
  await network.close();
  await engine.close();
});

const reading = (url: string) => [
  {
    role: 'user' as const,
    content: [
      { type: 'text' as const, text: 'What does it say?' },
      { type: 'image_url' as const, image_url: { url } },
    ],
  },
];
const lines = PAGE.map(({ text }) => text);

test('an OpenAI client sends a page and streams its lines; the model in the evidence is these very files', async () => {
  const { data: models } = await openai.models.list();
  const model = models[0]!.id;
  const stream = await openai.chat.completions.create({ model, messages: reading(dataUrl(pagePng)), stream: true });
  let text = '';
  for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
  expect(text.split('\n')).toEqual(lines);
  const [worker] = network.client.verified();
  expect(worker?.modelDigest).toBe(toHex(modelDigest(engine.manifest)));
});

test('boxes come as JSON, over the gateway and through the SDK', async () => {
  const answer = await openai.chat.completions.create({
    model: (await openai.models.list()).data[0]!.id,
    messages: reading(dataUrl(pageJpeg)),
    response_format: { type: 'json_object' },
    max_tokens: 1_000,
  });
  const read = JSON.parse(answer.choices[0]!.message.content!) as { lines: { text: string; box: number[][] }[] };
  expect(read.lines.map(({ text }) => text)).toEqual(lines);
  expect(read.lines.every(({ box }) => box.length === 4)).toBe(true);

  const session = await connect({
    router: network.address,
    payments: network.payments(),
    policy: readFileSync(resolve(import.meta.dirname, '../../attestation-policies/development-simulated.json'), 'utf8'),
    logPolicy: network.logPolicyText,
    trustAnchors: network.anchors,
  });
  const own = await session.read({ images: [pageJpeg] });
  expect(own.lines.map(({ text, box }) => ({ text, box }))).toEqual(read.lines.map(({ text, box }) => ({ text, box })));
  expect(own.receipt.kind).toBe('final');
  await session.close();
});

test('images that are not images are refused in OpenAI’s shape, and the worker answers the next one', async () => {
  const model = (await openai.models.list()).data[0]!.id;
  const hostile: [string, RegExp][] = [
    ['http://example.org/page.png', /nothing is fetched/],
    [dataUrl(utf8('no image'), 'png'), /does not hold an image\/png/],
    [dataUrl(utf8('GIF89a a page'), 'gif'), /neither a PNG nor a JPEG/],
    [dataUrl(pagePng.subarray(0, 9_000)), /cannot be decoded/],
  ];
  for (const [url, why] of hostile) {
    const refused = openai.chat.completions.create({ model, messages: reading(url) });
    await expect(refused).rejects.toMatchObject({ status: 400, type: 'invalid_request_error' });
    await expect(refused).rejects.toThrow(why);
  }
  const tools = openai.chat.completions.create({ model, messages: reading(dataUrl(pagePng)), logprobs: true });
  await expect(tools).rejects.toMatchObject({ status: 400, code: 'REQUEST_UNSUPPORTED', param: 'logprobs' });
  const answer = await openai.chat.completions.create({ model, messages: reading(dataUrl(pagePng)) });
  expect(answer.choices[0]?.message.content).toBe(lines.join('\n'));
});
