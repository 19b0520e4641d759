import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { answerBatch, answerLine } from '../../src/cli/log-check/batch.ts';
import { fromHex, leafHash, merkleRoot, toBase64, toHex, utf8 } from '../../src/core/index.ts';
import { formatVkey, tilesOf, verifierKey } from '../../src/log/index.ts';
import { openPage, WITHOUT_BROWSER } from '../browser/chromium.ts';
import { vectorsFolder, WHY_SKIPPED } from '../vectors.ts';

const folder = vectorsFolder('tlog');
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

type Fields = Record<string, unknown>;
type Answer = { ok: boolean; error: { code: string } | null; value: Fields | null };
/** Every question asked, with its answer, for the test that asks them all again through the command. */
const asked: { question: string; answer: string }[] = [];
const ask = async (question: Fields): Promise<Answer> => {
  const line = JSON.stringify({ id: `q${asked.length}`, ...question });
  const answer = await answerLine(utf8(line));
  asked.push({ question: line, answer });
  return JSON.parse(answer) as Answer;
};
const used = new Set<string>();
const text = (file: string) => {
  used.add(file);
  return readFileSync(join(folder as string, file), 'utf8');
};
const json = <T = Fields>(file: string): T => JSON.parse(text(file)) as T;
const base64 = (file: string) => {
  used.add(file);
  return toBase64(readFileSync(join(folder as string, file)));
};

/**
 * The reference compares the empty proof of equal trees without looking at the roots, which are 9 and 12 bytes there.
 * log-check-protocol: a root is exactly 32 bytes, so these are refused.
 */
const SHORT_ROOTS =
  /additional\/(sizes-are-equal-one-and-proof-is-empty|subtree-is-empty-sizes-are-equal-(one|zero)-subtree-root-valid-tree-root-random-proof-is-empty)\.json$/;

/** Numbers as they stand in the file: JavaScript's would lose digits above 2^53. */
const digits = (raw: string, field: string) => new RegExp(`"${field}": *([0-9]+)`).exec(raw)?.[1] ?? '';
const MERKLE: Record<string, (v: Fields, n: (field: string) => string) => Fields> = {
  'merkle-inclusion': (v, n) => ({
    op: 'inclusion',
    index: n('leafIdx'),
    size: n('treeSize'),
    leafHash: v.leafHash,
    root: v.root,
  }),
  'merkle-consistency': (v, n) => ({
    op: 'consistency',
    size1: n('size1'),
    size2: n('size2'),
    root1: v.root1,
    root2: v.root2,
  }),
  'merkle-subtreeinclusion': (v, n) => ({
    op: 'subtree-inclusion',
    index: n('leafIdx'),
    start: n('start'),
    end: n('end'),
    leafHash: v.leafHash,
    root: v.root,
  }),
  'merkle-subtreeconsistency': (v, n) => ({
    op: 'subtree-consistency',
    start: n('start'),
    end: n('end'),
    size: n('size'),
    root1: v.root1,
    root2: v.root2,
  }),
};

