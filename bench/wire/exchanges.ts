import type { RouterTransport } from '../../src/client/index.ts';
import { framed, v1 } from '../../src/rpc/index.ts';
import {
  headerHash,
  parseHeader,
  RequestDigest,
  type ResponsePart,
  type SealedOpen,
  signDispatch,
} from '../../src/session/index.ts';
import type { InProcess } from '../../tests/network/in-process.ts';

/** One request and its answer as they cross the wire, made beforehand: whoever replays them needs no key. */
export type Exchange = Readonly<{
  /** gRPC messages of the client's stream. */
  request: Buffer;
  /** gRPC messages of the worker's stream, one a message. */
  fromWorker: readonly Buffer[];
  /** The same as the client gets them. */
  toClient: readonly Buffer[];
}>;

const { Infer } = v1.Inference.service;
const { Serve } = v1.WorkerAttachment.service;
const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

function partOf(part: ResponsePart): object {
  if (part.kind === 'preface') return { preface: buffer(part.preface) };
  if (part.kind === 'frame') return { frame: buffer(part.frame) };
  return { receipt: { receipt: buffer(part.receipt.receipt), signature: buffer(part.receipt.signature) } };
}

/** Sealed by a client and answered by the worker's own code, without the router, whose part is played with its key. */
export async function* exchangesOf(
  network: InProcess,
  count: number,
  maxTokens: number,
  perClient: number,
): AsyncGenerator<Exchange> {
  let made: Exchange | null = null;
  const direct = (transport: RouterTransport): RouterTransport => ({
    ...transport,
    infer: async function* (open, frames) {
      const parts: ResponsePart[] = [];
      for await (const part of answered(network, open, frames)) {
        parts.push(part);
        yield part;
      }
      const messages = [
        { open: { ...open, candidates: [...open.candidates] } },
        ...frames.map((frame) => ({ frame: buffer(frame) })),
      ];
      made = {
        request: Buffer.concat(messages.map((message) => framed(Infer.requestSerialize(message)))),
        fromWorker: parts.map((part) => framed(Serve.requestSerialize(partOf(part)))),
        toClient: parts.map((part) => framed(Infer.responseSerialize(partOf(part) as never))),
      };
    },
  });
  for (let left = count; left > 0; left -= perClient) {
    const client = network.newClient(direct);
    for (let i = 0; i < Math.min(perClient, left); i++) {
      const ask = { messages: [{ role: 'user' as const, content: 'one two three' }], maxTokens };
      // Without a receipt in the router's ledger there is nothing to pay; the client's complaint about it comes last.
      try {
        for await (const _ of client.chat(ask, { deadlineMs: 1_200_000 }));
      } catch (error) {
        if (made === null) throw error;
      }
      if (made === null) throw new Error('no exchange was made');
      yield made;
      made = null;
    }
  }
}

async function* answered(network: InProcess, open: SealedOpen, frames: readonly Uint8Array[]) {
  const header = parseHeader(open.header);
  const hash = headerHash(open.header);
  const digest = new RequestDigest(hash, open.commit);
  for (const frame of frames) digest.push(frame);
  const dispatchSignature = await signDispatch(network.dispatchKey, {
    headerHash: hash,
    requestDigest: digest.value,
    certificateDigest: header.candidates[0]!.certificateDigest,
    dispatch: 1,
  });
  const { wrap, enc } = open.candidates[0]!;
  const request = { ...open, wrap, enc, frames, dispatch: 1, dispatchSignature, timeLeftMs: 60_000 };
  for await (const part of network.serve()(request as never, new AbortController().signal)) {
    if (part.kind === 'refused') throw new Error(`the worker answered ${part.reason}`);
    yield part;
  }
}
