import { CodedError } from '../../../core/index.ts';
import { ahead } from '../ahead.ts';
import type { Engine, GenerateEvent, GenerateRequest } from '../engine.ts';
import { modelManifest } from '../manifest.ts';
import type { ModelFolder } from '../model-folder.ts';
import { loadRuntime } from '../onnx.ts';
import { createAnswer, type Reading } from './answer.ts';
import { openDecoder } from './decode.ts';
import { DETECTION_SIDE_MAX, tilesOf } from './detection.ts';
import { readDocumentModel } from './files.ts';
import { imageBytes, refusedImage } from './image.ts';
import { createLanes } from './lanes.ts';
import { loadNetwork, NETWORK_FLAGS } from './networks.ts';
import { findLines, parseCharacters, readLine } from './reader.ts';

export type DocumentEngineOptions = Readonly<{
  /** How requests name the model; the folder's name where it is left out. */
  modelId?: string;
}>;

/** Of one request. */
export const IMAGES_MAX = 8;
/** Pages in memory at the same time; others wait. */
const PAGES_MAX = 4;
/** Readings that an answer may be ahead of whoever reads it, so that a slow reader keeps no page in memory. */
const AHEAD_MAX = 8_192;
/** What a request may ask for; an answer is as long as its pages. */
const CONTEXT_TOKENS_MAX = 65_536;

/**
 * Loads a model that reads documents: PP-OCR's detector and recogniser as ONNX graphs, and the characters it knows.
 * The images of the last message are read line by line; text beside them is not followed, as there is nothing in the
 * model that could. Tokens in are the tiles that the detector looks at, at most one a byte of the image.
 * @throws CodedError MODEL_MISSING for an absent file, MODEL_INVALID for one that cannot be used
 */
export async function loadDocumentEngine(folder: ModelFolder, options: DocumentEngineOptions = {}): Promise<Engine> {
  const files = await readDocumentModel(folder);
  const characters = parseCharacters(files.characters);
  const runtime = await loadRuntime();
  const detector = await loadNetwork(runtime, files.detector, 'detector');
  const recogniser = await loadNetwork(runtime, files.recogniser, 'recogniser');
  const networks = { detect: detector.run, recognise: recogniser.run, characters };
  const decode = await openDecoder();
  const lane = createLanes(PAGES_MAX);
  const closing = new AbortController();

  async function* readings(images: readonly Uint8Array<ArrayBuffer>[], signal: AbortSignal): AsyncGenerator<Reading> {
    for (const [image, bytes] of images.entries()) {
      const leave = await lane(signal);
      if (leave === null) return;
      try {
        const page = await decode(bytes, signal);
        yield { kind: 'page', tokens: Math.min(tilesOf(page.image), bytes.length) };
        for (const box of await findLines(networks, page)) {
          if (signal.aborted) return;
          const line = await readLine(networks, page.image, box);
          if (line !== null) yield { kind: 'line', line, image };
        }
      } finally {
        leave();
      }
    }
  }

  const generate = (request: GenerateRequest, given: AbortSignal): AsyncGenerator<GenerateEvent> => {
    const signal = AbortSignal.any([given, closing.signal]);
    return answered(request, ahead(readings(imagesOf(request), signal), AHEAD_MAX), signal);
  };

  const version = runtime.env.versions.node ?? runtime.env.versions.common;
  const flags = { ...NETWORK_FLAGS, executionProvider: 'cpu', detectionSideMax: DETECTION_SIDE_MAX };
  return {
    modelId: options.modelId ?? folder.name,
    manifest: modelManifest(files.contents, { name: 'onnxruntime', version }, flags),
    contextTokensMax: CONTEXT_TOKENS_MAX,
    generate(request, signal) {
      refuseUnsupported(request);
      return generate(request, signal);
    },
    embed: () => Promise.reject(unsupported('input', 'this model gives no embeddings')),
    async close() {
      closing.abort();
      await Promise.all([detector.close(), recogniser.close()]);
    },
  };
}

/**
 * The answer as it is read. One that is cancelled ends at once: a network that runs can't be stopped, and its page keeps
 * its place until it has.
 */
async function* answered(
  request: GenerateRequest,
  readings: AsyncGenerator<Reading>,
  signal: AbortSignal,
): AsyncGenerator<GenerateEvent> {
  const answer = createAnswer(request);
  const cancelled = Promise.withResolvers<null>();
  const cancel = () => cancelled.resolve(null);
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    for (;;) {
      const next = readings.next();
      next.catch(() => undefined); // of an answer that was cancelled it is nobody's failure
      const step = await Promise.race([cancelled.promise, next]);
      if (step === null || signal.aborted) return yield* answer.end('cancelled');
      if (step.done === true) return yield* answer.end('stop');
      yield* answer.read(step.value);
      if (answer.isFull()) return yield* answer.end('length');
    }
  } finally {
    signal.removeEventListener('abort', cancel);
    void readings.return(undefined).catch(() => undefined);
  }
}

function unsupported(param: string, why: string): CodedError {
  return new CodedError('REQUEST_UNSUPPORTED', `${param}: ${why}`, { param });
}

/** What would change what is read, and can't. How tokens are drawn can't change it: nothing is drawn. */
function refuseUnsupported(request: GenerateRequest): void {
  const refuse = (param: string): never => {
    throw unsupported(param, 'this model reads what stands in an image, and nothing else');
  };
  if (request.prompt !== undefined) refuse('prompt');
  if ((request.tools?.length ?? 0) > 0) refuse('tools');
  if (request.responseFormat?.type === 'json_schema') refuse('response_format');
  if (request.logprobs !== undefined) refuse('logprobs');
  if (request.stop.length > 0) refuse('stop');
  if (request.logitBias !== undefined) refuse('logit_bias');
  if ((request.presencePenalty ?? 0) !== 0) refuse('presence_penalty');
  if ((request.frequencyPenalty ?? 0) !== 0) refuse('frequency_penalty');
}

/** @throws CodedError REQUEST_INVALID */
function imagesOf({ messages }: GenerateRequest): Uint8Array<ArrayBuffer>[] {
  const content = messages.at(-1)?.content ?? '';
  const parts = typeof content === 'string' ? [] : content.filter((part) => part.type === 'image_url');
  if (parts.length === 0) {
    throw new CodedError('REQUEST_INVALID', 'messages: this model reads images: the last message must hold one', {
      param: 'messages',
    });
  }
  if (parts.length > IMAGES_MAX) throw refusedImage(`is one of more than ${IMAGES_MAX}`);
  return parts.map(({ image_url }) => imageBytes(image_url.url));
}
