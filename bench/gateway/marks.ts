/**
 * Loaded before a process of the benchmark (`--import`): writes down when it hears and says what, and keeps nothing of
 * what that is. Nothing in src/ knows of it.
 */
import { subscribe } from 'node:diagnostics_channel';
import { writeFileSync } from 'node:fs';
import type http from 'node:http';
import type http2 from 'node:http2';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const MARKS_MAX = 1_000_000;
const marks: [string, number][] = [];
const mark = (name: string) => {
  if (marks.length < MARKS_MAX) marks.push([name, Number(process.hrtime.bigint()) / 1e6]);
};

const part = process.argv[1]?.endsWith('bare-server.ts')
  ? 'bare'
  : ['gateway', 'router', 'worker'].find((name) => process.argv[2] === name);
const folder = process.env.BENCH_GATEWAY_MARKS;

if (part !== undefined && folder !== undefined) {
  const require = createRequire(import.meta.url);
  watchHttp(require('node:http') as typeof http);
  watchHttp2(require('node:http2') as typeof http2);
  if (part === 'worker' || part === 'bare') watchGraph();
  process.once('exit', () => writeFileSync(join(folder, `marks-${part}-${process.pid}.json`), JSON.stringify(marks)));
}

/** The gateway's own callers. */
function watchHttp({ ServerResponse }: typeof http): void {
  subscribe('http.server.request.start', () => mark('asked'));
  const { write } = ServerResponse.prototype;
  ServerResponse.prototype.write = function (this: unknown, ...args: unknown[]) {
    mark('answers');
    return Reflect.apply(write, this, args) as boolean;
  } as typeof write;
}

/** Streams to a router, and a router's own. */
function watchHttp2(module: typeof http2): void {
  const watched = <Stream extends http2.Http2Stream>(stream: Stream, name: string): Stream => {
    const { emit, write } = stream;
    stream.emit = (event: string | symbol, ...args: unknown[]) => {
      if (event === 'data') mark(`${name} hears`);
      return Reflect.apply(emit, stream, [event, ...args]) as boolean;
    };
    stream.write = ((...args: unknown[]) => {
      mark(`${name} says`);
      return Reflect.apply(write, stream, args) as boolean;
    }) as typeof write;
    return stream;
  };
  const { connect, createServer } = module;
  module.connect = ((...args: unknown[]) => {
    const session = Reflect.apply(connect, module, args) as http2.ClientHttp2Session;
    const { request } = session;
    session.request = (...asked) => watched(request.apply(session, asked), pathOf(asked[0]));
    return session;
  }) as typeof connect;
  module.createServer = ((...args: unknown[]) => {
    const server = Reflect.apply(createServer, module, args) as http2.Http2Server;
    server.prependListener('stream', (stream, headers) => void watched(stream, pathOf(headers)));
    return server;
  }) as typeof createServer;
}

/** `Infer`, `Serve` and so on. */
function pathOf(headers: http2.OutgoingHttpHeaders | readonly string[] | undefined): string {
  const path = (headers as http2.OutgoingHttpHeaders | undefined)?.[':path'];
  return String(path).split('/').at(-1) ?? '';
}

function watchGraph(): void {
  const require = createRequire(import.meta.url);
  const { InferenceSession } = require('onnxruntime-node') as {
    InferenceSession: { prototype: { run(...args: unknown[]): Promise<unknown> } };
  };
  const { run } = InferenceSession.prototype;
  InferenceSession.prototype.run = async function (...args) {
    mark('graph asked');
    const out = await run.apply(this, args);
    mark('graph answers');
    return out;
  };
}
