/** The image that is shipped, under plain QEMU: what its kernel refuses, what it says without a TEE, and that it serves. */
import { Buffer } from 'node:buffer';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { qemuRules, registerOf, rtmr1Events, rtmr2Events, type TdBoot } from '../../src/attestation/index.ts';
import { type BuiltImage, buildImage, definitionIn, lockIn } from '../../src/cli/image/build/build.ts';
import { fetchPackages } from '../../src/cli/image/build/packages.ts';
import { newsOf } from '../../src/cli/launch/console.ts';
import { ROOT, WORKER_IMAGE } from '../../src/cli/paths.ts';
import { toHex } from '../../src/core/index.ts';
import { ask, type InProcess, startInProcess } from '../network/in-process.ts';
import { BOOT_MS, diskBytes, MEMORY_BYTES, startGuest, WHY_NO_IMAGE, WITHOUT_IMAGE } from './guest.ts';
import { STORE } from './store.ts';

const why = WITHOUT_IMAGE ? `: ${WHY_NO_IMAGE}` : '';
const GATEWAY = '10.0.2.2';

let image: BuiltImage;
let network: InProcess;
beforeAll(async () => {
  if (WITHOUT_IMAGE) return;
  const definition = definitionIn(WORKER_IMAGE);
  fetchPackages(definition, lockIn(WORKER_IMAGE), STORE);
  image = buildImage({ folder: WORKER_IMAGE, store: STORE, model: `${ROOT}${definition.model}` });
  network = await startInProcess({ tees: [] });
}, BOOT_MS);
afterAll(() => network?.close());

const hostOf = (more: object = {}) => ({
  version: 1,
  name: 'enclave',
  router: `${GATEWAY}:${network.address.split(':')[1]}`,
  ...more,
});
const simulated = () => hostOf({ simulatedMachine: network.vendor.machineState('enclave') });

/** The block that holds the first byte of `content`, changed in one bit. */
function flipped(disk: Uint8Array, content: string): Readonly<{ disk: Uint8Array; block: number }> {
  const at = Buffer.from(disk.buffer, disk.byteOffset, disk.length).indexOf(content);
  expect(at).toBeGreaterThan(0);
  const changed = Uint8Array.from(disk);
  changed[at] = (changed[at] as number) ^ 1;
  return { disk: changed, block: Math.floor(at / 4096) };
}

test.skipIf(WITHOUT_IMAGE)(
  `the debug variant attaches to a router outside and serves an encrypted request${why}`,
  async () => {
    const guest = await startGuest(image, { variant: 'debug', host: simulated() });
    try {
      const shown = await guest.shows('"event":"admitted"');
      expect(shown).toContain('"variant":"debug"');
      expect(shown).toContain('"simulated":true');
      const { answer, events } = await ask(network.client, 'Once upon a time', { deadlineMs: BOOT_MS }, 8);
      expect(answer.length).toBeGreaterThan(0);
      const worker = events.find((event) => event.kind === 'worker')?.worker;
      expect(worker).toMatchObject({ simulated: true, tee: 'tdx' });
      // The prompt and the answer are nowhere on the console, which is the host's.
      expect(guest.console()).not.toContain('Once upon');
      expect(guest.console()).not.toContain(answer);
    } finally {
      await guest.stop();
    }
  },
  2 * BOOT_MS,
);

/** The registers of a TPM after these events: TDX has the same events in RTMR1 (PCR 4) and RTMR2 (PCR 9). */
function predicted(boot: TdBoot) {
  // Debian's 7.2 has what 8.2.9 has: it fills in the headers of Linux kernels alone.
  const started = rtmr1Events(boot, MEMORY_BYTES, qemuRules('8.2.9')).filter(({ name }) => !/Exit Boot/.test(name));
  return { 4: toHex(registerOf(started)), 9: toHex(registerOf(rtmr2Events(boot))) };
}

test.skipIf(WITHOUT_IMAGE)(
  `what firmware, stub and kernel measure into a TPM is what is predicted for RTMR1 and RTMR2${why}`,
  async () => {
    const { commandLine, unified } = image.variants.production;
    const { kernel, initrd } = image;
    for (const [measured, boot] of [
      ['uki', { kind: 'uki', image: unified }],
      ['linux', { kind: 'linux', kernel, initrd, commandLine }],
    ] as const) {
      const guest = await startGuest(image, { variant: 'production', host: hostOf(), measured });
      try {
        const shown = await guest.shows(/"event":"measured"[^\n]*\n/);
        const { registers } = JSON.parse(/\{"event":"measured".*\}/.exec(shown)?.[0] ?? '{}');
        expect({ 4: registers[4], 9: registers[9] }, measured).toEqual(predicted(boot));
      } finally {
        await guest.stop();
      }
    }
  },
  3 * BOOT_MS,
);

test.skipIf(WITHOUT_IMAGE)(
  `the production variant refuses a simulated machine, and has nothing to attest with here${why}`,
  async () => {
    const given = await startGuest(image, { variant: 'production', host: simulated() });
    const bare = await startGuest(image, { variant: 'production', host: hostOf() });
    try {
      await given.shows('a simulated machine is taken by the debug variant alone');
      await bare.shows('"code":"PLATFORM_UNSUPPORTED"');
      await Promise.all([given.ended, bare.ended]);
      expect(given.console()).not.toContain('"event":"ready"');
      expect(bare.console()).not.toContain('"event":"ready"');
    } finally {
      await Promise.all([given.stop(), bare.stop()]);
    }
  },
  2 * BOOT_MS,
);

test.skipIf(WITHOUT_IMAGE)(
  `one changed bit of the root or of the model stops the guest, and the console says which block${why}`,
  async () => {
    const root = flipped(diskBytes(image.root), 'The worker as it runs in an enclave image');
    const model = flipped(diskBytes(image.model), '"model_type"');
    const guests = [
      { guest: await startGuest(image, { variant: 'debug', host: simulated(), root: root.disk }), block: root.block },
      {
        guest: await startGuest(image, { variant: 'debug', host: simulated(), model: model.disk }),
        block: model.block,
      },
    ];
    try {
      for (const { guest, block } of guests) {
        await guest.shows(`data block ${block} is corrupted`);
        await guest.shows('Kernel panic');
        await guest.ended;
        // As `host status` tells it.
        expect(newsOf(guest.console()).failure).toContain(`data block ${block} `);
        expect(guest.console()).not.toContain('"event":"ready"');
      }
    } finally {
      await Promise.all(guests.map(({ guest }) => guest.stop()));
    }
  },
  2 * BOOT_MS,
);
