import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEVELOPMENT_NETWORK } from '../../src/chain/index.ts';
import { CodedError } from '../../src/core/index.ts';
import { asChrysalisError } from '../../src/sdk/errors.ts';
import { ChrysalisError, connect } from '../../src/sdk/index.ts';
import { echoEngine, type InProcess, startInProcess } from './in-process.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const POLICY = resolve(ROOT, 'attestation-policies/development-simulated.json');
const policy = readFileSync(POLICY, 'utf8');
let network: InProcess;
beforeAll(async () => {
  network = await startInProcess({ engine: echoEngine() });
});
afterAll(() => network.close());

const open = (changes: Partial<Parameters<typeof connect>[0]> = {}) =>
  connect({
    router: network.address,
    payments: network.payments(),
    policy,
    logPolicy: network.logPolicyText,
    trustAnchors: network.anchors,
    ...changes,
  });

test('asks, streams and tells what it verified, before a prompt leaves', async () => {
  const events: string[] = [];
  const session = await open({ onEvent: ({ kind }) => void events.push(kind) });
  const answer = await session.ask('one two three');
  expect(answer.text).toBe('one two three ');
  expect(answer.finish).toBe('stop');
  expect(answer.receipt.readers).toEqual([answer.worker.workerId]);
  expect(events.slice(0, 3)).toEqual(['verifying', 'readers', 'worker']);
  expect(session.verified()).toHaveLength(1);
  expect((await session.models()).length).toBe(1);
  await session.close();
});

test('the failures are of four kinds, and of the caller’s own making', async () => {
  const kindOf = (run: Promise<unknown>) =>
    run.then(
      () => 'none',
      (error: unknown) => (error instanceof ChrysalisError ? error.kind : String(error)),
    );
  // Another root: the evidence is signed by nobody that is trusted.
  const stranger = [{ ...network.anchors[0]!, spkiSha256: new Uint8Array(32).fill(7) }];
  const notTrusted = await open({ trustAnchors: stranger });
  expect(await kindOf(notTrusted.ask('x'))).toBe('not-genuine');
  // Genuine, and of an image that this policy does not list.
  const strict = JSON.parse(policy) as { tdx: { images: unknown[] } };
  strict.tdx.images = [];
  const session = await open({ policy: JSON.stringify(strict) });
  const refused = await session.ask('x').catch((error: unknown) => error as ChrysalisError);
  expect(refused).toMatchObject({ kind: 'policy', code: 'OFFER_REFUSED' });
  expect((refused as ChrysalisError).failedChecks).toEqual(['policy.image']);
  expect(await kindOf(connect({ router: '127.0.0.1:1', policy, logPolicy: network.logPolicyText }))).toBe(
    'could-not-find-out',
  );
  expect(await kindOf(open({ policy: '{}' }))).toBe('request');
  const kinds = [
    'WORKER_GONE',
    'FRAME_NOT_AUTHENTIC',
    'RECEIPT_REFUSED',
    'DEADLINE_EXCEEDED',
    'INVARIANT_BROKEN',
  ] as const;
  expect(kinds.map((code) => asChrysalisError(new CodedError(code, 'x')).kind)).toEqual([
    'worker-gone',
    'not-genuine',
    'not-genuine',
    'could-not-find-out',
    'defect',
  ]);
  await notTrusted.close();
  await session.close();
});

test('the example of docs/sdk.md runs', async () => {
  const document = readFileSync(resolve(ROOT, 'docs/sdk.md'), 'utf8');
  const [code, channel] = [...document.matchAll(/```js run\n(.*?)```/gs)].map(([, text]) => text as string);
  const base = resolve(ROOT, `.sdk-example-${process.pid}`);
  const files = {
    payments: `${base}.payments.mjs`,
    example: `${base}.mjs`,
    log: `${base}.log-policy`,
    anchors: `${base}.json`,
  };
  writeFileSync(files.example, code as string);
  writeFileSync(files.payments, channel as string);
  writeFileSync(files.log, network.logPolicyText);
  const anchors = network.anchors.map(({ spkiSha256, name }) => ({
    spkiSha256: Buffer.from(spkiSha256).toString('hex'),
    name,
  }));
  writeFileSync(files.anchors, JSON.stringify(anchors));
  try {
    const env = {
      ...process.env,
      ROUTER: network.address,
      PAYMENTS: files.payments,
      NETWORK: String(DEVELOPMENT_NETWORK),
      PAYEE: network.payments().terms.payee,
      POLICY,
      LOG_POLICY: files.log,
      ANCHORS: files.anchors,
    };
    const child = spawn(process.execPath, [files.example], { cwd: ROOT, env });
    let out = '';
    child.stdout.on('data', (piece) => (out += piece));
    child.stderr.on('data', (piece) => (out += piece));
    await new Promise((done) => child.once('close', done));
    expect(out).toMatch(/can read it: 1\nanswers: tdx UpToDate\nTell me of a ship\. \nreceipt: final 64\n/);
  } finally {
    for (const file of Object.values(files)) rmSync(file, { force: true });
  }
}, 20_000);
