import { CodedError, concatAll } from '../../core/index.ts';
import type { Verifier } from './answer.ts';
import { refusal, type VerifyResponse } from './response.ts';

/** A quote and a whole set of collateral take some 100 kB as JSON; manifests for GPUs more. */
export const LINE_BYTES_MAX = 16 * 1024 * 1024;

const LINE_FEED = 0x0a;

/**
 * Cuts a stream into lines without ever holding more than `bytesMax` of one: a longer line is given as null, once, and
 * skipped to its end. A last line without line feed counts; nothing after the last line feed does not.
 */
export async function* boundedLines(
  chunks: AsyncIterable<Uint8Array>,
  bytesMax: number,
): AsyncGenerator<Uint8Array | null> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(LINE_FEED); ; at = chunk.indexOf(LINE_FEED, from)) {
      const piece = chunk.subarray(from, at === -1 ? chunk.length : at);
      length += piece.length;
      if (length <= bytesMax) parts.push(piece);
      else parts = [];
      if (at === -1) break;
      yield length > bytesMax ? null : concatAll(parts);
      parts = [];
      length = 0;
      from = at + 1;
    }
  }
  if (length > 0) yield length > bytesMax ? null : concatAll(parts);
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** One answer per line, in order; whatever is wrong with a line is its answer. */
export async function* answerBatch(
  verifier: Verifier,
  input: AsyncIterable<Uint8Array>,
  lineBytesMax: number = LINE_BYTES_MAX,
): AsyncGenerator<VerifyResponse> {
  for await (const bytes of boundedLines(input, lineBytesMax)) {
    if (bytes === null) {
      yield refusal(
        null,
        new CodedError('REQUEST_TOO_LARGE', `a line has at most ${lineBytesMax} bytes`, { lineBytesMax }),
      );
      continue;
    }
    let line: string;
    try {
      line = decoder.decode(bytes);
    } catch {
      yield refusal(null, new CodedError('ENCODING_INVALID', 'the line is not UTF-8', { length: bytes.length }));
      continue;
    }
    yield await verifier.answerLine(line);
  }
}
