import { afterAll, beforeAll, describe, expect, test as it } from 'vitest';
import { type Devices, ownDevices, sharedDevices } from '../../src/router/devices.ts';
import { type DeviceStore, openPostgres, openPostgresDevices } from '../../src/store/index.ts';
import { type Cluster, postgresAbsent, startCluster } from './postgres.ts';

const absent = postgresAbsent();
let cluster: Cluster | null = null;
const open: DeviceStore[] = [];
beforeAll(async () => {
  if (absent === null) cluster = await startCluster();
}, 60_000);
afterAll(async () => {
  for (const store of open) await store.close();
  await cluster?.stop();
});

async function replica(url: string, router: string): Promise<Devices> {
  const store = await openPostgresDevices({ url }, router);
  open.push(store);
  return sharedDevices(store);
}

const serials = (...names: string[]) => names.map((serial) => ({ serial }));
const OPEN = {
  'one router': async (): Promise<Devices> => ownDevices(),
  PostgreSQL: async () => replica(await (cluster as Cluster).database(), 'a'),
};

describe.each([
  ['in one router', 'one router'],
  [absent ?? 'in PostgreSQL', 'PostgreSQL'],
] as const)('which worker each device backs, %s', (_, kind) => {
  const test = kind === 'PostgreSQL' && absent !== null ? it.skip : it;

  test('a device is one worker’s until that is gone or its lease is over; its holder may prolong', async () => {
    const devices = await OPEN[kind]();
    expect(await devices.claim('x', serials('d1', 'd2'), 100, 0)).toEqual({ outcome: 'claimed' });
    expect(await devices.claim('x', serials('d1', 'd2'), 200, 50)).toEqual({ outcome: 'claimed' });
    expect(await devices.claim('y', serials('d3'), 100, 50)).toEqual({ outcome: 'claimed' });
    expect(await devices.release('x')).toBe(true);
    expect(await devices.claim('z', serials('d1'), 300, 60)).toEqual({ outcome: 'claimed' });
    expect(await devices.claim('w', serials('d1'), 400, 300)).toEqual({ outcome: 'claimed' });
    expect(await devices.claim('v', [], 400, 300)).toEqual({ outcome: 'claimed' });
  });

  test('evidence of before takes a device from nobody, and puts nobody out', async () => {
    const devices = await OPEN[kind]();
    expect(await devices.claimFree('x', serials('d1'), 100, 0)).toBe(true);
    expect(await devices.claimFree('x', serials('d1', 'd2'), 100, 10)).toBe(true);
    expect(await devices.claimFree('y', serials('d2', 'd3'), 100, 10)).toBe(false);
    expect(await devices.claim('z', serials('d3'), 100, 10)).toEqual({ outcome: 'claimed' });
    expect(await devices.claim('x', serials('d1', 'd2'), 120, 20)).toEqual({ outcome: 'claimed' });
    expect(await devices.claimFree('y', serials('d2'), 200, 120)).toBe(true);
    await devices.claim('w', serials('d2'), 200, 130);
    expect(await devices.claimFree('y', serials('d2'), 300, 140)).toBe(false);
  });

  test('a twin puts both out, until neither lease is left, however they come', async () => {
    const devices = await OPEN[kind]();
    await devices.claim('x', serials('d1', 'd2'), 100, 0);
    const twin = { outcome: 'twin', holders: ['x'], until: 120 };
    expect(await devices.claim('y', serials('d2'), 120, 10)).toEqual(twin);
    expect(await devices.claim('x', serials('d2'), 130, 20)).toEqual({ outcome: 'quarantined', until: 120 });
    expect(await devices.claim('z', serials('d1'), 130, 20)).toEqual({ outcome: 'claimed' });
    await devices.release('x');
    expect(await devices.claim('y', serials('d2'), 130, 119)).toMatchObject({ outcome: 'quarantined' });
    expect(await devices.claim('y', serials('d2'), 130, 120)).toEqual({ outcome: 'claimed' });
  });
});

describe.skipIf(absent !== null)('replicas', () => {
  it('see each other’s twins at once: of many claims at the same time one is first', async () => {
    const url = await (cluster as Cluster).database();
    const [a, b] = [await replica(url, 'a'), await replica(url, 'b')];
    const claims = await Promise.all([
      a.claim('x', serials('d1'), 100, 0),
      b.claim('y', serials('d1'), 100, 0),
      a.claim('z', serials('d1'), 100, 0),
    ]);
    expect(claims.map(({ outcome }) => outcome).sort()).toEqual(['claimed', 'quarantined', 'twin']);
    expect([...(await b.look()).quarantined]).toEqual(['d1']);
  });

  it('share a worker: its devices are free when it has left all of them', async () => {
    const url = await (cluster as Cluster).database();
    const [a, b] = [await replica(url, 'a'), await replica(url, 'b')];
    for (const devices of [a, b]) {
      expect(await devices.claim('x', serials('d1'), 100, 0)).toEqual({ outcome: 'claimed' });
      await devices.admitted('x', 7);
    }
    expect(await a.release('x')).toBe(false);
    expect(await b.claim('x', serials('d1'), 150, 10)).toEqual({ outcome: 'claimed' });
    expect(await b.release('x')).toBe(true);
    expect(await a.claim('y', serials('d1'), 100, 10)).toEqual({ outcome: 'claimed' });
  });

  it('deal with what a router left that is gone; while that is not sure, nobody is called a twin', async () => {
    const url = await (cluster as Cluster).database();
    const [a, b] = [await replica(url, 'a'), await replica(url, 'b')];
    const database = await openPostgres({ url });
    const silentFor = (seconds: number) =>
      database.ask(`UPDATE routers SET seen_at = clock_timestamp() - interval '${seconds} seconds' WHERE name = 'a'`);
    await a.claim('x', serials('d1'), 100, 0);
    await a.admitted('x', 7);
    for (const devices of [a, b]) await devices.claim('both', serials('d2'), 100, 0);
    await a.admitted('both', 8);
    await silentFor(5);
    expect(await b.claim('y', serials('d1'), 100, 10)).toEqual({ outcome: 'unknown' });
    expect((await b.look()).orphans).toEqual([]);
    await silentFor(60);
    const { orphans } = await b.look();
    // The second is at `b` still: it is not gone, and no entry says so.
    expect(orphans.toSorted((one, other) => (one.worker < other.worker ? 1 : -1))).toEqual([
      { worker: 'x', router: 'a', logIndex: 7 },
      { worker: 'both', router: 'a', logIndex: null },
    ]);
    await b.forget(orphans);
    expect((await b.look()).orphans).toEqual([]);
    expect(await b.claim('y', serials('d1'), 100, 10)).toEqual({ outcome: 'claimed' });
    expect(await b.claim('z', serials('d2'), 100, 10)).toMatchObject({ outcome: 'twin', holders: ['both'] });
    await database.close();
  });

  it('a router that starts again finds what its last run left', async () => {
    const url = await (cluster as Cluster).database();
    const before = await replica(url, 'a');
    await before.claim('x', serials('d1'), 100, 0);
    await before.admitted('x', 3);
    const again = await replica(url, 'a');
    const { orphans } = await again.look();
    expect(orphans.map(({ worker, logIndex }) => ({ worker, logIndex }))).toEqual([{ worker: 'x', logIndex: 3 }]);
    await again.forget(orphans);
    expect(await again.claim('y', serials('d1'), 100, 10)).toEqual({ outcome: 'claimed' });
  });
});
