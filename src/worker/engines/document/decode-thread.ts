import { parentPort, workerData } from 'node:worker_threads';
import decodeJpeg, { init as initJpeg } from '@jsquash/jpeg/decode.js';
import { decode as decodePng, initSync as initPng } from '@jsquash/png/codec/pkg/squoosh_png.js';
import type { DecodeJob, Page } from './decode.ts';
import { detectionInput } from './detection.ts';

/** Decodes one image, makes it what the detector takes, and ends: nothing of it is left for the next. An image that cannot be decoded ends it by a throw. */
const { format, bytes, module } = workerData as DecodeJob;

/** What both codecs hand their pixels to; browsers have it. */
class PlainImageData {
  constructor(data: Uint8ClampedArray, width: number, height: number) {
    Object.assign(this, { data, width, height });
  }
}
Object.assign(globalThis, { ImageData: PlainImageData });

async function decoded(): Promise<Readonly<{ data: Uint8ClampedArray; width: number; height: number }>> {
  if (format === 'png') {
    initPng(module);
    return decodePng(bytes);
  }
  await initJpeg(module);
  return decodeJpeg(bytes.buffer, { preserveOrientation: true });
}

const { data, width, height } = await decoded();
const rgb = new Uint8Array(width * height * 3);
for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
  const alpha = (data[from + 3] as number) / 255;
  // What is transparent is paper.
  for (let i = 0; i < 3; i++) rgb[to + i] = Math.round((data[from + i] as number) * alpha + 255 * (1 - alpha));
}
const image = { width, height, rgb };
const page: Page = { image, detection: detectionInput(image) };
parentPort?.postMessage(page, [rgb.buffer, page.detection.buffer]);
