import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from './in-process.ts';
import { memoryOf, type Network, startNetwork } from './processes.ts';

/** The router's process never holds a prompt or an answer in clear: not on its wires, not on disk, not in its memory. */
const canary = `canary${randomBytes(12).toString('hex')}`;
let network: Network;
let answer = '';

beforeAll(async () => {
  network = await startNetwork(mkdtempSync(join(tmpdir(), 'chrysalis-blind-')));
  const client = await network.newClient();
  const first = await ask(client, `Tell me about ${canary}.`, {}, 40);
  const second = await ask(client, 'Write one sentence about the sea.', {}, 40);
  answer = second.answer;
  await client.receiptInLog(first.done!.receipt);
}, 60_000);
afterAll(async () => {
  await network.stop();
  rmSync(network.folder, { recursive: true, force: true });
}, 30_000);

/** The text as it is, in UTF-16 as a string may stand in memory, in hexadecimal, and in base64 at its three offsets. */
function spellings(text: string): Buffer[] {
  const bytes = Buffer.from(text);
  const base64 = [0, 1, 2].map((lead) => {
    const encoded = Buffer.concat([Buffer.alloc(lead), bytes]).toString('base64');
    return Buffer.from(encoded.slice(lead === 0 ? 0 : 4, -4));
  });
  return [bytes, Buffer.from(text, 'utf16le'), Buffer.from(bytes.toString('hex')), ...base64];
}

const secrets = () => [canary, answer.trim().slice(0, 24)].flatMap(spellings);
const found = (haystack: Buffer, needles: readonly Buffer[]) => needles.some((needle) => haystack.includes(needle));

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

test('the answer is long enough to look for', () => {
  expect(answer.trim().length).toBeGreaterThan(24);
});

test('neither wire of the router carries prompt or answer; both carry the request', () => {
  for (const tap of [network.taps.client, network.taps.worker]) {
    const bytes = tap.bytes();
    expect(bytes.length).toBeGreaterThan(5_000);
    expect(found(bytes, secrets())).toBe(false);
  }
  // The worker's label, which the router may read, is on both wires: the taps do see the traffic.
  for (const tap of [network.taps.client, network.taps.worker]) expect(tap.bytes().includes('alder')).toBe(true);
});

test('no file of router, log, chain or their logs holds prompt or answer', () => {
  const files = ['router', 'log', 'chain', 'logs'].flatMap((part) => filesUnder(join(network.folder, part)));
  expect(files.length).toBeGreaterThan(5);
  const holding = files.filter((file) => found(readFileSync(file), secrets()));
  expect(holding).toEqual([]);
});

test('the memory of the router’s process holds neither; the same look finds what it does hold', (context) => {
  let looked: { secret: boolean; control: boolean };
  try {
    looked = scan(network.router.process.pid as number);
  } catch (error) {
    return context.skip(`this system does not let one process look into another: ${(error as Error).message}`);
  }
  expect(looked.control).toBe(true);
  expect(looked.secret).toBe(false);
  // And the worker's memory, where the prompt is read, shows that a prompt would have been found.
  expect(scan(network.worker.process.pid as number).secret).toBe(true);
});

function scan(pid: number): { secret: boolean; control: boolean } {
  const needles = secrets();
  const control = [Buffer.from('chrysalis.v1')];
  const outcome = { secret: false, control: false };
  for (const page of memoryOf(pid)) {
    outcome.secret ||= found(page, needles);
    outcome.control ||= found(page, control);
  }
  return outcome;
}
