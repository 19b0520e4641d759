/** A point in pixels of an image, x to the right and y downwards. */
export type Point = readonly [number, number];
/** Corners of a line of text: top left, top right, bottom right, bottom left, as it is read. */
export type Box = readonly [Point, Point, Point, Point];

/** How likely each pixel is part of text, row by row, 0 to 1. */
export type TextMap = Readonly<{ width: number; height: number; values: Float32Array }>;

/** From here a pixel counts as text, and a rectangle as a line (thresh and box_thresh of DB, as PP-OCRv4 is published with). */
const PIXEL_LEAST = 0.3;
const BOX_LEAST = 0.6;
/** A little more than the published 1.5: with less room around them words lose the spaces between them. */
const UNCLIP = 2.2;
/** Shorter sides, in pixels of the map, are noise. */
const SIDE_LEAST = 3;
export const BOXES_MAX = 1_000;

/** A rectangle at any angle: centre, unit vector along it, half its length and half its breadth. */
type Rectangle = Readonly<{ x: number; y: number; ux: number; uy: number; along: number; across: number }>;

/**
 * Lines of text out of a map (differentiable binarisation, arXiv:1911.08947 section 3.4): connected pixels, the
 * smallest rectangle around each, grown back by what training shrank it. In reading order: down, then right.
 * @returns boxes in pixels of the map; at most {@link BOXES_MAX}
 */
export function boxesOf(map: TextMap): Box[] {
  const boxes: Box[] = [];
  for (const edge of components(map)) {
    if (boxes.length === BOXES_MAX) break;
    const found = smallestRectangle(hull(edge));
    if (2 * Math.min(found.along, found.across) < SIDE_LEAST || meanInside(map, found) < BOX_LEAST) continue;
    const grown = unclipped(found);
    if (2 * Math.min(grown.along, grown.across) >= SIDE_LEAST + 2) boxes.push(ordered(cornersOf(grown)));
  }
  return inReadingOrder(boxes);
}

/** Of each group of touching pixels the first and last of its rows, which are all that its hull needs. */
function* components({ width, height, values }: TextMap): Generator<Point[]> {
  const seen = new Uint8Array(values.length);
  const stack: number[] = [];
  const visit = (at: number) => {
    if (seen[at] === 1 || (values[at] as number) <= PIXEL_LEAST) return;
    seen[at] = 1;
    stack.push(at);
  };
  for (let start = 0; start < values.length; start++) {
    visit(start);
    if (stack.length === 0) continue;
    const rows = new Map<number, [number, number]>();
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      const x = at % width;
      const y = (at - x) / width;
      const row = rows.get(y);
      if (row === undefined) rows.set(y, [x, x]);
      else {
        row[0] = Math.min(row[0], x);
        row[1] = Math.max(row[1], x);
      }
      for (let dy = -1; dy <= 1; dy++) {
        if (y + dy < 0 || y + dy >= height) continue;
        for (let dx = -1; dx <= 1; dx++) if (x + dx >= 0 && x + dx < width) visit(at + dy * width + dx);
      }
    }
    yield [...rows].flatMap(([y, [first, last]]): Point[] => [
      [first, y],
      [last, y],
    ]);
  }
}

/** The convex hull, counterclockwise (Andrew's monotone chain). */
export function hull(points: readonly Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (inOrder: readonly Point[]): Point[] => {
    const chain: Point[] = [];
    for (const point of inOrder) {
      while (chain.length >= 2 && turn(chain.at(-2) as Point, chain.at(-1) as Point, point) <= 0) chain.pop();
      chain.push(point);
    }
    return chain.slice(0, -1);
  };
  return sorted.length < 3 ? sorted : [...half(sorted), ...half(sorted.reverse())];
}

