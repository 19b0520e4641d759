import type { Box, Point } from './boxes.ts';

/** An image: three bytes a pixel, red first, row by row from the top. */
export type Pixels = Readonly<{ width: number; height: number; rgb: Uint8Array<ArrayBuffer> }>;

/** What a network subtracts from and divides each channel by, 0 to 1, in the order in which it takes channels. */
export type Normalised = Readonly<{ mean: readonly number[]; deviation: readonly number[] }>;

/** Points averaged along each direction, where many pixels become one. */
const SAMPLES_MAX = 4;

/**
 * A parallelogram of an image as a network takes it: three planes of `height` × `width`, blue first, as PaddleOCR
 * trains. Columns from `width` to `paddedWidth` are zero.
 * @param corners of the parallelogram, in pixels of the image
 */
export function sampled(
  image: Pixels,
  [origin, right, , down]: Box,
  width: number,
  height: number,
  { mean, deviation }: Normalised,
  paddedWidth = width,
): Float32Array<ArrayBuffer> {
  const along: Point = [(right[0] - origin[0]) / width, (right[1] - origin[1]) / width];
  const across: Point = [(down[0] - origin[0]) / height, (down[1] - origin[1]) / height];
  const steps = (by: Point) => Math.min(SAMPLES_MAX, Math.max(1, Math.round(Math.hypot(...by))));
  const [columns, rows] = [steps(along), steps(across)];
  const plane = paddedWidth * height;
  const out = new Float32Array(3 * plane);
  const color = new Float64Array(3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      color.fill(0);
      for (let j = 0; j < rows; j++) {
        for (let i = 0; i < columns; i++) {
          const [s, t] = [x + (i + 0.5) / columns, y + (j + 0.5) / rows];
          // A pixel's middle stands at a half.
          addPixel(
            image,
            origin[0] + s * along[0] + t * across[0] - 0.5,
            origin[1] + s * along[1] + t * across[1] - 0.5,
            color,
          );
        }
      }
      for (let c = 0; c < 3; c++) {
        const value = (color[2 - c] as number) / (columns * rows * 255);
        out[c * plane + y * paddedWidth + x] = (value - (mean[c] as number)) / (deviation[c] as number);
      }
    }
  }
  return out;
}

/** Bilinear; beyond its edge an image goes on as it ends. */
function addPixel({ width, height, rgb }: Pixels, x: number, y: number, to: Float64Array): void {
  const left = Math.min(width - 1, Math.max(0, Math.floor(x)));
  const top = Math.min(height - 1, Math.max(0, Math.floor(y)));
  const right = Math.min(width - 1, left + 1);
  const bottom = Math.min(height - 1, top + 1);
  const fx = Math.min(1, Math.max(0, x - left));
  const fy = Math.min(1, Math.max(0, y - top));
  const at = (row: number, column: number) => 3 * (row * width + column);
  const [a, b, c, d] = [at(top, left), at(top, right), at(bottom, left), at(bottom, right)];
  for (let i = 0; i < 3; i++) {
    const upper = (rgb[a + i] as number) * (1 - fx) + (rgb[b + i] as number) * fx;
    const lower = (rgb[c + i] as number) * (1 - fx) + (rgb[d + i] as number) * fx;
    to[i] = (to[i] as number) + upper * (1 - fy) + lower * fy;
  }
}
