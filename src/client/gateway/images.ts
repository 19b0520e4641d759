import { fromBase64 } from '../../core/index.ts';
import { invalid } from './errors.ts';

const BEGINNINGS: Readonly<Record<string, readonly (readonly number[])[]>> = {
  'image/png': [[0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  'image/jpeg': [[0xff, 0xd8, 0xff]],
  'image/gif': [[0x47, 0x49, 0x46, 0x38]],
  'image/webp': [[0x52, 0x49, 0x46, 0x46]],
};

/**
 * An image travels inside the sealed request: a `data:` URL whose bytes begin as its type says. Nothing is fetched, as
 * whoever serves the image would learn of the request.
 * @throws CodedError REQUEST_INVALID
 */
export function requireImage(url: string, param: string): void {
  const read = /^data:(image\/[a-z+.-]+);base64,(.*)$/s.exec(url);
  if (read === null) throw invalid(param, 'must be a data: URL in base64; nothing is fetched');
  const [, type = '', text = ''] = read;
  const beginnings = BEGINNINGS[type];
  if (beginnings === undefined) throw invalid(param, `must be one of ${Object.keys(BEGINNINGS).join(', ')}`);
  let bytes: Uint8Array;
  try {
    bytes = fromBase64(text, 'image');
  } catch {
    throw invalid(param, 'is not base64');
  }
  const fits = beginnings.some((begin) => begin.every((byte, i) => bytes[i] === byte));
  if (!fits) throw invalid(param, `does not hold ${type === 'image/jpeg' ? 'a JPEG' : `an ${type}`} image`);
}
