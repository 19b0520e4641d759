import { expect, test } from 'vitest';
import { createDeviceClaims } from '../../src/router/device-claims.ts';
import { ownDevices } from '../../src/router/devices.ts';
import { Fleet, Worker } from '../../src/router/fleet.ts';

const UNTIL = 1_000;
const judged = (id: number) =>
  ({ appraisal: { workerId: new Uint8Array(32).fill(id), devices: [{ serial: 'gpu' }] }, judgedAt: 1 }) as never;

function scene() {
  const twins: Worker[] = [];
  const claims = createDeviceClaims(
    {
      devices: ownDevices(),
      fleet: new Fleet(() => ({ policyDigest: new Uint8Array(32), collateral: 0 })),
      now: () => 1,
    },
    { unknown: () => undefined, twin: (worker) => twins.push(worker), refused: () => undefined },
  );
  const worker = () => new Worker({ send: () => undefined, close: () => undefined });
  return { claims, twins, worker };
}

test('a worker that dials twice keeps its devices until the last of its connections that is in has gone', async () => {
  const { claims, twins, worker } = scene();
  const [first, second, other] = [worker(), worker(), worker()];
  for (const one of [first, second]) {
    expect(await claims.claim(one, judged(1), UNTIL)).toBe(true);
    one.state = 'admitted';
  }
  second.state = 'gone';
  expect(await claims.released(second)).toBe(false);
  expect(await claims.claimFree(other, judged(2), UNTIL)).toBe(false);
  first.state = 'gone';
  expect(await claims.released(first)).toBe(true);
  expect(await claims.claimFree(other, judged(2), UNTIL)).toBe(true);
  expect(twins).toEqual([]);
});

test('a connection that has claimed and is not in keeps nobody else’s admission', async () => {
  const { claims, worker } = scene();
  const [first, second] = [worker(), worker()];
  await claims.claim(first, judged(1), UNTIL);
  await claims.claim(second, judged(1), UNTIL);
  first.state = 'gone';
  expect(await claims.released(first)).toBe(true);
  expect(await claims.claimFree(second, judged(1), UNTIL)).toBe(true);
  expect(await claims.released(second)).toBe(true);
  expect(await claims.released(second)).toBe(true);
});
