import * as grpc from '@grpc/grpc-js';
import type { RouterTransport } from '../src/client/index.ts';
import type { Bytes } from '../src/core/index.ts';
import {
  headerHash,
  parseHeader,
  RequestDigest,
  type ResponsePart,
  type SealedOpen,
  signDispatch,
} from '../src/session/index.ts';
import { echoEngine, type InProcess, startInProcess } from '../tests/network/in-process.ts';
import { type BenchLine, median, quantile } from './report.ts';

const WARM_UP = 30;
const ROUNDS = 8;
const REQUESTS_PER_ROUND = 25;

type Infer = RouterTransport['infer'];

/**
 * Client and worker with nothing between them but one gRPC hop: the request goes to the very function that a worker runs
 * for a request of its router. What the router adds is what the way through it costs beyond this.
 */
async function directInfer(network: InProcess): Promise<{ infer: Infer; close(): void }> {
  const bytes = (value: Buffer) => value;
  const method = {
    path: '/bench.Direct/Infer',
    requestStream: false,
    responseStream: true,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  } as const;
  const requests = new Map<string, Readonly<{ open: SealedOpen; frames: readonly Bytes[] }>>();
  const server = new grpc.Server();
  server.addService(
    { infer: method },
    {
      infer: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
        void (async () => {
          // The hop carries the request's bytes; their structure is at hand in this process.
          const key = call.request.subarray(0, 32).toString('hex');
          const { open, frames } = requests.get(key) as { open: SealedOpen; frames: readonly Bytes[] };
          requests.delete(key);
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
          const served = {
            ...open,
            ...open.candidates[0]!,
            frames,
            dispatch: 1,
            dispatchSignature,
            timeLeftMs: 60_000,
          };
          for await (const part of network.serve()(served, new AbortController().signal)) {
            call.write(encodePart(part as ResponsePart));
          }
          call.end();
        })();
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  return {
    infer: async function* (open, frames) {
      const body = Buffer.concat([headerHash(open.header), ...frames]);
      requests.set(body.subarray(0, 32).toString('hex'), { open, frames });
      const call = client.makeServerStreamRequest(method.path, bytes, bytes, body, {});
      for await (const message of call) yield decodePart(message as Buffer);
    },
    close: () => {
      client.close();
      server.forceShutdown();
    },
  };
}

function encodePart(part: ResponsePart): Buffer {
  if (part.kind === 'preface') return Buffer.concat([Buffer.of(0), part.preface]);
  if (part.kind === 'frame') return Buffer.concat([Buffer.of(1), part.frame]);
  return Buffer.concat([Buffer.of(2), part.receipt.signature, part.receipt.receipt]);
}

function decodePart(message: Buffer): ResponsePart {
  const rest = Uint8Array.from(message.subarray(1));
  if (message[0] === 0) return { kind: 'preface', preface: rest };
  if (message[0] === 1) return { kind: 'frame', frame: rest };
  return { kind: 'receipt', receipt: { signature: rest.slice(0, 64), receipt: rest.slice(64) } };
}

/** Milliseconds to the first word of an answer, on a session that is open. */
async function timesToFirstText(client: InProcess['client'], count: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    let first: number | null = null;
    for await (const event of client.chat({ messages: [{ role: 'user', content: 'one two three' }], maxTokens: 8 })) {
      if (event.kind === 'text') first ??= performance.now() - started;
    }
    times.push(first as number);
  }
  return times;
}

/** What the router adds to the time to the first word, everything in one process on loopback. */
export async function benchRouter(): Promise<BenchLine[]> {
  const network = await startInProcess({ engine: echoEngine() });
  const direct = await directInfer(network);
  try {
    const through = network.client;
    const past = network.newClient((transport) => ({ ...transport, infer: direct.infer }), false);
    const around = { through: [] as number[], past: [] as number[] };
    await timesToFirstText(through, WARM_UP);
    await timesToFirstText(past, WARM_UP);
    for (let round = 0; round < ROUNDS; round++) {
      around.through.push(...(await timesToFirstText(through, REQUESTS_PER_ROUND)));
      around.past.push(...(await timesToFirstText(past, REQUESTS_PER_ROUND)));
    }
    const floor = { name: 'client to worker, one gRPC hop', value: median(around.past) };
    const value = median(around.through);
    const added = (share: number) => Math.max(0, quantile(around.through, share) - quantile(around.past, share));
    return [
      { name: 'time to first word through the router, p50', value, unit: 'ms', floor, ratio: value / floor.value },
      { name: 'latency the router adds, p50', value: added(0.5), unit: 'ms' },
      { name: 'latency the router adds, p99', value: added(0.99), unit: 'ms' },
    ];
  } finally {
    direct.close();
    await network.close();
  }
}
