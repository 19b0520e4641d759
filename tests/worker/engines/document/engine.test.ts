import { crc32, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CodedError, concat, u32, utf8 } from '../../../../src/core/index.ts';
import { openDecoder } from '../../../../src/worker/engines/document/decode.ts';
import { type Engine, type GenerateRequest, loadDocumentEngine } from '../../../../src/worker/index.ts';
import { folderOf } from '../model.ts';
import { dataUrl, documentModel, PAGE, pageJpeg, pagePng } from './fixtures.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await loadDocumentEngine(documentModel());
});
afterAll(() => engine.close());

const reading = (urls: readonly string[], more: Partial<GenerateRequest> = {}): GenerateRequest => ({
  messages: [
    {
      role: 'user',
      content: [{ type: 'text', text: 'What does it say?' }, ...urls.map(imagePart)],
    },
  ],
  ...{ maxTokens: 1_000, temperature: 0, topP: 1, topK: 0, stop: [] },
  ...more,
});
const imagePart = (url: string) => ({ type: 'image_url', image_url: { url } }) as const;

async function answered(request: GenerateRequest, signal = new AbortController().signal) {
  let text = '';
  let tokens = 0;
  for await (const event of engine.generate(request, signal)) {
    if (event.kind === 'done') return { text, tokens, done: event };
    if (event.kind !== 'delta') throw new Error('this engine speaks in text');
    text += event.delta.text;
    tokens += event.tokens;
  }
  throw new Error('the engine ended without saying so');
}
const failure = (request: GenerateRequest) =>
  answered(request).then(
    () => null,
    (error: unknown) => error,
  );
const refusedFor = (why: string | RegExp) =>
  expect.objectContaining({
    code: 'REQUEST_INVALID',
    message: expect.stringMatching(why),
    facts: { param: 'messages' },
  });

test('reads a PNG and a JPEG line by line, in reading order, a turned line too', async () => {
  const lines = PAGE.map(({ text }) => text).join('\n');
  for (const page of [pagePng, pageJpeg]) {
    const { text, tokens, done } = await answered(reading([dataUrl(page)]));
    expect(text).toBe(lines);
    expect(done).toMatchObject({ finish: 'stop', tokensOut: tokens });
    expect(done.tokensIn).toBe((576 / 32) * (288 / 32));
  }
});

type Read = { lines: { text: string; box: [number, number][]; score: number; image: number }[] };
const asDocument = { responseFormat: { type: 'json_object' } } as const;

test('gives boxes where each line stands, of several images', async () => {
  const { text } = await answered(reading([dataUrl(pagePng), dataUrl(pageJpeg)], asDocument));
  const { lines } = JSON.parse(text) as Read;
  expect(lines.map((line) => line.text)).toEqual([...PAGE, ...PAGE].map((line) => line.text));
  expect(lines.map(({ image }) => image)).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
  for (const [i, { box, score }] of lines.entries()) {
    const { left, top } = PAGE[i % PAGE.length]!;
    expect(Math.abs(box[0]![0] - left)).toBeLessThan(10);
    expect(Math.abs(box[0]![1] - top)).toBeLessThan(10);
    expect(box[1]![0]).toBeGreaterThan(box[0]![0] + 100);
    expect(box[3]![1]).toBeGreaterThan(box[0]![1] + 15);
    expect(score).toBeGreaterThan(0.9);
  }
  const slope = (box: [number, number][]) => (box[1]![1] - box[0]![1]) / (box[1]![0] - box[0]![0]);
  expect(slope(lines[4]!.box)).toBeCloseTo(Math.tan((8 * Math.PI) / 180), 1);
});

test('an answer ends where it was asked to, and a document stays one', async () => {
  const cut = await answered(reading([dataUrl(pagePng)], { maxTokens: 5 }));
  expect(cut.text).toBe('Invoice 2041\nTotal 11');
  expect(cut.done).toMatchObject({ finish: 'length', tokensOut: 5 });
  const document = await answered(reading([dataUrl(pagePng)], { ...asDocument, maxTokens: 5 }));
  expect((JSON.parse(document.text) as Read).lines.map(({ text }) => text)).toEqual(['Invoice 2041', 'Total 11']);
});

test('goes on from what another worker read, and from nothing else', async () => {
  const whole = await answered(reading([dataUrl(pagePng)]));
  const prefix = whole.text.slice(0, 30);
  expect((await answered(reading([dataUrl(pagePng)], { prefix }))).text).toBe(whole.text.slice(30));
  expect(await failure(reading([dataUrl(pagePng)], { prefix: 'Receipt' }))).toMatchObject({ code: 'REQUEST_INVALID' });
});

test('a request that is cancelled ends at once, whatever runs, and the next one is answered', async () => {
  const until = async (afterMs: number) => {
    const cancel = new AbortController();
    const events = engine.generate(reading([dataUrl(pagePng)], asDocument), cancel.signal);
    let at = 0;
    setTimeout(() => {
      at = performance.now();
      cancel.abort();
    }, afterMs);
    let text = '';
    for await (const event of events) {
      if (event.kind === 'delta') text += event.delta.text;
      else if (event.kind === 'done') expect(event.finish).toBe('cancelled');
    }
    expect((JSON.parse(text) as Read).lines.length).toBeLessThan(PAGE.length);
    return performance.now() - at;
  };
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 6 && least >= 200; attempt++) least = Math.min(least, await until(attempt * 3));
  expect(least).toBeLessThan(200);
  // More than there are places for pages: those that wait are cancelled too.
  const all = new AbortController();
  const waiting = Array.from({ length: 12 }, () => answered(reading([dataUrl(pagePng)]), all.signal));
  all.abort();
  for (const { done } of await Promise.all(waiting)) expect(done.finish).toBe('cancelled');
  expect((await answered(reading([dataUrl(pagePng)]))).text).toMatch(/^Invoice 2041\n/);
});

