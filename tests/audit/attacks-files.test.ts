import { utf8 } from '../../src/core/index.ts';
import { encodeBundle, parseBundle } from '../../src/log/index.ts';
import { fill } from '../attestation/appraise/scene.ts';
import { type Attack, BUNDLE, edit, flip, other, swapped, testAttacks } from './attack.ts';
import { honest, repack, Scene, SIZES } from './scene.ts';

const FILES: readonly Attack[] = [
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

testAttacks(FILES);
