import { type Bytes, CodedError, concat, type FieldRule, u8, u32 } from '../../core/index.ts';

/** What a piece of an inference stream is: `u8 kind ‖ u32 length ‖ content`. */
export const PIECE = { open: 0, preface: 1, frame: 2, receipt: 3, end: 4, failure: 5 } as const;
export type PieceKind = (typeof PIECE)[keyof typeof PIECE];
export type Piece = Readonly<{ kind: number; content: Bytes }>;

/** A receipt with its signature, as an object. */
export const RECEIPT_PIECE: readonly FieldRule[] = [
  { name: 'receipt', length: 'any' },
  { name: 'signature', length: 64 },
];

const HEAD_BYTES = 5;
/** A sealed frame has at most 64 KiB and a little; an open with three candidates 10 KiB of JSON. */
export const PIECE_BYTES_MAX = 128 * 1024;

export function encodePiece(kind: PieceKind, content: Uint8Array): Bytes {
  return concat(u8(kind), u32(content.length), content);
}

/** Pieces of a stream as they come. @throws CodedError REQUEST_MALFORMED for one that is too long, or cut */
export async function* readPieces(body: ReadableStream<Uint8Array>): AsyncGenerator<Piece> {
  const reader = body.getReader();
  let held: Bytes = new Uint8Array(0);
  try {
    for (;;) {
      while (held.length >= HEAD_BYTES) {
        const length = new DataView(held.buffer, held.byteOffset).getUint32(1);
        if (length > PIECE_BYTES_MAX) throw new CodedError('REQUEST_MALFORMED', 'a piece is too long', { length });
        if (held.length < HEAD_BYTES + length) break;
        yield { kind: held[0] as number, content: held.slice(HEAD_BYTES, HEAD_BYTES + length) };
        held = held.slice(HEAD_BYTES + length);
      }
      const { value, done } = await reader.read();
      if (done) break;
      held = concat(held, value);
    }
    if (held.length > 0) throw new CodedError('REQUEST_MALFORMED', 'a piece is cut', { length: held.length });
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
