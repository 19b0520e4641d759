import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkAdmissionEntry, SeenHeads } from '../../src/client/log-proofs.ts';
import { parseLeaf, parseLogPolicy } from '../../src/log/index.ts';
import { parseHeader } from '../../src/session/index.ts';
import { echoEngine, type InProcess, randomness, startInProcess } from './in-process.ts';

let network: InProcess;
const salts: (string | undefined)[] = [];
const headers: Uint8Array[] = [];
beforeAll(async () => {
  const echo = echoEngine();
  const engine: typeof echo = {
    ...echo,
    generate(request, signal) {
      salts.push(request.cacheSalt);
      return echo.generate(request, signal);
    },
  };
  network = await startInProcess({
    engine,
    prefixCache: { secret: randomness(32) },
    tamper: (transport) => ({
      ...transport,
      infer: (open, frames, options) => {
        headers.push(open.header);
        return transport.infer(open, frames, options);
      },
    }),
  });
});
afterAll(() => network.close());

test('headers carry tags of the prompt’s beginning, and the sealed request its salt', async () => {
  const content = 'word '.repeat(2_000);
  for (const more of ['one', 'two']) {
    const messages = [{ role: 'user' as const, content: `${content}${more}` }];
    for await (const _ of network.client.chat({ messages, maxTokens: 1 }));
  }
  const [first, second] = headers.map((header) => parseHeader(header).tags) as [Uint8Array, Uint8Array];
  // 4 KiB and 8 KiB are the same; longer ones there are not, and the slots hold random bytes.
  expect(first.subarray(0, 12)).toEqual(second.subarray(0, 12));
  expect(first.subarray(12)).not.toEqual(second.subarray(12));
  expect(salts[0]).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  expect(salts[1]).toBe(salts[0]);
});

test('an admission whose lease is over admits nobody, and no session outlives it', async () => {
  const [worker] = network.client.verified();
  const workerId = Uint8Array.from(Buffer.from(worker!.workerId, 'hex'));
  const transport = network.transport();
  const entry = await transport.getAdmission(workerId, { deadline: Date.now() + 10_000 });
  transport.close();
  const leaf = parseLeaf(entry.leaf);
  const { leaseUntil } = (leaf.known ? leaf.leaf.body : {}) as { leaseUntil: number };
  expect(worker!.expiresAt).toBeLessThanOrEqual(leaseUntil);
  const policy = parseLogPolicy(network.logPolicyText);
  const failedAt = async (now: number) =>
    (await checkAdmissionEntry(entry, policy, new SeenHeads(), { workerId, evidenceDigest: null }, now)).failed;
  expect(await failedAt(leaseUntil - 1)).toEqual([]);
  expect(await failedAt(leaseUntil)).toEqual(['admissionLease']);
});
