import type { Bytes } from '../core/index.ts';
import type { SealedOpen } from '../session/index.ts';
import { FieldWriter } from './grpc/fields.ts';
import { framed } from './grpc/framing.ts';
import { oneField, startMessage } from './serve-messages.ts';

/** Fields of `InferRequest` and of what it holds (proto/chrysalis/v1/inference.proto). */
export const INFER_REQUEST = { open: 1, frame: 2 } as const;
export const OPEN = { header: 1, authorization: 2, commit: 3, candidate: 4, hello: 5 } as const;
export const CANDIDATE = { wrap: 1, enc: 2 } as const;
/** `stop` set to true, whole. */
export const STOP_MESSAGE = Buffer.of(0x18, 1);
export const CLIENT_STOP = framed(STOP_MESSAGE);

/** A message within another is written also where nothing is in it. */
const EMPTY_BYTES = 2;

/** `open` and the frames, in one piece. */
export function inferWire(open: SealedOpen, frames: readonly Bytes[]): Buffer {
  const { sizeOf } = FieldWriter;
  const candidates = open.candidates.map((of) => ({ of, bytes: sizeOf(of.wrap.length) + sizeOf(of.enc.length) }));
  const before = [
    [OPEN.header, open.header],
    [OPEN.authorization, open.authorization],
    [OPEN.commit, open.commit],
  ] as const;
  const bytes =
    before.reduce((sum, [, { length }]) => sum + sizeOf(length), 0) +
    candidates.reduce((sum, candidate) => sum + Math.max(EMPTY_BYTES, sizeOf(candidate.bytes)), 0) +
    sizeOf(open.hello.length);
  const { whole, writer } = startMessage(INFER_REQUEST.open, bytes);
  for (const [number, value] of before) writer.bytes(number, value);
  for (const { of, bytes: length } of candidates) {
    writer.head(OPEN.candidate, length).bytes(CANDIDATE.wrap, of.wrap).bytes(CANDIDATE.enc, of.enc);
  }
  writer.bytes(OPEN.hello, open.hello);
  return Buffer.concat([whole, ...frames.map(frameWire)]);
}

/** One frame of a request, as a message. */
export const frameWire = (frame: Uint8Array): Buffer => oneField(INFER_REQUEST.frame, frame);
