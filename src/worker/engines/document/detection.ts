import { type Pixels, sampled } from './sample.ts';

/** The longer side of what the detector looks at; its sides are whole multiples of {@link TILE}. */
export const DETECTION_SIDE_MAX = 960;
const TILE = 32;
const COLORS = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

type Size = Readonly<{ width: number; height: number }>;

export function detectionSize({ width, height }: Size): Size {
  const scale = Math.min(1, DETECTION_SIDE_MAX / Math.max(width, height));
  const side = (length: number) => Math.max(TILE, Math.round((length * scale) / TILE) * TILE);
  return { width: side(width), height: side(height) };
}

/** Tiles that the detector looks at: what reading an image costs before a line is found. */
export function tilesOf(image: Size): number {
  const { width, height } = detectionSize(image);
  return (width / TILE) * (height / TILE);
}

/** The whole image as the detector takes it. */
export function detectionInput(image: Pixels): Float32Array<ArrayBuffer> {
  const { width, height } = detectionSize(image);
  const corners = [
    [0, 0],
    [image.width, 0],
    [image.width, image.height],
    [0, image.height],
  ] as const;
  return sampled(image, corners, width, height, COLORS);
}
