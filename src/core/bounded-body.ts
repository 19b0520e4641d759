import { type Bytes, concat } from './bytes.ts';
import type { CodedError } from './errors.ts';

/** Reads the body of an answer or a request, never holding more than `bytesMax` of it. @throws what `tooLarge` makes */
export async function boundedBody(
  message: Pick<Response, 'body'>,
  bytesMax: number,
  tooLarge: () => CodedError,
): Promise<Bytes> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of message.body ?? []) {
    length += chunk.length;
    if (length > bytesMax) throw tooLarge();
    chunks.push(chunk);
  }
  return concat(...chunks);
}
