/** What of this repository and its packages is in the image: the worker, and nothing beside it. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { applicationTree } from '../../src/cli/image/build/application.ts';
import { definitionIn } from '../../src/cli/image/build/build.ts';
import { ROOT, WORKER_IMAGE } from '../../src/cli/paths.ts';

const { application, modules, libraries } = definitionIn(WORKER_IMAGE);
const worker = applicationTree(ROOT, application.worker, application);
const init = applicationTree(ROOT, application.init, application);
const folder = mkdtempSync(join(tmpdir(), 'chrysalis-application-'));
afterAll(() => rmSync(folder, { recursive: true }));

const foldersOf = (tree: ReadonlyMap<string, unknown>) =>
  [...new Set([...tree.keys()].flatMap((path) => /^app\/src\/([^/]+)\//.exec(path)?.[1] ?? []))].sort();

test('a worker’s modules are in its root: no router, no chain, no client, no log, no store', () => {
  expect(foldersOf(worker)).toEqual(['attestation', 'cli', 'core', 'rpc', 'session', 'worker']);
  expect([...worker.keys()].filter((path) => path.startsWith('app/src/cli/commands/'))).toEqual([]);
  expect(worker.has('app/src/cli/enclave.js')).toBe(true);
  expect([...worker.keys()].filter((path) => /node_modules\/(@ton|kysely|pg|hono|vite|typescript)/.test(path))).toEqual(
    [],
  );
});

test('the initial RAM disk has its four modules and the schema that they share with the builder', () => {
  const own = [...init.keys()].filter((path) => !path.includes('node_modules'));
  const names = ['main', 'network', 'system', 'verity-device'].map(
    (name) => `app/enclave-images/worker/init/${name}.js`,
  );
  expect(own.sort()).toEqual([...names, 'app/package.json', 'app/src/image/configuration.js'].sort());
});

test('what runs is JavaScript: types are blanked out, line by line, and every import of ours leads to a file', () => {
  for (const tree of [worker, init]) {
    const paths = [...tree.keys()];
    expect(paths.filter((path) => /\.[cm]?ts$|\.map$/.test(path))).toEqual([]);
    for (const [path, entry] of tree) {
      if (path.includes('node_modules') || !path.endsWith('.js') || entry.kind !== 'file') continue;
      const source = readFileSync(join(ROOT, path.slice('app/'.length).replace(/\.js$/, '.ts')), 'utf8');
      const code = Buffer.from(entry.bytes).toString();
      expect(code.split('\n').length, path).toBe(source.split('\n').length);
      expect(code, path).not.toMatch(/\b(?:from|import|import\()\s*'\.[^']*\.ts'/);
    }
  }
});

test('drivers are in the image once each, in the order in which they need each other', () => {
  const at = (name: string) => modules.files.findIndex((path) => path.endsWith(`/${name}.ko.xz`));
  expect(new Set(modules.files).size).toBe(modules.files.length);
  for (const [first, then] of [
    ...[
      ['failover', 'net_failover'],
      ['net_failover', 'virtio_net'],
      ['dm-mod', 'dm-bufio'],
      ['dm-bufio', 'dm-verity'],
    ],
    ...[
      ['reed_solomon', 'dm-verity'],
      ['configfs', 'tsm_report'],
      ['tsm_report', 'tdx-guest'],
      ['tsm_report', 'sev-guest'],
    ],
  ] as const) {
    expect(at(first as string), first).toBeGreaterThanOrEqual(0);
    expect(at(then as string), then).toBeGreaterThan(at(first as string));
  }
  expect(Object.keys(libraries)).toContain('lib64/ld-linux-x86-64.so.2');
});

/** A tree of its own, with one module. */
function treeWith(name: string, source: string): string {
  const root = join(folder, name);
  mkdirSync(join(root, 'src'), { recursive: true });
  for (const file of ['package.json', 'package-lock.json']) cpSync(join(ROOT, file), join(root, file));
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  writeFileSync(join(root, 'src/main.ts'), source);
  return root;
}

test.each([
  ['a module that is not there', `import { a } from './absent.ts';`, 'IMAGE_MALFORMED'],
  ['a package that is not there', `import a from 'no-such-package';`, 'IMAGE_MALFORMED'],
  ['a module with its own suffix', `import a from './main.js';`, 'IMAGE_MALFORMED'],
])('%s is refused', (name, source, code) => {
  expect(() => applicationTree(treeWith(name, source), 'src/main.ts', application)).toThrow(
    expect.objectContaining({ code }),
  );
});

test('a package of another version than package-lock.json has is refused', () => {
  const root = treeWith('other version', `import { z } from 'zod';\nconst schema: unknown = z;\n`);
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  lock.packages['node_modules/zod'].version = '0.0.1';
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify(lock));
  expect(() => applicationTree(root, 'src/main.ts', application)).toThrow(
    expect.objectContaining({ code: 'USAGE_INVALID', message: expect.stringContaining('0.0.1') }),
  );
});
