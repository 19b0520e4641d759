import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { CodedError } from '../../../core/index.ts';
import { type ImageFormat, type ImageHeader, imageHeader, refusedImage } from './image.ts';
import type { Pixels } from './sample.ts';

/** A decoded image, and the same as the detector takes it. */
export type Page = Readonly<{ image: Pixels; detection: Float32Array<ArrayBuffer> }>;

export type DecodeJob = Readonly<{ format: ImageFormat; bytes: Uint8Array<ArrayBuffer>; module: WebAssembly.Module }>;

export type Decode = (bytes: Uint8Array<ArrayBuffer>, signal: AbortSignal) => Promise<Page>;

/** A decoder that takes longer is stopped. */
const DECODE_MS_MAX = 10_000;
/** Of the thread's own heap; the pixels, which are bounded by the header, are beside it. */
const HEAP_MIB_MAX = 64;

const CODECS: Readonly<Record<ImageFormat, string>> = {
  png: '@jsquash/png/codec/pkg/squoosh_png_bg.wasm',
  jpeg: '@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm',
};

/**
 * Decoders in WebAssembly, each image in a thread of its own that ends with it: a broken image can harm nothing but
 * itself, and one that takes too long is stopped.
 */
export async function openDecoder(msMax = DECODE_MS_MAX): Promise<Decode> {
  const { resolve } = createRequire(import.meta.url);
  const compiled = async (format: ImageFormat) => WebAssembly.compile(await readFile(resolve(CODECS[format])));
  const modules = { png: await compiled('png'), jpeg: await compiled('jpeg') };
  return async (bytes, signal) => {
    const header = imageHeader(bytes);
    const page = await inThread({ format: header.format, bytes, module: modules[header.format] }, msMax, signal);
    requireDeclared(page.image, header);
    return page;
  };
}

/** An orientation may turn the image; nothing may make it larger than what its header was let in for. */
function requireDeclared({ width, height, rgb }: Pixels, header: ImageHeader): void {
  const same = width === header.width && height === header.height;
  const turned = width === header.height && height === header.width;
  if ((!same && !turned) || rgb.length !== width * height * 3) throw refusedImage('is not what its header says');
}

/** @throws CodedError REQUEST_INVALID, REQUEST_CANCELLED */
function inThread(job: DecodeJob, msMax: number, signal: AbortSignal): Promise<Page> {
  const thread = new Worker(new URL('./decode-thread.ts', import.meta.url), {
    workerData: job,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX, maxYoungGenerationSizeMb: HEAP_MIB_MAX / 4 },
    // Whatever a codec prints speaks of an image.
    stdout: true,
    stderr: true,
  });
  const { promise, resolve, reject } = Promise.withResolvers<Page>();
  const timer = setTimeout(() => reject(refusedImage('takes too long to decode')), msMax);
  const cancel = () => reject(new CodedError('REQUEST_CANCELLED', 'cancelled while an image was decoded'));
  thread.once('message', resolve);
  thread.once('error', () => reject(refusedImage('cannot be decoded')));
  thread.once('exit', () => reject(refusedImage('cannot be decoded')));
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel, { once: true });
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', cancel);
    void thread.terminate();
  });
}
