import { CodedError } from '../core/index.ts';
import type { FromServe, ServePart, ServeRequest } from '../router/index.ts';
import type { OpenRefusal } from '../session/index.ts';
import { bytesOf } from './bytes.ts';
import { FieldWriter, onlyOne, readFields, readOneField, startOfOnly } from './grpc/fields.ts';
import { framed, PREFIX_BYTES } from './grpc/framing.ts';

const OPEN_REFUSALS: ReadonlySet<string> = new Set<OpenRefusal>(['OPEN_FAILED', 'SESSION_UNKNOWN', 'BUSY']);

export const SERVE_FROM_WORKER = { preface: 1, frame: 2, receipt: 3, lease: 4, refused: 5 } as const;
/** `done` set to true, whole. */
export const DONE = Buffer.of(0x30, 1);
const RECEIPT = { receipt: 1, signature: 2 } as const;
const OPEN = { header: 1, authorization: 2, commit: 3, wrap: 4, enc: 5, hello: 6, timeLeftMs: 7 } as const;
export const SERVE_FROM_ROUTER = { open: 1, frame: 2, dispatch: 3 } as const;
const DISPATCH = { dispatch: 1, signature: 2 } as const;
export const STOP = framed(Buffer.of(0x20, 1));

/** Where the frame begins in a message that is one; -1 for whatever else it is. */
export function frameStart(whole: Buffer): number {
  return startOfOnly(SERVE_FROM_WORKER.frame, whole, PREFIX_BYTES);
}

/** Views into the message. @throws CodedError WORKER_GONE */
export function partOf(whole: Buffer): FromServe {
  const at = frameStart(whole);
  return at < 0 ? otherPartOf(whole) : { kind: 'frame', frame: bytesOf(whole.subarray(at)) };
}

/** As {@link partOf}, of what {@link frameStart} says is no frame. */
export function otherPartOf(whole: Buffer): ServePart {
  try {
    const { number, bytes } = readOneField(whole, PREFIX_BYTES);
    if (number === SERVE_FROM_WORKER.preface) return { kind: 'preface', preface: bytes };
    if (number === SERVE_FROM_WORKER.receipt) {
      const fields = readFields(bytes, 2);
      const receipt = onlyOne(fields, RECEIPT.receipt);
      return { kind: 'receipt', receipt: { receipt, signature: onlyOne(fields, RECEIPT.signature) } };
    }
    const reason = Buffer.from(bytes).toString('latin1');
    if (number === SERVE_FROM_WORKER.refused && OPEN_REFUSALS.has(reason)) {
      return { kind: 'refused', reason: reason as OpenRefusal };
    }
  } catch {
    // Whatever it was, it was no message of this protocol.
  }
  throw new CodedError('WORKER_GONE', 'the worker broke the protocol');
}

/** `open`, the client's frames as they came, and `dispatch`, in one piece. */
export function requestWire({ open, frames, dispatch, signature }: ServeRequest): Buffer {
  const { sizeOf, sizeOfUint } = FieldWriter;
  const { header, authorization, commit, wrap, enc, hello, timeLeftMs } = open;
  const openBytes =
    sizeOf(header.length) +
    sizeOf(authorization.length) +
    sizeOf(commit.length) +
    sizeOf(wrap.length) +
    sizeOf(enc.length) +
    sizeOf(hello.length) +
    sizeOfUint(timeLeftMs);
  const dispatchBytes = sizeOfUint(dispatch) + sizeOf(signature.length);
  let bytes = messageBytes(openBytes) + messageBytes(dispatchBytes);
  for (const frame of frames) bytes += frame.length;
  const whole = Buffer.allocUnsafe(bytes);
  writeMessage(whole, 0, SERVE_FROM_ROUTER.open, openBytes)
    .bytes(OPEN.header, header)
    .bytes(OPEN.authorization, authorization)
    .bytes(OPEN.commit, commit)
    .bytes(OPEN.wrap, wrap)
    .bytes(OPEN.enc, enc)
    .bytes(OPEN.hello, hello)
    .uint(OPEN.timeLeftMs, timeLeftMs);
  let at = messageBytes(openBytes);
  for (const frame of frames) {
    whole.set(frame, at);
    at += frame.length;
  }
  writeMessage(whole, at, SERVE_FROM_ROUTER.dispatch, dispatchBytes)
    .uint(DISPATCH.dispatch, dispatch)
    .bytes(DISPATCH.signature, signature);
  return whole;
}

/** What a worker says, as one message. */
export function partWire(part: FromServe): Buffer {
  if (part.kind === 'preface') return oneField(SERVE_FROM_WORKER.preface, part.preface);
  if (part.kind === 'frame') return oneField(SERVE_FROM_WORKER.frame, part.frame);
  if (part.kind === 'refused') return oneField(SERVE_FROM_WORKER.refused, Buffer.from(part.reason, 'latin1'));
  const { receipt, signature } = part.receipt;
  const { whole, writer } = startMessage(
    SERVE_FROM_WORKER.receipt,
    FieldWriter.sizeOf(receipt.length) + FieldWriter.sizeOf(signature.length),
  );
  writer.bytes(RECEIPT.receipt, receipt).bytes(RECEIPT.signature, signature);
  return whole;
}

/** A gRPC message of one field of bytes. */
export function oneField(number: number, bytes: Uint8Array): Buffer {
  const { whole } = startMessage(number, bytes.length);
  whole.set(bytes, whole.length - bytes.length);
  return whole;
}

/** A gRPC message with one field of this many bytes, to be written by the writer. */
export function startMessage(number: number, bytes: number): { whole: Buffer; writer: FieldWriter } {
  const whole = Buffer.allocUnsafe(messageBytes(bytes));
  return { whole, writer: writeMessage(whole, 0, number, bytes) };
}

/** Of a gRPC message with one field of so many bytes, which is written also where nothing is in it. */
function messageBytes(bytes: number): number {
  return PREFIX_BYTES + Math.max(2, FieldWriter.sizeOf(bytes));
}

function writeMessage(into: Buffer, at: number, number: number, bytes: number): FieldWriter {
  into[at] = 0;
  into.writeUInt32BE(messageBytes(bytes) - PREFIX_BYTES, at + 1);
  return new FieldWriter(into, at + PREFIX_BYTES).head(number, bytes);
}
