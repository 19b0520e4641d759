import { expect, test } from 'vitest';
import type { Reappraise } from '../../src/audit/index.ts';
import { utf8 } from '../../src/core/index.ts';
import { begun, digestOfPolicy } from './attack.ts';
import { audit, developmentText, digestOf, type Scene } from './scene.ts';

const MINUTE = 60_000;
const keyOf = (worker: string) => digestOf(utf8(worker));
const subjectOf = (worker: string) => `worker:${keyOf(worker).slice('sha256:'.length)}`;

/** An admission as a router logs it; its evidence is the list of its devices. */
function admit(scene: Scene, worker: string, devices: readonly string[], changes: Record<string, unknown> = {}) {
  const [evidenceBlob, collateralBlob, inputsBlob] = [devices.join(), 'collateral', 'inputs'].map((text) =>
    scene.blob(utf8(text)),
  );
  const any = digestOf(utf8('any'));
  return scene.add({
    type: 'worker-admitted',
    subject: subjectOf(worker),
    blobs: [evidenceBlob!, collateralBlob!, inputsBlob!],
    body: {
      ...{ workerKey: keyOf(worker), platform: 'tdx+nvgpu+simulated', verdict: 'affirming', verifierVersion: 'tests' },
      ...{ policyNumber: 1, policyDigest: digestOfPolicy(developmentText), judgedAt: scene.at, tcbStatus: 'UpToDate' },
      ...{ evidence: any, model: any, measurements: any, image: null, leaseUntil: scene.at + 10 * MINUTE },
      ...{ evidenceBlob, collateralBlob, inputsBlob },
      ...changes,
    },
  });
}

function evict(scene: Scene, worker: string) {
  const body = { workerKey: keyOf(worker), cause: 'disconnected', by: 'router-test', sessionsClosed: 0 };
  return scene.add({ type: 'evicted', subject: subjectOf(worker), body });
}

/** Says what the evidence says; earlier entries take longer, so that answers come in another order than entries. */
const reappraise: Reappraise = async ({ material }) => {
  await new Promise((resolve) => setTimeout(resolve, material.evidence.length > 4 ? 20 : 0));
  const text = new TextDecoder().decode(material.evidence);
  return { outcome: 'same', devices: text === '' ? [] : text.split(',') };
};

/** `later < earlier` for each pair of entries that is found, and V11. */
async function twins(go: (scene: Scene) => Promise<unknown>) {
  const scene = await begun();
  await go(scene);
  await scene.checkpoint();
  const { findings, checks, verdict } = await audit(await scene.bundle(), {}, { reappraise });
  const found = findings.filter(({ rule }) => rule === 'M13');
  expect(found.map(({ severity }) => severity)).toEqual(found.map(() => 'error'));
  const V11 = checks.find(({ id }) => id === 'V11');
  expect([verdict, V11?.outcome]).toEqual(found.length > 0 ? ['refused', 'failed'] : ['verified', 'passed']);
  return found.map(({ index, message }) => `${index}: ${message}`);
}
const says = (later: number, earlier: number | string) =>
  `${later}: uniqueDevices: a device of this worker backs that of entry ${earlier} as well`;
const QUARANTINED = 'uniqueDevices: a device of this worker was found in two, and their leases are not over';

test('a device under another worker’s lease is found, with both entries', async () => {
  expect(
    await twins(async (scene) => {
      await admit(scene, 'a', ['gpu-1', 'gpu-2']);
      await admit(scene, 'b', ['3']);
      await admit(scene, 'c', ['gpu-2']);
    }),
  ).toEqual([says(6, 4)]);
});

test('the entry that is named is the newest admission of the other, and both others where there are two', async () => {
  expect(
    await twins(async (scene) => {
      await admit(scene, 'a', ['1']);
      await admit(scene, 'b', ['2']);
      await admit(scene, 'a', ['1']);
      await admit(scene, 'c', ['1', '2']);
    }),
  ).toEqual([says(7, '6, 5')]);
});

test('who is admitted with it while it is in doubt is found too, whoever that is', async () => {
  expect(
    await twins(async (scene) => {
      await admit(scene, 'a', ['1']);
      await admit(scene, 'b', ['1']);
      await evict(scene, 'a');
      await evict(scene, 'b');
      await admit(scene, 'c', ['1']);
    }),
  ).toEqual([says(5, 4), `8: ${QUARANTINED}`]);
});

test('an eviction of another worker frees nothing', async () => {
  expect(
    await twins(async (scene) => {
      await admit(scene, 'a', ['1']);
      await admit(scene, 'b', ['2']);
      await evict(scene, 'b');
      await admit(scene, 'c', ['1']);
    }),
  ).toEqual([says(7, 4)]);
});

test('a lease that does not say when it ends does not end', async () => {
  expect(
    await twins(async (scene) => {
      await admit(scene, 'a', ['1'], { leaseUntil: null });
      scene.at += 2 * MINUTE;
      await admit(scene, 'b', ['1']);
    }),
  ).toEqual([says(5, 4)]);
});

test.each<[string, (scene: Scene) => Promise<unknown>]>([
  [
    'a worker that renews',
    async (scene) => {
      await admit(scene, 'a', ['1']);
      scene.at += 2 * MINUTE;
      await admit(scene, 'a', ['1']);
      await admit(scene, 'a', ['1', '2']);
    },
  ],
  [
    'a worker that starts again with a new identity, once the old one is out',
    async (scene) => {
      await admit(scene, 'a', ['gpu-1']);
      await evict(scene, 'a');
      await admit(scene, 'b', ['gpu-1']);
    },
  ],
  [
    'a device that comes back at the end of the lease',
    async (scene) => {
      await admit(scene, 'a', ['1'], { leaseUntil: scene.at + MINUTE });
      scene.at += MINUTE;
      await admit(scene, 'b', ['1']);
    },
  ],
  [
    'a worker whose renewal has another device, which the next one takes',
    async (scene) => {
      await admit(scene, 'a', ['1'], { leaseUntil: scene.at + MINUTE });
      await admit(scene, 'a', ['2'], { leaseUntil: scene.at + 10 * MINUTE });
      scene.at += MINUTE;
      await admit(scene, 'b', ['1']);
    },
  ],
  [
    'workers without devices',
    async (scene) => {
      await admit(scene, 'a', []);
      await admit(scene, 'b', []);
    },
  ],
])('nothing is found of %s', async (_, go) => {
  expect(await twins(go)).toEqual([]);
});
