import { expect, test } from 'vitest';
import { DeviceRegistry } from '../../../src/attestation/index.ts';

const devices = (...serials: string[]) => serials.map((serial) => ({ serial }));

test('one worker holds its devices, and prolongs what it holds', () => {
  const registry = new DeviceRegistry();
  expect(registry.claim('a', devices('1', '2'), 100, 0)).toEqual({ outcome: 'claimed' });
  expect(registry.claim('a', devices('1', '2'), 200, 50)).toEqual({ outcome: 'claimed' });
  expect(registry.claim('b', devices('3'), 100, 50)).toEqual({ outcome: 'claimed' });
});

test('a twin puts both out until both leases are over, whoever asks', () => {
  const registry = new DeviceRegistry();
  registry.claim('a', devices('1', '2'), 200, 0);
  expect(registry.claim('b', devices('2', '3'), 300, 10)).toEqual({ outcome: 'twin', holders: ['a'], until: 300 });
  for (const worker of ['a', 'b', 'c']) {
    expect(registry.claim(worker, devices('2'), 400, 299)).toEqual({ outcome: 'quarantined', until: 300 });
  }
  // What only one of them claimed is free again.
  expect(registry.claim('c', devices('1', '3'), 400, 20)).toEqual({ outcome: 'claimed' });
  expect(registry.claim('a', devices('2'), 400, 300)).toEqual({ outcome: 'claimed' });
});

test('leaving frees devices, and ends no quarantine', () => {
  const registry = new DeviceRegistry();
  registry.claim('a', devices('1'), 200, 0);
  registry.release('a');
  expect(registry.claim('b', devices('1'), 200, 1)).toEqual({ outcome: 'claimed' });
  expect(registry.claim('c', devices('1'), 150, 2)).toMatchObject({ outcome: 'twin' });
  registry.release('b');
  registry.release('c');
  expect(registry.claim('d', devices('1'), 300, 3)).toEqual({ outcome: 'quarantined', until: 200 });
});

test('a lease that ended holds nothing, and the number of claims is bounded', () => {
  const registry = new DeviceRegistry(2);
  registry.claim('a', devices('1', '2'), 100, 0);
  expect(registry.claim('b', devices('3'), 100, 1)).toEqual({ outcome: 'full' });
  expect(registry.claim('b', devices('1', '3'), 200, 100)).toEqual({ outcome: 'claimed' });
});
