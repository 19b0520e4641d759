import type { AskOptions, ChatRequest, ContentPart } from '../client/index.ts';
import { CodedError, parseStrictJson, toBase64 } from '../core/index.ts';
import type { Answer } from './session.ts';

/** A page as PNG or JPEG. */
export type ReadRequest = Readonly<{ images: readonly Uint8Array[]; model?: string; maxTokens?: number }>;

/** A line of text: its corners in pixels, clockwise from where it begins; `image` counts from 0. */
export type ReadLine = Readonly<{
  text: string;
  box: readonly (readonly [number, number])[];
  score: number;
  image: number;
}>;

/** What was read: complete where `finish` is `stop`. */
export type Read = Readonly<{ lines: readonly ReadLine[] }> & Omit<Answer, 'text'>;

/** A page full of small print, several times. */
const MAX_TOKENS = 8_192;

/** Asks a model that reads documents. @throws CodedError ANSWER_FAILED for an answer that is no document */
export async function read(
  ask: (request: ChatRequest, options?: AskOptions) => Promise<Answer>,
  { images, model, maxTokens }: ReadRequest,
  options?: AskOptions,
): Promise<Read> {
  const content = images.map(
    (image): ContentPart => ({
      type: 'image_url',
      image_url: { url: `data:image/${image[0] === 0xff ? 'jpeg' : 'png'};base64,${toBase64(image)}` },
    }),
  );
  const { text, ...answer } = await ask(
    {
      messages: [{ role: 'user', content }],
      maxTokens: maxTokens ?? MAX_TOKENS,
      responseFormat: { type: 'json_object' },
      ...(model === undefined ? {} : { model }),
    },
    options,
  );
  return { ...answer, lines: linesOf(text) };
}

function linesOf(text: string): readonly ReadLine[] {
  const refused = (cause?: unknown) =>
    new CodedError('ANSWER_FAILED', 'the answer is no list of lines: does this model read documents?', {}, { cause });
  let document: unknown;
  try {
    document = parseStrictJson(text, 'answer');
  } catch (cause) {
    throw refused(cause);
  }
  const { lines } = (document ?? {}) as { lines?: unknown };
  if (!Array.isArray(lines) || !lines.every(isLine)) throw refused();
  return lines as ReadLine[];
}

function isLine(value: unknown): boolean {
  const { text, box, score, image } = (value ?? {}) as { [Field in keyof ReadLine]?: unknown };
  const isPoint = (point: unknown) => Array.isArray(point) && point.length === 2 && point.every(Number.isFinite);
  const placed = Array.isArray(box) && box.length === 4 && box.every(isPoint);
  return typeof text === 'string' && typeof score === 'number' && Number.isInteger(image) && placed;
}
