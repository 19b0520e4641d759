import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { RouterTransport } from '../../src/client/index.ts';
import { CodedError } from '../../src/core/index.ts';
import { v1 } from '../../src/rpc/index.ts';
import { ask, type InProcess, startInProcess } from '../network/in-process.ts';

/** `pip install grpcio`, in whatever interpreter this names. */
const PYTHON = process.env.CHRYSALIS_PYTHON ?? 'python3';
const hasGrpc = spawnSync(PYTHON, ['-c', 'import grpc'], { stdio: 'ignore' }).status === 0;

/** A request as a client seals and signs it, that nobody has sent: its messages in hexadecimal. */
async function recorded(network: InProcess): Promise<string[]> {
  const { requestSerialize } = v1.Inference.service.Infer;
  let messages: string[] = [];
  const recording = (transport: RouterTransport): RouterTransport => ({
    ...transport,
    infer: (open, frames) => {
      const all = [{ open: { ...open, candidates: [...open.candidates] } }, ...frames.map((frame) => ({ frame }))];
      messages = all.map((message) => requestSerialize(message as never).toString('hex'));
      throw new CodedError('REQUEST_REFUSED', 'recorded');
    },
  });
  await ask(network.newClient(recording), 'three words here').catch(() => undefined);
  return messages;
}

type Outcome = Readonly<{ code: string; details?: string; messages?: number | string | readonly number[] }>;

test.skipIf(!hasGrpc)(
  `a stock Python client is served, refused and cancelled as gRPC says${hasGrpc ? '' : ' (skipped: no grpcio: pip install grpcio, CHRYSALIS_PYTHON)'}`,
  { timeout: 60_000 },
  async () => {
    const network = await startInProcess();
    try {
      const input = { address: network.address, request: await recorded(network), another: await recorded(network) };
      expect(input.request.length).toBeGreaterThan(1);
      const running = promisify(execFile)(PYTHON, [join(import.meta.dirname, 'stock_client.py')]);
      running.child.stdin?.end(JSON.stringify(input));
      const said = JSON.parse((await running).stdout) as Record<string, Outcome>;
      expect(said.health).toEqual({ code: 'OK', messages: '0801' });
      expect(said.models?.code).toBe('OK');
      expect(said.answer?.code).toBe('OK');
      // Preface, three words, the end, the receipt.
      expect((said.answer as { messages: readonly number[] }).messages.length).toBeGreaterThanOrEqual(6);
      expect(said.malformed).toMatchObject({ code: 'INVALID_ARGUMENT', details: expect.stringMatching(/^[A-Z_]+: /) });
      expect(said.tooLong?.code).toBe('RESOURCE_EXHAUSTED');
      expect(said.compressed?.code).toBe('UNIMPLEMENTED');
      expect(['RESOURCE_EXHAUSTED', 'INTERNAL', 'UNAVAILABLE']).toContain(said.largeMetadata?.code);
      expect(said.silent?.code).toBe('DEADLINE_EXCEEDED');
      expect(said.cancelled?.code).toBe('CANCELLED');
      expect(said.afterwards?.code).toBe('OK');
    } finally {
      await network.close();
    }
  },
);
