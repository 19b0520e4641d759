import { type Bytes, CodedError, fromUtf8 } from '../../../core/index.ts';
import { type Box, boxesOf } from './boxes.ts';
import type { Page } from './decode.ts';
import { detectionSize } from './detection.ts';
import { type Pixels, sampled } from './sample.ts';

/** A line that was read. */
export type Line = Readonly<{ text: string; box: Box; score: number }>;

const LINE_HEIGHT = 48;
/** Shorter lines are padded to what the network was trained with; longer ones are pressed together. */
const LINE_WIDTH = { least: 320, most: 3_200 };
const LINE_COLORS = { mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] };
/** A box so much taller than wide is a line on its side. */
const UPRIGHT = 1.5;
const LINE_SCORE_LEAST = 0.5;

/** A network of one input and one output. @throws CodedError ANSWER_FAILED */
export type Network = (
  input: Float32Array,
  dims: readonly number[],
) => Promise<Readonly<{ data: Float32Array; dims: readonly number[] }>>;

/** The two networks of PP-OCR, and the characters that the second knows. */
export type DocumentNetworks = Readonly<{
  detect: Network;
  recognise: Network;
  /** One a class after the blank, which is class 0. */
  characters: readonly string[];
}>;

const CHARACTERS_MAX = 65_536;

/** One character a line, and the space that the file leaves out. @throws CodedError MODEL_INVALID */
export function parseCharacters(file: Bytes): string[] {
  const lines = fromUtf8(file).split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  if (lines.length === 0 || lines.length > CHARACTERS_MAX) {
    throw new CodedError('MODEL_INVALID', `a model knows 1 to ${CHARACTERS_MAX} characters`, { lines: lines.length });
  }
  return [...lines, ' '];
}

/** Where text stands in an image, in pixels of the image and in reading order. */
export async function findLines({ detect }: DocumentNetworks, { image, detection }: Page): Promise<Box[]> {
  const { width, height } = detectionSize(image);
  const map = await detect(detection, [1, 3, height, width]);
  if (map.data.length !== width * height) throw new CodedError('ANSWER_FAILED', 'the detector gave another size');
  const [sx, sy] = [image.width / width, image.height / height];
  return boxesOf({ width, height, values: map.data }).map(
    (box) =>
      box.map(([x, y]) => [clamp((x + 0.5) * sx, image.width), clamp((y + 0.5) * sy, image.height)]) as unknown as Box,
  );
}

const clamp = (value: number, most: number) => Math.min(most, Math.max(0, value));

/** Reads one line; null where nothing is sure enough. */
export async function readLine(
  { recognise, characters }: DocumentNetworks,
  image: Pixels,
  box: Box,
): Promise<Line | null> {
  const [topLeft, topRight, bottomRight, bottomLeft] = box;
  const span = (a: readonly number[], b: readonly number[]) =>
    Math.hypot((a[0] as number) - (b[0] as number), (a[1] as number) - (b[1] as number));
  const across = Math.max(span(topLeft, topRight), span(bottomLeft, bottomRight), 1);
  const down = Math.max(span(topLeft, bottomLeft), span(topRight, bottomRight), 1);
  const onItsSide = down >= across * UPRIGHT;
  const from: Box = onItsSide ? [topRight, bottomRight, bottomLeft, topLeft] : box;
  const ratio = onItsSide ? down / across : across / down;
  const width = Math.min(LINE_WIDTH.most, Math.max(1, Math.ceil(LINE_HEIGHT * ratio)));
  const padded = Math.max(width, LINE_WIDTH.least);
  const input = sampled(image, from, width, LINE_HEIGHT, LINE_COLORS, padded);
  const scores = await recognise(input, [1, 3, LINE_HEIGHT, padded]);
  const classes = characters.length + 1;
  if (scores.dims.at(-1) !== classes) throw new CodedError('ANSWER_FAILED', 'the recogniser knows other characters');
  const { text, score } = decoded(scores.data, classes, characters);
  return text.trim() === '' || score < LINE_SCORE_LEAST ? null : { text, box, score };
}

/** The likeliest class of each step, without repeats and blanks (connectionist temporal classification). */
export function decoded(values: Float32Array, classes: number, characters: readonly string[]) {
  let text = '';
  let sum = 0;
  let count = 0;
  for (let step = 0, before = 0; step < values.length; step += classes) {
    let best = 0;
    for (let i = 1; i < classes; i++) {
      if ((values[step + i] as number) > (values[step + best] as number)) best = i;
    }
    if (best !== 0 && best !== before) {
      text += characters[best - 1] as string;
      sum += values[step + best] as number;
      count += 1;
    }
    before = best;
  }
  return { text, score: count === 0 ? 0 : sum / count };
}
