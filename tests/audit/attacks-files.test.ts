import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/index.ts';
import { encodeBundle, parseBundle } from '../../src/log/index.ts';
import { fill } from '../attestation/appraise/scene.ts';
import { type Attack, BUNDLE, edit, flip, other, swapped, testAttacks } from './attack.ts';
import { exporter, filesOf, honest, problemsOf, repack, Scene, SIZES } from './scene.ts';

const FILES: Attack[] = [
  { what: 'a flipped bit in a file', bundle: edit(/^blobs\//, flip, false), finds: ['V1'], rules: ['M9'] },
  { what: 'a file taken away', bundle: edit(/^blobs\//, () => null, false), finds: ['V1', 'V8'], rules: ['M9'] },
  {
    what: 'a checkpoint without its witness',
    bundle: edit('log/checkpoint', (note) =>
      utf8(`${new TextDecoder().decode(note).split('\n').slice(0, 5).join('\n')}\n`),
    ),
    finds: ['V2'],
  },
  {
    what: 'a checkpoint signed with another key',
    bundle: async () => {
      const made = await honest();
      await made.checkpoint({ signer: other });
      return repack(await (await honest()).bundle(), (files) => files.set('log/checkpoint', made.newest));
    },
    finds: ['V2'],
  },
  {
    what: 'a start that is not the tree of its checkpoint',
    bundle: async () =>
      repack(await (await honest()).bundle(SIZES.judged), (files) => {
        const range = JSON.parse(new TextDecoder().decode(files.get('range-a.json'))) as { hashes: string[] };
        range.hashes[0] = Buffer.from(fill(5, 32)).toString('base64');
        files.set('range-a.json', utf8(JSON.stringify(range)));
      }),
    finds: ['V3', 'V4'],
  },
  { what: 'a flipped bit in an entry', bundle: edit(BUNDLE, (bytes) => flip(bytes, 40)), finds: ['V4'] },
  {
    what: 'the last entry dropped',
    bundle: edit(BUNDLE, (bytes) => encodeBundle(parseBundle(bytes).slice(0, -1))),
    finds: ['V4'],
  },
  { what: 'two entries swapped', bundle: edit(BUNDLE, swapped), finds: ['V4'] },
  { what: 'a flipped bit in a hash tile', bundle: edit(/^log\/tile\/0\//, flip), finds: ['V4'] },
  {
    what: 'a fork: another tree of the same size, signed and cosigned',
    bundle: async () => {
      const made = await honest();
      const fork = new Scene();
      await fork.open();
      while (fork.entries.length < SIZES.begun) await fork.beat();
      await fork.checkpoint();
      return repack(await made.bundle(), (files) => files.set(`checkpoints/${SIZES.begun}`, fork.newest));
    },
    finds: ['V5'],
  },
];

const signed = async () => (await honest()).bundle(0, { exporter });
const exporters = [exporter.key];
FILES.push(
  {
    what: 'a bundle that nobody signed for',
    bundle: async () => (await honest()).bundle(),
    finds: ['V1'],
    trust: { exporters },
  },
  {
    what: 'a signature of somebody else under the exporter’s name',
    bundle: async () => (await honest()).bundle(0, { exporter: { ...exporter, signer: other } }),
    finds: ['V1'],
    trust: { exporters },
  },
  {
    what: 'a signature for another manifest',
    bundle: async () => {
      const [mine, older] = await Promise.all([signed(), (await honest()).bundle(SIZES.judged, { exporter })]);
      const note = await (await filesOf(older)).read('manifest.note');
      return repack(mine, (files) => files.set('manifest.note', note), false);
    },
    finds: ['V1'],
  },
  {
    what: 'a manifest changed after somebody signed for it',
    bundle: async () => repack(await signed(), (files) => void files.set('README.txt', utf8('another'))),
    finds: ['V1'],
    trust: { exporters },
  },
);

testAttacks(FILES);

test('a bundle that was signed for is taken with the exporter’s key, and says whose it is without', async () => {
  const bundle = await signed();
  expect(await problemsOf(bundle, { exporters })).toMatchObject({ failed: [], verdict: 'verified' });
  const { checks, verdict } = await problemsOf(bundle);
  expect([verdict, checks[0]?.notes]).toEqual([
    'verified',
    [expect.stringContaining(`audit.test/exporter+${exporter.key.keyId}`)],
  ]);
});