function turn(a: Point, b: Point, c: Point): number {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

/** One of its sides lies on a side of the hull (Freeman and Shapira, 1975). */
export function smallestRectangle(points: readonly Point[]): Rectangle {
  let best: Rectangle | null = null;
  points.forEach(([x, y], i) => {
    const [nextX, nextY] = points[(i + 1) % points.length] as Point;
    const length = Math.hypot(nextX - x, nextY - y);
    const [ux, uy] = length === 0 ? [1, 0] : [(nextX - x) / length, (nextY - y) / length];
    const along = extent(points, ux, uy);
    const across = extent(points, -uy, ux);
    const found: Rectangle = {
      x: along.middle * ux - across.middle * uy,
      y: along.middle * uy + across.middle * ux,
      ux,
      uy,
      along: along.half,
      across: across.half,
    };
    if (best === null || found.along * found.across < best.along * best.across) best = found;
  });
  return best ?? { x: 0, y: 0, ux: 1, uy: 0, along: 0, across: 0 };
}

function extent(points: readonly Point[], ux: number, uy: number) {
  let least = Infinity;
  let most = -Infinity;
  for (const [x, y] of points) {
    const at = x * ux + y * uy;
    least = Math.min(least, at);
    most = Math.max(most, at);
  }
  return { middle: (least + most) / 2, half: (most - least) / 2 };
}

function meanInside({ width, height, values }: TextMap, box: Rectangle): number {
  const corners = cornersOf(box);
  const [left, right, top, bottom] = [
    Math.max(0, Math.floor(Math.min(...corners.map(([x]) => x)))),
    Math.min(width - 1, Math.ceil(Math.max(...corners.map(([x]) => x)))),
    Math.max(0, Math.floor(Math.min(...corners.map(([, y]) => y)))),
    Math.min(height - 1, Math.ceil(Math.max(...corners.map(([, y]) => y)))),
  ];
  let sum = 0;
  let count = 0;
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const [dx, dy] = [x - box.x, y - box.y];
      const inside =
        Math.abs(dx * box.ux + dy * box.uy) <= box.along && Math.abs(dy * box.ux - dx * box.uy) <= box.across;
      if (!inside) continue;
      sum += values[y * width + x] as number;
      count += 1;
    }
  }
  return count === 0 ? 0 : sum / count;
}

/** Vatti's offset of a rectangle by area × ratio / perimeter, without the round corners; pixels are a half wide each way. */
function unclipped(box: Rectangle): Rectangle {
  const [along, across] = [box.along + 0.5, box.across + 0.5];
  const by = (along * across * UNCLIP) / (along + across);
  return { ...box, along: along + by, across: across + by };
}

function cornersOf({ x, y, ux, uy, along, across }: Rectangle): Point[] {
  const corner = (a: number, b: number): Point => [x + a * ux - b * uy, y + a * uy + b * ux];
  return [corner(-along, -across), corner(along, -across), corner(along, across), corner(-along, across)];
}

/** The two at the left, upper first, are where the line begins. */
function ordered(corners: readonly Point[]): Box {
  const byX = [...corners].sort((a, b) => a[0] - b[0]);
  const [topLeft, bottomLeft] = byX.slice(0, 2).sort((a, b) => a[1] - b[1]) as [Point, Point];
  const [topRight, bottomRight] = byX.slice(2).sort((a, b) => a[1] - b[1]) as [Point, Point];
  return [topLeft, topRight, bottomRight, bottomLeft];
}

/** Boxes whose upper left corners differ by less than half a line's height stand in one row. */
function inReadingOrder(boxes: readonly Box[]): Box[] {
  const byTop = [...boxes].sort((a, b) => a[0][1] - b[0][1]);
  const rows: Box[][] = [];
  for (const box of byTop) {
    const row = rows.at(-1);
    const first = row?.[0];
    const height = first === undefined ? 0 : Math.hypot(first[3][0] - first[0][0], first[3][1] - first[0][1]);
    if (row !== undefined && first !== undefined && box[0][1] - first[0][1] < height / 2) row.push(box);
    else rows.push([box]);
  }
  return rows.flatMap((row) => row.sort((a, b) => a[0][0] - b[0][0]));
}
