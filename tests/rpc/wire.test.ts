import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { service as healthService } from 'grpc-health-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type InProcess, startInProcess } from '../network/in-process.ts';

/** What a stock gRPC client of any language meets: nothing here goes through our own client. */
const PROTO = resolve(import.meta.dirname, '../../proto');
let network: InProcess;
// biome-ignore lint/suspicious/noExplicitAny: a stock client loads the .proto at run time and knows no types
let stock: any;
beforeAll(async () => {
  network = await startInProcess();
  const files = readdirSync(join(PROTO, 'chrysalis/v1')).map((file) => `chrysalis/v1/${file}`);
  stock = (
    grpc.loadPackageDefinition(loadSync(files, { includeDirs: [PROTO] })) as never as { chrysalis: { v1: unknown } }
  ).chrysalis.v1;
});
afterAll(() => network.close());

const insecure = grpc.credentials.createInsecure();
const wide = { 'grpc.max_send_message_length': 64 * 1024 * 1024 };

type Outcome = Readonly<{ messages: object[]; code: number; details: string }>;

/** Sends these messages over a bidirectional call and gathers what comes back. */
function converse(call: grpc.ClientDuplexStream<object, object>, messages: readonly object[]): Promise<Outcome> {
  return new Promise((done) => {
    const got: object[] = [];
    call.on('data', (message: object) => got.push(message));
    call.on('error', () => undefined);
    call.on('status', ({ code, details }: grpc.StatusObject) => done({ messages: got, code, details }));
    for (const message of messages) call.write(message);
    call.end();
  });
}

const deadline = () => ({ deadline: Date.now() + 5_000 });

test('standard health says SERVING', async () => {
  const Health = grpc.makeGenericClientConstructor(healthService as grpc.ServiceDefinition, 'Health');
  const client = new Health(network.address, insecure) as unknown as {
    check(ask: object, options: object, done: (error: unknown, answer: { status: unknown }) => void): void;
    close(): void;
  };
  const answer = await new Promise<{ status: unknown }>((done, fail) =>
    client.check({ service: 'chrysalis.v1.Inference' }, deadline(), (error, got) => (error ? fail(error) : done(got))),
  );
  expect(['SERVING', 1]).toContain(answer.status);
  client.close();
});

test('reflection lists the services that this listener serves, and administration is not one of them', async () => {
  const method = {
    path: '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    requestStream: true,
    responseStream: true,
  };
  const client = new grpc.Client(network.address, insecure);
  const raw = (bytes: Buffer) => bytes;
  const call = client.makeBidiStreamRequest(method.path, raw, raw, deadline());
  const answer = await new Promise<Buffer>((done, fail) => {
    call.on('data', done).on('error', fail);
    call.write(Buffer.of(0x3a, 0)); // list_services = ""
    call.end();
  });
  const text = answer.toString('latin1');
  for (const service of ['Inference', 'WorkerAttachment', 'Transparency', 'Payments']) {
    expect(text).toContain(`chrysalis.v1.${service}`);
  }
  client.close();
  const administration = new stock.Administration(network.address, insecure);
  const code = await new Promise((done) =>
    administration.listWorkers({}, deadline(), (error: grpc.ServiceError | null) => done(error?.code)),
  );
  expect(code).toBe(grpc.status.UNIMPLEMENTED);
  administration.close();
});

test('malformed, oversized and misplaced messages get a coded status, and the router goes on', async () => {
  const inference = new stock.Inference(network.address, insecure, wide);
  const infer = (messages: readonly object[]) => converse(inference.infer(deadline()), messages);
  expect(await infer([])).toMatchObject({ code: grpc.status.INVALID_ARGUMENT });
  expect(await infer([{ frame: Buffer.alloc(10) }])).toMatchObject({ code: grpc.status.INVALID_ARGUMENT });
  const garbage = { open: { header: Buffer.alloc(300, 7), authorization: Buffer.alloc(64), commit: Buffer.alloc(32) } };
  const refused = await infer([garbage]);
  expect(refused.code).toBe(grpc.status.INVALID_ARGUMENT);
  expect(refused.details).toMatch(/^OBJECT_MALFORMED: /);
  expect(await infer([{ frame: Buffer.alloc(3 * 1024 * 1024) }])).toMatchObject({
    code: grpc.status.RESOURCE_EXHAUSTED,
  });

  const attachment = new stock.WorkerAttachment(network.address, insecure, wide);
  const serve = await converse(attachment.serve(deadline()), [{ lease: Buffer.alloc(16) }]);
  expect(serve).toMatchObject({ code: grpc.status.INVALID_ARGUMENT });
  expect(serve.details).toMatch(/^WORKER_REFUSED: /);
  const evidence = { bundle: Buffer.alloc(5_000, 1), nonceProof: Buffer.alloc(8) };
  const attach = await converse(attachment.attach(deadline()), [{ evidence }, { evidence }, {}]);
  expect(attach.messages.filter((message) => 'refusal' in message && message.refusal !== null)).toHaveLength(2);
  expect(attach.code).not.toBe(grpc.status.INTERNAL);

  const models = await new Promise<{ models: unknown[] }>((done, fail) =>
    inference.listModels({}, deadline(), (error: unknown, got: { models: unknown[] }) =>
      error ? fail(error) : done(got),
    ),
  );
  expect(models.models).toHaveLength(1);
  inference.close();
  attachment.close();
});

test('compressed messages and large metadata are refused, and the connection goes on', async () => {
  const gzip = { ...wide, 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip };
  const compressed = new stock.Inference(network.address, insecure, gzip);
  const plain = new stock.Inference(network.address, insecure);
  const codeOf = (client: typeof plain, metadata: grpc.Metadata) =>
    new Promise<number | undefined>((done) =>
      client.listModels({}, metadata, deadline(), (error: grpc.ServiceError | null) => done(error?.code)),
    );
  expect(await codeOf(compressed, new grpc.Metadata())).toBe(grpc.status.UNIMPLEMENTED);
  const large = new grpc.Metadata();
  large.set('x-large', 'x'.repeat(20_000));
  expect(await codeOf(plain, large)).toBe(grpc.status.RESOURCE_EXHAUSTED);
  expect(await codeOf(plain, new grpc.Metadata())).toBeUndefined();
  compressed.close();
  plain.close();
});

test('no error of the wire carries a stack or a path', async () => {
  const transparency = new stock.Transparency(network.address, insecure);
  const error = await new Promise<grpc.ServiceError>((done) =>
    transparency.getEvidence({ evidenceDigest: Buffer.alloc(32) }, deadline(), done),
  );
  expect(error.code).toBe(grpc.status.NOT_FOUND);
  expect(error.details).toBe('NOT_FOUND: no evidence with this digest is held here');
  transparency.close();
});

test('the generated types are those of the .proto files', () => {
  const out = mkdtempSync(join(tmpdir(), 'chrysalis-wire-'));
  const { status } = spawnSync(process.execPath, ['scripts/generate-wire.ts', out], {
    cwd: resolve(PROTO, '..'),
    env: { ...process.env, PATH: `${resolve(PROTO, '../node_modules/.bin')}:${process.env.PATH}` },
  });
  expect(status).toBe(0);
  const committed = resolve(PROTO, '../src/rpc/wire');
  const files = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  expect(files.length).toBeGreaterThan(40);
  expect(
    readdirSync(committed, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .sort(),
  ).toEqual(files.sort());
  for (const file of files)
    expect(readFileSync(join(out, file), 'utf8'), file).toBe(readFileSync(join(committed, file), 'utf8'));
  rmSync(out, { recursive: true });
});
