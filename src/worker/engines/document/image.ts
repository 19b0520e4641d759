import { CodedError, fromBase64 } from '../../../core/index.ts';

/** Of one image, as it was sent. */
export const IMAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Of one image, as its header declares them: what decoding it costs is known before a byte of it is decoded. */
export const IMAGE_PIXELS_MAX = 16_777_216;
/** Of a side, so that no page is a thread. */
export const IMAGE_SIDE_MAX = 16_384;

export type ImageFormat = 'png' | 'jpeg';
export type ImageHeader = Readonly<{ format: ImageFormat; width: number; height: number }>;

export function refusedImage(why: string): CodedError {
  return new CodedError('REQUEST_INVALID', `messages: the image ${why}`, { param: 'messages' });
}

/** The bytes of a `data:` URL. @throws CodedError REQUEST_INVALID */
export function imageBytes(url: string): Uint8Array<ArrayBuffer> {
  const text = /^data:image\/[a-z+.-]+;base64,(.*)$/s.exec(url)?.[1];
  if (text === undefined) throw refusedImage('must be a data: URL in base64; nothing is fetched');
  if (text.length > Math.ceil(IMAGE_BYTES_MAX / 3) * 4) throw refusedImage(`is larger than ${IMAGE_BYTES_MAX} bytes`);
  try {
    return fromBase64(text, 'image');
  } catch {
    throw refusedImage('is not base64');
  }
}

/**
 * What an image says of itself, by its own bytes and not by the type that it came with.
 * @throws CodedError REQUEST_INVALID for what is neither PNG nor JPEG, has no size, or is larger than this engine takes
 */
export function imageHeader(bytes: Uint8Array): ImageHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const header = begins(bytes, PNG) ? pngHeader(bytes, view) : begins(bytes, JPEG) ? jpegHeader(view) : null;
  if (header === null) throw refusedImage('is neither a PNG nor a JPEG, or is broken');
  const { width, height } = header;
  if (width === 0 || height === 0) throw refusedImage('has no size');
  if (width > IMAGE_SIDE_MAX || height > IMAGE_SIDE_MAX || width * height > IMAGE_PIXELS_MAX) {
    throw refusedImage(`has more than ${IMAGE_PIXELS_MAX} pixels, or a side of more than ${IMAGE_SIDE_MAX}`);
  }
  return header;
}

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const JPEG = [0xff, 0xd8, 0xff];
const IHDR = 0x49484452;

function begins(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

/** IHDR comes first and has 13 bytes (PNG 3rd edition, section 11.2.1). */
function pngHeader(bytes: Uint8Array, view: DataView): ImageHeader | null {
  if (bytes.length < 33 || view.getUint32(8) !== 13 || view.getUint32(12) !== IHDR) return null;
  return { format: 'png', width: view.getUint32(16), height: view.getUint32(20) };
}

/** Segments up to the first frame header (ITU-T T.81, section B.2.2). */
function jpegHeader(view: DataView): ImageHeader | null {
  for (let at = 2; at + 4 <= view.byteLength; ) {
    if (view.getUint8(at) !== 0xff) return null;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) {
      if (at + 9 > view.byteLength) return null;
      return { format: 'jpeg', width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    }
    // Standalone markers, and a scan or an end before any frame.
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xda)) return null;
    const length = view.getUint16(at + 2);
    if (length < 2) return null;
    at += 2 + length;
  }
  return null;
}
