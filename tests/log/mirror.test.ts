import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { MAIN } from '../../src/cli/paths.ts';
import { type Bytes, equalBytes } from '../../src/core/index.ts';
import { verifyCheckpoint } from '../../src/log/index.ts';
import { openMirror } from '../../src/log/writer/index.ts';
import { honest, logPolicy, policyText, Scene, SIZES, witness } from '../audit/scene.ts';
import { codeOf, folder } from './support.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const tampered = (scene: Scene, path: string) => {
  const source = scene.source();
  return {
    ...source,
    tile: async (tile: Parameters<typeof source.tile>[0]) => {
      const bytes = await source.tile(tile);
      if (bytes === null || !path.includes(String(tile.level))) return bytes;
      return bytes.map((byte, i) => (i === 20 ? byte ^ 1 : byte)) as Bytes;
    },
  };
};

test('a mirror holds what the log holds, over restarts, and keeps nothing that does not lead to the signed root', async () => {
  const scene = await honest();
  const directory = folder();
  const mirror = await openMirror(directory, logPolicy, witness);
  expect(await codeOf(mirror.sync(tampered(scene, 'entries'), 5))).toBe('LOG_INCONSISTENT');
  expect(mirror.checkpoint()).toBeNull();
  expect(await mirror.sync(scene.source(), 5)).toEqual({ size: SIZES.all, added: SIZES.all, missingBlobs: 0 });
  for (const [i, entry] of scene.entries.entries()) {
    expect(equalBytes((await mirror.entries(i, i + 1))[0]!.entry, entry)).toBe(true);
  }
  for (const [digest, bytes] of scene.blobs) expect(await mirror.blobs.get(digest)).toEqual(bytes);
  expect((await verifyCheckpoint(mirror.checkpoint()!, [witness.key])).verified).toHaveLength(1);
  mirror.close();
  for (let i = 0; i < 300; i++) await scene.beat();
  await scene.admit();
  const last = [...scene.blobs.keys()].at(-1)!;
  const gone = scene.blobs.get(last)!;
  scene.blobs.delete(last);
  await scene.checkpoint();
  const again = await openMirror(directory, logPolicy, null);
  closing.push(again.close);
  expect(await again.sync(scene.source(), 6)).toEqual({ size: SIZES.all + 301, added: 301, missingBlobs: 1 });
  scene.blobs.set(last, gone);
  expect(await again.sync(scene.source(), 7)).toEqual({ size: SIZES.all + 301, added: 0, missingBlobs: 0 });
  const fork = new Scene();
  await fork.open();
  for (let i = 1; i < SIZES.all + 301; i++) await fork.beat();
  await fork.checkpoint();
  expect(await codeOf(again.sync(fork.source(), 8))).toBe('LOG_INCONSISTENT');
  await fork.beat();
  await fork.checkpoint();
  expect(await codeOf(again.sync(fork.source(), 8))).toBe('LOG_INCONSISTENT');
  await scene.checkpoint({ cosigned: false });
  expect(await codeOf(again.sync(scene.source(), 9))).toBe('LOG_NOT_WITNESSED');
});

/** Serves a scene as a log would. */
async function served(scene: Scene): Promise<string> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '').slice(1);
    const hex = /^blob\/sha256\/(.*)$/.exec(path)?.[1];
    const body =
      path === 'checkpoint'
        ? scene.newest
        : hex === undefined
          ? scene.tiles.get(path)
          : scene.blobs.get(`sha256:${hex}`);
    if (body === undefined) response.writeHead(404);
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

test('the commands: a mirror copies once, a monitor names what is wrong and tells the webhook', async () => {
  const scene = await honest();
  const url = await served(scene);
  const directory = folder();
  writeFileSync(join(directory, 'policy.txt'), policyText);
  const posted: string[] = [];
  const hook = createServer((request, response) => {
    request.on('data', (part) => posted.push(String(part)));
    request.on('end', () => response.end());
  });
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
  closing.push(() => hook.close());
  const common = ['--policy', join(directory, 'policy.txt'), '--once', '--json'];
  const run = async (...args: string[]) => {
    const { spawn } = await import('node:child_process');
    const child = spawn(process.execPath, [MAIN, 'log', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (part) => (out += part));
    const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
    return {
      status,
      lines: out
        .trim()
        .split('\n')
        .filter((line) => line !== ''),
    };
  };
  const copied = await run('mirror', '--from', url, '--data', join(directory, 'mirror'), ...common);
  expect(JSON.parse(copied.lines[0]!)).toEqual({ event: 'synced', size: SIZES.all, added: SIZES.all, missingBlobs: 0 });
  expect(readFileSync(join(directory, 'mirror', 'checkpoint'))).toEqual(Buffer.from(scene.newest));
  // Under the pinned roots alone a simulated vendor's evidence does not stand: M6, and the head is old: M2.
  const port = (hook.address() as { port: number }).port;
  const data = ['--data', join(directory, 'monitor'), '--webhook', `http://127.0.0.1:${port}`];
  const watched = await run('monitor', '--log', url, ...data, ...common);
  expect(watched.status).toBe(1);
  const found = watched.lines.map(
    (line) => JSON.parse(line) as { rule: string; severity: string; index: number | null },
  );
  expect(found.map(({ rule }) => rule)).toEqual(expect.arrayContaining(['M6']));
  expect(posted).toHaveLength(found.length);
  expect(JSON.parse(posted[0]!)).toMatchObject({ rule: found[0]!.rule, log: url });
  const away = spawnSync(process.execPath, [MAIN, 'log', 'monitor', '--log', 'http://127.0.0.1:1', ...data, ...common]);
  expect(away.status).toBe(3);
});
