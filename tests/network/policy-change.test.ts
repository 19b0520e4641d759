/** A policy that an operator puts into the router's file, with processes as in production. */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { DEVELOPMENT_POLICY } from '../../src/cli/paths.ts';
import { CodedError } from '../../src/core/index.ts';
import { ask } from './in-process.ts';
import { type Network, startNetwork } from './processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-policy-change-'));
const policy = join(folder, 'policy.json');
let network: Network | null = null;
afterAll(async () => {
  await network?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Log and router are processes of a machine that may be busy with others. */
const IN_FORCE_MS = 60_000;

test('a worker that a new policy refuses gets nothing more once it is in force; the client is told that nobody serves', async () => {
  const shipped = readFileSync(DEVELOPMENT_POLICY, 'utf8');
  writeFileSync(policy, shipped);
  network = await startNetwork(join(folder, 'network'), 'tdx', policy);
  const client = await network.newClient();
  await ask(client, 'Before.', {}, 4);

  const document = JSON.parse(shipped) as { number: number };
  const next = JSON.stringify({ ...document, number: document.number + 1, tees: ['sev-snp'] });
  writeFileSync(`${policy}.next`, next);
  renameSync(`${policy}.next`, policy);
  const writtenAt = performance.now(); // the operator's command has returned
  const answered: number[] = [];
  let refusal: unknown = null;
  while (refusal === null && performance.now() - writtenAt < IN_FORCE_MS) {
    const askedMs = performance.now() - writtenAt;
    await ask(client, 'Meanwhile.', {}, 4).then(
      () => answered.push(askedMs),
      (error: unknown) => {
        refusal = error;
      },
    );
  }
  const lastMs = Math.round(answered.at(-1) ?? 0);
  process.stdout.write(
    `${answered.length} requests were answered after a policy was written that refuses their worker, the last of them asked ${lastMs} ms after; the bar is 2,000 ms\n`,
  );
  expect(refusal).toBeInstanceOf(CodedError);
  expect((refusal as CodedError).code).toBe('NO_WORKER');
  for (let i = 0; i < 3; i++) await expect(ask(client, 'After.', {}, 4)).rejects.toMatchObject({ code: 'NO_WORKER' });
}, 180_000);
