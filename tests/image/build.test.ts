/** The image from its definition: twice the same bytes, and the ones whose reference values are committed. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { definitionIn, lockIn } from '../../src/cli/image/build/build.ts';
import { fetchPackages, UnpackedPackages } from '../../src/cli/image/build/packages.ts';
import { ROOT, WORKER_IMAGE } from '../../src/cli/paths.ts';
import type { CodedError } from '../../src/core/index.ts';
import { WHY_NO_IMAGE, WITHOUT_IMAGE } from './guest.ts';
import { STORE } from './store.ts';

const why = WITHOUT_IMAGE ? `: ${WHY_NO_IMAGE}` : '';
/** Not of a checkout, or shared by both. */
const LEFT_OUT = /^(?:\.|node_modules$|artifacts$)/;
const BUILD_MS = 300_000;

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-build-'));
beforeAll(() => {
  if (!WITHOUT_IMAGE) fetchPackages(definitionIn(WORKER_IMAGE), lockIn(WORKER_IMAGE), STORE);
}, BUILD_MS);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A checkout of its own, whose files are all of another time. */
function copyOf(name: string, time: Date): string {
  const root = join(folder, name);
  mkdirSync(root);
  for (const part of readdirSync(ROOT).filter((name) => !LEFT_OUT.test(name))) {
    cpSync(join(ROOT, part), join(root, part), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (!path.startsWith('node_modules')) utimesSync(join(root, path), time, time);
  }
  return root;
}

function build(root: string, ...more: readonly string[]) {
  const out = join(root, 'out');
  const args = [join(root, 'src/cli/main.ts'), 'image', 'build', '--out', out, '--store', STORE, '--json', ...more];
  const done = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: folder, timeout: BUILD_MS });
  return { ...done, out };
}

const digestsOf = (out: string) =>
  Object.fromEntries(
    readdirSync(out)
      .sort()
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(out, name)))
          .digest('hex'),
      ]),
  );

test.skipIf(WITHOUT_IMAGE)(
  `two builds in different folders are the same bytes, and measure to the committed reference values${why}`,
  () => {
    const first = build(copyOf('first', new Date('2020-02-02T02:02:02Z')));
    expect(first.stdout, first.stderr).toMatch(/^\{/);
    const { changed, reference } = JSON.parse(first.stdout);
    const next = 'another image: npx chrysalis image build --update-reference, and commit reference-values.json';
    expect(changed, next).toEqual([]);
    expect(first.status, first.stderr).toBe(0);
    expect(reference).toEqual(JSON.parse(readFileSync(join(WORKER_IMAGE, 'reference-values.json'), 'utf8')));
    const second = build(copyOf('second, elsewhere', new Date('2033-03-03T03:03:03Z')));
    expect(second.status, second.stdout + second.stderr).toBe(0);
    const digests = digestsOf(first.out);
    expect(Object.keys(digests)).toHaveLength(10);
    expect(digestsOf(second.out)).toEqual(digests);
  },
  2 * BUILD_MS,
);

/** A tool of this name on PATH, in place of the machine's own. */
function withTool(name: string, script: string, run: () => void): void {
  const tools = mkdtempSync(join(folder, 'tools-'));
  writeFileSync(join(tools, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const before = process.env.PATH;
  process.env.PATH = `${tools}:${before}`;
  try {
    run();
  } finally {
    process.env.PATH = before;
  }
}
const fetchInto = (store: string) =>
  fetchPackages(definitionIn(WORKER_IMAGE), lockIn(WORKER_IMAGE), join(folder, store));
const coded = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

test('a version that the archives no longer have is named, with what to do', () => {
  const script = `case "$*" in *download*) echo "E: Version was not found" >&2; exit 100;; esac`;
  withTool('apt-get', script, () => {
    let error: unknown;
    try {
      fetchInto('empty');
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toEqual(coded('PACKAGE_GONE', /libatomic1 12\.2\.0/));
    const { todo } = (error as CodedError).facts;
    expect(todo).toMatch(/snapshot\.debian\.org.*image lock.*--update-reference/);
  });
});

test('a file that is another than the lock pins is refused, downloaded or in the store', () => {
  withTool('apt-get', 'case "$*" in *download*) echo other > other.deb;; esac', () => {
    expect(() => fetchInto('downloaded')).toThrow(coded('PACKAGE_MISMATCH', /libatomic1/));
  });
  const lock = lockIn(WORKER_IMAGE);
  const store = join(folder, 'changed');
  mkdirSync(store);
  writeFileSync(join(store, `${lock.packages.libc6?.sha256}.deb`), 'other');
  const packages = new UnpackedPackages(lock, store);
  try {
    expect(() => packages.file('libc6', 'lib/x')).toThrow(coded('PACKAGE_MISMATCH', /libc6/));
  } finally {
    packages.close();
  }
});

test('archives that cannot be reached are an outage', () => {
  withTool('apt-get', 'echo "E: Could not resolve" >&2; exit 100', () => {
    expect(() => fetchInto('away')).toThrow(expect.objectContaining({ code: 'ARCHIVE_UNREACHABLE' }));
  });
});
