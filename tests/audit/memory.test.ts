/** Bundles that say they are large, judged by a process that the kernel gives no more memory than this. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tarEnd, tarFile, unpackBundle } from '../../src/audit/index.ts';
import { MAIN } from '../../src/cli/paths.ts';
import { type Bytes, concat, toHex, utf8 } from '../../src/core/index.ts';
import { codeOf } from '../log/support.ts';
import { honest, intel, policyText } from './scene.ts';

/** RLIMIT_DATA; of it Node takes some 650 MB before the first line of ours runs. */
const LIMIT_KB = 1_400_000;
const MANIFEST_BYTES = 128 * 1024 * 1024;

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-memory-'));
const file = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A process with that limit, by the shell that sets it. */
function limited(...command: readonly string[]) {
  const line = `ulimit -d ${LIMIT_KB} && exec "$@"`;
  return spawnSync('sh', ['-c', line, 'sh', process.execPath, ...command], { encoding: 'utf8', cwd: folder });
}
const verify = (bundle: string) =>
  limited(MAIN, 'audit', 'verify', bundle, '--policy', 'policy.txt', '--json', ...SIMULATED);
const SIMULATED = ['--dangerously-allow-simulated-vendor', 'anchors.json'];
const code = ({ stdout }: { stdout: string }) => (JSON.parse(stdout) as { error?: { code: string } }).error?.code;

function write(name: string, ...parts: readonly Uint8Array[]): string {
  writeFileSync(file(name), gzipSync(concat(...parts), { level: 1 }));
  return name;
}

/** A manifest as large as one may be, in the one spelling it has. */
function hugeManifest(): Bytes {
  const head = '{"absent":[],"files":[';
  const tail = `],"filters":"none","format":"chrysalis-audit-bundle@v1","from":0,"made":{"at":"x","by":"x","tool":"x"},"origin":"x","purpose":"x","to":1}`;
  const one = (i: number) => `{"bytes":1,"path":"blobs/${String(i).padStart(16, '0')}","sha256":"${'a'.repeat(64)}"}`;
  const count = Math.floor((MANIFEST_BYTES - head.length - tail.length) / (one(0).length + 1));
  return utf8(`${head}${Array.from({ length: count }, (_, i) => one(i)).join(',')}${tail}`);
}

beforeAll(async () => {
  writeFileSync(file('policy.txt'), policyText);
  const { name, kind } = intel.trustAnchor;
  writeFileSync(file('anchors.json'), JSON.stringify([{ spkiSha256: toHex(intel.rootSpkiSha256), kind, name }]));
  writeFileSync(file('good.tar.gz'), await (await honest()).bundle());
});

test('the limit is one: who takes two gigabytes dies under it, an honest bundle is verified', () => {
  expect(limited('-e', 'new Uint8Array(2 * 1024 ** 3).fill(1)').status).not.toBe(0);
  const { status, stdout } = verify('good.tar.gz');
  expect([status, (JSON.parse(stdout) as { verdict: string }).verdict]).toEqual([0, 'verified']);
}, 120_000);

test('a file that says it has 8 GiB, or 10 GB, is refused before a byte of it is read', () => {
  for (const octal of ['77777777777', '112402762000']) {
    const header = tarFile('README.txt', utf8('x'));
    header.set(utf8(octal), 124);
    header.fill(0x20, 148, 156);
    const sum = header.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    header.set(utf8(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
    const { status, stdout } = verify(write('declared.tar.gz', header, new Uint8Array(1024 * 1024)));
    expect([status, code({ stdout })]).toEqual([1, octal.length === 11 ? 'BUNDLE_TOO_LARGE' : 'BUNDLE_MALFORMED']);
  }
}, 120_000);

test('a manifest of a million files is read within the limit, and what it lists is missed', () => {
  const { status, stdout, stderr } = verify(
    write('manifest.tar.gz', tarFile('manifest.json', hugeManifest()), tarEnd()),
  );
  expect([status, code({ stdout }), stderr.includes('heap')]).toEqual([1, 'BUNDLE_MALFORMED', false]);
}, 240_000);

test('a manifest of nothing but values, and one file that unpacks to 128 MB, are refused within the limit', () => {
  const values = new Uint8Array(MANIFEST_BYTES).fill(0x5b); // [[[[…
  expect(code(verify(write('values.tar.gz', tarFile('manifest.json', values), tarEnd())))).toBe('BUNDLE_MALFORMED');
  const zeros = new Uint8Array(128 * 1024 * 1024);
  const { status, stdout } = verify(write('zeros.tar.gz', tarFile('README.txt', zeros.subarray(0, 1024)), zeros));
  expect([status, code({ stdout })]).toEqual([1, 'BUNDLE_MALFORMED']);
}, 240_000);

test('more files than a bundle may have are refused, however small they are', async () => {
  const files = Array.from({ length: 12 }, (_, i) => tarFile(`checkpoints/${i + 10}`, utf8('x')));
  const packed = () => new Blob([gzipSync(concat(...files, tarEnd()))]).stream() as ReadableStream<Uint8Array>;
  const unpack = async (most: number) => {
    for await (const _ of unpackBundle(packed(), undefined, most));
  };
  expect(await codeOf(unpack(12))).toBe('no error');
  expect(await codeOf(unpack(11))).toBe('BUNDLE_TOO_LARGE');
});