const chunk = (type: string, data: Uint8Array) => {
  const body = concat(utf8(type), data);
  return concat(u32(data.length), body, u32(crc32(body)));
};
const png = (width: number, height: number, pixels: Uint8Array) =>
  concat(
    new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', concat(u32(width), u32(height), new Uint8Array([8, 2, 0, 0, 0]))),
    chunk('IDAT', new Uint8Array(deflateSync(pixels))),
    chunk('IEND', new Uint8Array(0)),
  );

test('what is no image is refused, naming why, and the next request is answered', async () => {
  const bomb = png(8, 8, new Uint8Array(256 * 1024 * 1024));
  const huge = pageJpeg.slice();
  const frame = huge.findIndex((byte, i) => byte === 0xff && huge[i + 1] === 0xc0);
  huge.set([0xff, 0xff, 0xff, 0xff], frame + 5);
  const hostile: [string, string | RegExp][] = [
    ['http://example.org/page.png', 'nothing is fetched'],
    ['data:image/png;base64,!!!!', 'not base64'],
    ['data:image/png;base64,', 'neither a PNG nor a JPEG'],
    [dataUrl(utf8('GIF89a a page'), 'gif'), 'neither a PNG nor a JPEG'],
    [dataUrl(pagePng.subarray(0, 20)), 'neither a PNG nor a JPEG'],
    [dataUrl(pagePng.subarray(0, 9_000)), 'cannot be decoded'],
    [dataUrl(png(0, 5, new Uint8Array(5))), 'no size'],
    [dataUrl(png(65_535, 65_535, new Uint8Array(5))), 'more than 16777216 pixels'],
    [dataUrl(png(16_385, 1, new Uint8Array(5))), 'more than 16777216 pixels, or a side'],
    [dataUrl(png(4_096, 4_096, new Uint8Array(5))), 'cannot be decoded'],
    [dataUrl(huge), 'more than 16777216 pixels'],
    [`data:image/png;base64,${'A'.repeat(6 * 1024 * 1024)}`, 'larger than 4194304 bytes'],
  ];
  for (const [url, why] of hostile) expect(await failure(reading([url])), why as string).toEqual(refusedFor(why));
  // More data than the picture has room for: read as the picture, and the rest is not inflated.
  expect(await failure(reading([dataUrl(bomb)]))).toSatisfy((error) => error === null || error instanceof CodedError);
  expect(await failure(reading([]))).toEqual(refusedFor('must hold one'));
  expect(await failure(reading(Array(9).fill(dataUrl(pagePng))))).toEqual(refusedFor('more than 8'));
  expect((await answered(reading([dataUrl(pagePng)]))).text).toMatch(/^Invoice 2041\n/);
});

test('an image that takes too long to decode is stopped', async () => {
  const decode = await openDecoder(0);
  await expect(decode(pagePng, new AbortController().signal)).rejects.toEqual(refusedFor('takes too long'));
});

test('bytes changed anywhere: read, or refused as an image, and never anything else', async () => {
  const page = fc.constantFrom(pagePng, pageJpeg);
  const changes = fc.array(fc.tuple(fc.nat(pageJpeg.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(page, changes, fc.nat(9), async (whole, edits, cut) => {
      const bytes = whole.slice(0, cut === 0 ? whole.length >> 1 : whole.length);
      for (const [at, value] of edits) bytes[at % bytes.length] = value;
      const error = await failure(reading([dataUrl(bytes, 'png')]));
      if (error !== null) expect(error).toEqual(refusedFor('the image'));
    }),
    { numRuns: 12 },
  );
});

test('what would change the answer and cannot is refused by name', async () => {
  const url = dataUrl(pagePng);
  const fields: [string, Partial<GenerateRequest>][] = [
    ['tools', { tools: [{ type: 'function', function: { name: 'f' } }] }],
    ['response_format', { responseFormat: { type: 'json_schema', json_schema: { name: 'n' } } }],
    ['logprobs', { logprobs: 1 }],
    ['stop', { stop: ['x'] }],
    ['logit_bias', { logitBias: { '1': 1 } }],
    ['presence_penalty', { presencePenalty: 1 }],
    ['frequency_penalty', { frequencyPenalty: 1 }],
    ['prompt', { prompt: 'x' }],
  ];
  for (const [param, more] of fields) {
    const refused = (async () => answered(reading([url], more)))();
    await expect(refused).rejects.toMatchObject({ code: 'REQUEST_UNSUPPORTED', facts: { param } });
  }
});

test('the manifest names the three files, and a model without one of them does not load', async () => {
  const { files } = engine.manifest;
  expect(files.map(({ path }) => path)).toEqual([
    'ch_PP-OCRv4_det_infer.onnx',
    'ch_PP-OCRv4_rec_infer.onnx',
    'ppocr_keys_v1.txt',
  ]);
  const folder = documentModel();
  const contents = new Map(await Promise.all(files.map(async ({ path }) => [path, await folder.read(path)] as const)));
  for (const { path } of files) {
    const without = new Map([...contents].filter(([name]) => name !== path));
    await expect(loadDocumentEngine(folderOf(without))).rejects.toMatchObject({ code: 'MODEL_MISSING' });
    const broken = new Map([...contents, [path, utf8('')]]);
    await expect(loadDocumentEngine(folderOf(broken))).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  }
});