describe.skipIf(folder === null)(folder === null ? `shared vectors: ${WHY_SKIPPED}` : 'shared vectors', () => {
  test('every published proof is judged as its publisher does', async () => {
    const counts: Record<string, number> = {};
    const shortRoots: string[] = [];
    for (const { file, kind } of json<{ files: { file: string; kind: string }[] }>('vectors.json').files) {
      const question = MERKLE[kind];
      if (question === undefined) continue;
      const raw = text(file);
      const vector = JSON.parse(raw) as Fields;
      const answer = await ask({ ...question(vector, (field) => digits(raw, field)), proof: vector.proof ?? [] });
      if (vector.wantErr !== true && SHORT_ROOTS.test(file)) shortRoots.push(file);
      expect(answer.ok, file).toBe(vector.wantErr !== true && !shortRoots.includes(file));
      expect(answer.error === null, file).toBe(answer.ok);
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    expect(counts).toMatchObject({
      'merkle-inclusion': 69,
      'merkle-consistency': 66,
      'merkle-subtreeinclusion': 137,
      'merkle-subtreeconsistency': 81,
    });
    expect(shortRoots).toHaveLength(4);
  });

  test('the reference tree has the published hashes and roots', () => {
    const tree = json<{ leafInputsHex: string[]; nodeHashesHexLevelByLevel: string[] }>('merkle/reference-tree.json');
    const leaves = tree.leafInputsHex.map((hex) => leafHash(fromHex(hex)));
    for (const leaf of leaves) expect(tree.nodeHashesHexLevelByLevel).toContain(toHex(leaf));
    expect(tree.nodeHashesHexLevelByLevel.at(-1)).toBe(toHex(merkleRoot(leaves)));
  });

  test('keys and signed notes', async () => {
    const notes = json<{
      vkeys: Fields[];
      open: { name: string; noteBase64: string; vkeys: string[]; expected: Fields }[];
    }>('note/golang-mod.json');
    for (const { vkey, valid } of [...notes.vkeys, ...json<{ vkeys: Fields[] }>('note/formats-vkeys.json').vkeys]) {
      expect((await ask({ op: 'vkey', vkey })).ok, String(vkey).slice(0, 40)).toBe(valid);
    }
    for (const { name, noteBase64, vkeys, expected } of notes.open) {
      const answer = await ask({ op: 'note', note: noteBase64, vkeys });
      expect(answer.ok, name).toBe(expected.error === undefined);
      if (answer.ok) expect(answer.value).toEqual(expected);
    }
    const { signedNote } = json<{ signedNote: { note: string; vkey: string } }>('note/c2sp-examples.json');
    expect((await ask({ op: 'note', note: toBase64(utf8(signedNote.note)), vkeys: [signedNote.vkey] })).ok).toBe(true);
  });

  test('checkpoint bodies, proof files, policies and tile paths', async () => {
    // Every root of these bodies has another length than 32 bytes.
    for (const { body } of json<{ cases: Fields[] }>('checkpoint/formats-bodies.json').cases) {
      expect((await ask({ op: 'checkpoint', body })).ok).toBe(false);
    }
    type Made = { prefix: string; repeat: string; times: number; suffix: string };
    for (const { desc, text: given, textMade, valid, parsed } of json<{
      cases: (Fields & { text?: string; textMade: Made; parsed?: Fields })[];
    }>('proof/formats-tlog-proof.json').cases) {
      const proof = given ?? `${textMade.prefix}${textMade.repeat.repeat(textMade.times)}${textMade.suffix}`;
      const answer = await ask({ op: 'tlog-proof', proof: toBase64(utf8(proof)) });
      expect(answer.ok, String(desc)).toBe(valid);
      if (parsed !== undefined)
        expect(answer.value).toMatchObject({
          index: String(parsed.index),
          hashes: parsed.hashes,
          extra: parsed.extra ?? null,
        });
    }
    for (const { desc, policy, validForC2SP } of json<{ cases: Fields[] }>('policy/formats-policy.json').cases) {
      expect((await ask({ op: 'policy', policy })).ok, String(desc)).toBe(validForC2SP);
    }
    const paths = json<{
      tiles: { level: number; index: number; width: number; path: string }[];
      entryBundles: Fields[];
    }>('log/paths.json');
    for (const { level, index, width, path } of paths.tiles) {
      const answer = await ask({
        op: 'tile-path',
        level: String(level),
        index: String(index),
        width: String(width || 256),
      });
      expect(String(answer.value?.path).endsWith(path), path).toBe(true);
    }
    for (const { index, logSize, path } of paths.entryBundles) {
      expect((await ask({ op: 'tile-path', entry: index, size: logSize })).value).toEqual({ path });
    }
  });

  test('real logs: signed checkpoints have the roots of their tiles', async () => {
    const { files } = json<{ files: (Fields & { file: string })[] }>('vectors.json');
    const signed = files.filter(({ file, kind }) => kind === 'tlog-tiles-log' && file.includes('checkpoint.'));
    expect(signed.length).toBeGreaterThan(8);
    for (const { file, vkey, size } of signed) {
      const answer = await ask({
        op: 'checkpoint',
        note: base64(file),
        vkeys: [vkey],
        origin: text(file).split('\n')[0],
      });
      expect(answer.ok, file).toBe(true);
      if (size === 0) continue;
      const folderOf = 'log/tessera/tile';
      for (const input of [
        { leafHashes: base64(`${folderOf}/0/000.p/${size}`) },
        { bundle: base64(`${folderOf}/entries/000.p/${size}`) },
      ]) {
        expect((await ask({ op: 'root', ...input })).value, file).toEqual({
          size: String(size),
          root: answer.value?.root,
        });
      }
    }
    const cosigned = files.filter(({ file, kind }) => kind === 'cosigned-checkpoint' && file.endsWith('/checkpoint'));
    expect(cosigned).toHaveLength(2);
    for (const { file } of cosigned) {
      const mirror = file.includes('/mirror/');
      const keys = json<{ verifier_keys: string[] }>(
        `cosignature/sunlight/witness/${mirror ? 'mirror/mirror' : 'witness'}.v0.json`,
      );
      const answer = await ask({ op: 'cosignature', note: base64(file), vkeys: keys.verifier_keys });
      expect(answer.ok, file).toBe(true);
      expect(answer.value?.cosignatures).toHaveLength(1);
    }
  });

  test('a conversation with a witness, step by step', async () => {
    type Step = { body: string; status: number; c2spStatus?: number };
    const { log, steps } = json<{ log: { origin: string; ed25519PublicKeyHex: string }; steps: Step[] }>(
      'witness/litewitness-conversation.json',
    );
    const vkey = formatVkey(verifierKey(log.origin, 1, fromHex(log.ed25519PublicKeyHex)));
    let state: Fields | null = null;
    for (const [i, { body, status, c2spStatus }] of steps.entries()) {
      const answer: Answer = await ask({
        op: 'witness',
        log: { origin: log.origin, vkeys: [vkey] },
        state,
        request: toBase64(utf8(body)),
      });
      expect(answer.value, `step ${i}`).toEqual({ status: c2spStatus ?? status });
      expect(answer.ok).toBe(answer.value?.status === 200);
      const [, size, root] = body.slice(body.indexOf('\n\n') + 2).split('\n');
      if (answer.ok) state = { size, root };
    }
    expect(state).not.toBeNull();
  });

  test('requests to a witness that are wrong before any log is looked at', async () => {
    const { cases } = json<{ cases: { desc: string; body: string }[] }>('witness/add-checkpoint-bodies.json');
    const vkey = formatVkey(verifierKey('transparency.dev/x', 1, new Uint8Array(32)));
    const log = { origin: 'transparency.dev/armored-witness/firmware_transparency/ci/2', vkeys: [vkey] };
    for (const { desc, body } of cases) {
      // The one that the reference takes has hashes of two bytes.
      const answer = await ask({ op: 'witness', log, state: null, request: toBase64(utf8(body)) });
      expect(answer.value, desc).toEqual({ status: 400 });
    }
  });

  test('examples of the texts: a cosigned checkpoint whose keys are unknown, tiles of a log of 70,000', async () => {
    const { cosignedCheckpoint, tiles } = json<{
      cosignedCheckpoint: { note: string; expected: Fields };
      tiles: { size70000: Record<string, number> };
    }>('note/c2sp-examples.json');
    const [body = '', lines = ''] = cosignedCheckpoint.note.split('\n\n');
    const { origin, size, rootBase64: root, cosignatureTimestamp } = cosignedCheckpoint.expected;
    expect((await ask({ op: 'checkpoint', body: `${body}\n` })).value).toEqual({ origin, size: String(size), root });
    const signature = lines.split('\n')[1]?.split(' ')[2];
    const payload = await ask({ op: 'cosignature', signature });
    expect(payload.value).toEqual({ timestamp: String(cosignatureTimestamp) });
    const note = toBase64(utf8(cosignedCheckpoint.note));
    expect((await ask({ op: 'note', note, vkeys: [] })).error?.code).toBe('LOG_SIGNATURE_MISSING');
    const counts = {
      level0Full: 0,
      level0PartialWidth: 0,
      level1Full: 0,
      level1PartialWidth: 0,
      level2PartialWidth: 0,
    };
    for (const { level, width } of tilesOf(70_000)) {
      const key = `level${level}${width === 256 ? 'Full' : 'PartialWidth'}` as keyof typeof counts;
      counts[key] = width === 256 ? counts[key] + 1 : width;
    }
    expect(counts).toEqual(tiles.size70000);
  });

  test('a mirror of 300 entries and a real Certificate Transparency log: tiles lead to the roots they must', async () => {
    const at = 'log/sunlight-mirror-300/tile';
    const rootOf = async (leafHashes: string) => (await ask({ op: 'root', leafHashes })).value?.root;
    expect(await rootOf(base64(`${at}/0/000`))).toBe(base64(`${at}/1/000.p/1`));
    const all = Buffer.concat([`${at}/0/000`, `${at}/0/001.p/44`].map((file) => Buffer.from(base64(file), 'base64')));
    const { files } = json<{ files: { file: string }[] }>('vectors.json');
    const mirror = files.find(({ file }) => /\/mirror\/.*\/checkpoint$/.test(file))?.file ?? '';
    expect(await rootOf(all.toString('base64'))).toBe(text(mirror).split('\n')[2]);
    const ct = (name: string) => Buffer.from(base64(`log/ct-navigli2025h2/tile/0/${name}`), 'base64');
    for (const name of ['000', '001', '003']) expect(await rootOf(ct(name).toString('base64'))).toMatch(/^.{43}=$/);
    expect(ct('003.p/10')).toEqual(ct('003').subarray(0, 320));
    expect((await ask({ op: 'root', leafHashes: ct('000').subarray(1).toString('base64') })).ok).toBe(false);
  });

  test('entries of Rekor v2: inclusion, signature of the log, cosignatures of unknown witnesses ignored', async () => {
    type Key = { baseUrl: string; publicKey: { rawBytes: string; keyDetails: string } };
    type Entry = {
      canonicalizedBody: string;
      inclusionProof?: { logIndex: string; hashes?: string[]; checkpoint: { envelope: string } };
    };
    const { files } = json<{ files: (Fields & { file: string; kind: string; valid: boolean; trustedRoot: string })[] }>(
      'vectors.json',
    );
    const bundles = files.filter(({ kind }) => kind === 'rekor2-bundle');
    expect(bundles).toHaveLength(21);
    text('rekor2/artifact-a.txt'); // what they sign: not the log's matter
    const outcomes: Record<string, number> = {};
    for (const { file, valid, trustedRoot } of bundles) {
      const keys = json<{ tlogs: Key[] }>(trustedRoot).tlogs.filter(
        ({ publicKey }) => publicKey.keyDetails === 'PKIX_ED25519',
      );
      const vkeys = keys.map(({ baseUrl, publicKey }) =>
        formatVkey(verifierKey(new URL(baseUrl).host, 1, Buffer.from(publicKey.rawBytes, 'base64').subarray(-32))),
      );
      const [entry] = json<{ verificationMaterial: { tlogEntries: Entry[] } }>(file).verificationMaterial.tlogEntries;
      const { logIndex = '0', hashes = [], checkpoint } = entry?.inclusionProof ?? {};
      const lines = ['c2sp.org/tlog-proof@v1', `index ${logIndex}`, ...hashes, '', checkpoint?.envelope ?? ''];
      const origin = checkpoint?.envelope.split('\n')[0] ?? '';
      const proof = toBase64(utf8(lines.join('\n')));
      const answer = await ask({ op: 'tlog-proof', proof, entry: entry?.canonicalizedBody, vkeys, origin });
      // What else is wrong with the refused ones (envelopes, timestamps) is not the log's to see.
      const ofTheLog = /checkpoint-|no-inclusion-proof/.test(file);
      if (valid) expect(answer.ok, file).toBe(true);
      else if (ofTheLog) expect(answer.ok, file).toBe(false);
      const kind = `${valid ? 'valid' : ofTheLog ? 'log' : 'other'}`;
      outcomes[kind] = (outcomes[kind] ?? 0) + 1;
    }
    expect(outcomes).toEqual({ valid: 8, log: 5, other: 8 });
  });

  test('no file of the set was left out, and the command answers every question as asked here', async () => {
    const left = json<{ files: { file: string }[] }>('vectors.json').files.filter(({ file }) => !used.has(file));
    expect(left).toEqual([]);
    expect(asked.length).toBeGreaterThan(450);
    const command = spawn(process.execPath, [MAIN, 'log', 'check', '--batch'], { stdio: ['pipe', 'pipe', 'inherit'] });
    command.stdin.end(asked.map(({ question }) => `${question}\n`).join(''));
    const answers: string[] = [];
    for await (const line of createInterface(command.stdout)) answers.push(line);
    expect(answers).toEqual(asked.map(({ answer }) => answer));
  });

  test.skipIf(WITHOUT_BROWSER)('a browser answers every question as asked here', async () => {
    const page = await openPage();
    try {
      const answers = await page.ask(
        'log',
        asked.map(({ question }) => question),
      );
      expect(answers).toEqual(asked.map(({ answer }) => answer));
    } finally {
      await page.close();
    }
  });
});

test('lines that are no questions are answered, not crashed on', async () => {
  for (const line of [
    '',
    'x',
    '[]',
    'null',
    '{"op":"root"}',
    '{"id":"a"}',
    '{"id":"a","op":"toString"}',
    '{"id":"a","op":"root"}',
    '{"id":"a","op":"root","entries":"x"}',
    '{"id":"a","op":"inclusion","index":1}',
  ]) {
    const answer = JSON.parse(await answerLine(utf8(line))) as Answer;
    expect(answer.ok, line).toBe(false);
    expect(answer.error?.code, line).not.toBe('INVARIANT_BROKEN');
    expect(answer.value).toBe(null);
  }
  expect(await ask({ op: 'root', entries: [] })).toMatchObject({
    ok: true,
    value: { size: '0', root: '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' },
  });
  expect(await ask({ op: 'inclusion', index: '3', size: '3', leafHash: '', proof: [], root: '' })).toMatchObject({
    ok: false,
    error: { code: 'INDEX_OUT_OF_RANGE' },
  });
});

test('questions are cut at line feeds wherever the chunks end, answered in order, and never kept without bound', async () => {
  const question = (id: string) => `{"id":"${id}","op":"tile-path","level":"0","index":"7","width":"256"}`;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    const bytes = utf8(`${question('a')}\n\n${question('b')}\r\n`);
    for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
    for (let i = 0; i < 33; i++) yield new Uint8Array(1024 * 1024).fill(0x20);
    yield utf8(`\n${question('c')}`);
  }
  const answers: (Answer & { id: string | null })[] = [];
  for await (const line of answerBatch(chunks())) answers.push(JSON.parse(line));
  expect(answers.map(({ id, ok }) => [id, ok])).toEqual([
    ['a', true],
    ['b', true],
    [null, false],
    ['c', true],
  ]);
});
