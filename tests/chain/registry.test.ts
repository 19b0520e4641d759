import { beginCell, type Cell, toNano } from '@ton/core';
import { describe, expect, test } from 'vitest';
import {
  contractCode,
  imageCounts,
  parseRegistryData,
  type RegistryConfig,
  registryAddress,
  registryInit,
  registryMessage,
  registryOrder,
  TESTNET,
} from '../../src/chain/index.ts';
import { toHex } from '../../src/core/index.ts';
import { empty, expectGarbageRefused, expectRefused } from './fuzz.ts';
import {
  config,
  execute,
  guardian,
  image,
  opened,
  operator,
  owner,
  passed,
  propose,
  revoke,
  router,
  stranger,
} from './registry-bench.ts';
import { bytes, DAY, HOUR, VALUE } from './support.ts';

describe('an order', () => {
  test('waits its 48 hours in public, runs once, and is stale after seven days more', async () => {
    const bench = await opened();
    const order = registryOrder.setImage(bytes(1), image());
    await propose(bench, order);
    expect(bench.state!.pending.get(1)).toMatchObject({ tag: 0x52470101, eta: bench.now + 48 * HOUR });
    bench.now += 48 * HOUR - 1;
    await expectRefused(bench, 461, () => execute(bench, 1, order));
    expect(imageCounts(bench.state!, bytes(1), bench.now)).toBe(false);
    bench.now += 1;
    expect((await execute(bench, 1, order)).exitCode).toBe(0);
    expect(imageCounts(bench.state!, bytes(1), bench.now)).toBe(true);
    await expectRefused(bench, 424, () => execute(bench, 1, order));
    const late = registryOrder.setParams(bytes(2));
    await propose(bench, late);
    bench.now += 48 * HOUR + 7 * DAY;
    await expectRefused(bench, 461, () => execute(bench, 2, late));
    expect((await bench.send(stranger, VALUE, registryMessage.drop(2))).exitCode).toBe(0);
  });

  test('runs only as the lowest, and only as it was proposed', async () => {
    const bench = await opened();
    const [first, second] = [2, 3].map((byte) => registryOrder.setParams(bytes(byte))) as [Cell, Cell];
    await propose(bench, first);
    await propose(bench, second);
    bench.now += 48 * HOUR;
    await expectRefused(bench, 421, () => execute(bench, 2, second));
    await expectRefused(bench, 402, () => execute(bench, 1, second));
    await execute(bench, 1, first);
    await execute(bench, 2, second);
    expect(toHex(bench.state!.params)).toBe(toHex(bytes(3)));
  });

  test('that is none, or says what may not be, is refused when it is proposed', async () => {
    const bench = await opened();
    await expectRefused(bench, 0xffff, () => propose(bench, beginCell().storeUint(7, 32).endCell()));
    await expectRefused(bench, 403, () => propose(bench, registryOrder.setTimelock(24 * HOUR - 1)));
    await expectRefused(bench, 403, () => propose(bench, registryOrder.setTimelock(30 * DAY + 1)));
    await expectRefused(bench, 403, () =>
      propose(bench, registryOrder.setLog(bytes(1), { key: bytes(0), anchor: owner })),
    );
    const inner = beginCell()
      .storeUint(0x52470104, 32)
      .storeBuffer(Buffer.from(bytes(1)))
      .storeRef(empty)
      .endCell();
    await expectRefused(bench, 9, () => propose(bench, inner));
    for (const from of [guardian, stranger]) {
      await expectRefused(bench, 405, () => propose(bench, registryOrder.setParams(bytes(2)), from));
    }
    for (let i = 0; i < 32; i++) await propose(bench, registryOrder.setParams(bytes(i)));
    await expectRefused(bench, 420, () => propose(bench, registryOrder.setParams(bytes(1))));
  });

  test('upgrades the code and no data: a revocation made while it waited survives', async () => {
    const bench = await opened();
    await passed(bench, registryOrder.setImage(bytes(1), image()));
    const order = registryOrder.upgrade(contractCode('registry'));
    await propose(bench, order);
    await revoke(bench, 'images', 1);
    const before = bench.state!;
    bench.now += 48 * HOUR;
    expect((await execute(bench, 2, order)).exitCode).toBe(0);
    expect(bench.state).toEqual({ ...before, seq: before.seq + 1, pending: new Map() });
    expect(imageCounts(bench.state!, bytes(1), bench.now)).toBe(false);
  });
});

describe('a revocation', () => {
  test('is immediate, also of what is not there yet, and stays until it is lifted in public', async () => {
    const bench = await opened();
    await passed(bench, registryOrder.setImage(bytes(1), image()));
    expect((await revoke(bench, 'images', 1)).exitCode).toBe(0);
    expect(imageCounts(bench.state!, bytes(1), bench.now)).toBe(false);
    await expectRefused(bench, 413, () => revoke(bench, 'images', 1));
    const add = registryOrder.setImage(bytes(2), image());
    await propose(bench, add);
    await revoke(bench, 'images', 2);
    bench.now += 48 * HOUR;
    await expectRefused(bench, 460, () => execute(bench, 2, add));
    await bench.send(owner, VALUE, registryMessage.cancel(2));
    await passed(bench, registryOrder.unrevoke('images', bytes(2)));
    await passed(bench, add);
    expect(imageCounts(bench.state!, bytes(2), bench.now)).toBe(true);
    expect(bench.state!.tombs.images).toBe(0);
    for (const from of [operator, stranger]) await expectRefused(bench, 405, () => revoke(bench, 'images', 2, from));
  });

  test('an image past its date counts no more than a revoked one', async () => {
    const bench = await opened();
    const expires = bench.now + 3 * DAY;
    await passed(bench, registryOrder.setImage(bytes(1), image(2, expires)));
    expect(imageCounts(bench.state!, bytes(1), expires - 1)).toBe(true);
    expect(imageCounts(bench.state!, bytes(1), expires)).toBe(false);
  });
});

describe('who may what', () => {
  test('the guardian only takes away: it cancels any order but the one that replaces it', async () => {
    const bench = await opened();
    await propose(bench, registryOrder.setParams(bytes(2)));
    await propose(bench, registryOrder.setGuardian(stranger));
    expect((await bench.send(guardian, VALUE, registryMessage.cancel(1))).exitCode).toBe(0);
    await expectRefused(bench, 405, () => bench.send(guardian, VALUE, registryMessage.cancel(2)));
    bench.now += 48 * HOUR;
    await execute(bench, 2, registryOrder.setGuardian(stranger));
    await expectRefused(bench, 405, () => revoke(bench, 'logs', 1, guardian));
    expect((await revoke(bench, 'logs', 1, stranger)).exitCode).toBe(0);
  });

  test('a router’s operator replaces its own keys at once, and nobody else’s', async () => {
    const bench = await opened();
    await passed(bench, registryOrder.setRouter(bytes(1), router()));
    const keys = registryMessage.routerKeys(bytes(1), bytes(8), bytes(9));
    await expectRefused(bench, 405, () => bench.send(owner, VALUE, keys));
    expect((await bench.send(operator, VALUE, keys)).exitCode).toBe(0);
    expect(bench.state!.routers.get(toHex(bytes(1)))).toMatchObject({ dispatch: bytes(8), updated: bench.now });
    await expectRefused(bench, 424, () =>
      bench.send(operator, VALUE, registryMessage.routerKeys(bytes(2), bytes(8), bytes(9))),
    );
    await revoke(bench, 'routers', 1);
    await expectRefused(bench, 460, () => bench.send(operator, VALUE, keys));
  });
});

test('initial data, get-methods and addresses', async () => {
  const bench = await opened();
  await passed(bench, registryOrder.setModel(bytes(1), { manifest: bytes(5) }));
  await propose(bench, registryOrder.setParams(bytes(3)));
  const { stack } = await bench.get('registry_info');
  expect(stack.slice(0, 4).map((item) => (item.type === 'int' ? item.value : null))).toEqual([1n, 1n, 3n, 172_800n]);
  const entry = await bench.get('entry', [
    { type: 'int', value: 2n },
    { type: 'int', value: BigInt(`0x${toHex(bytes(1))}`) },
  ]);
  expect(entry.stack[0]?.type).toBe('cell');
  const absent = await bench.get('entry', [
    { type: 'int', value: 1n },
    { type: 'int', value: 5n },
  ]);
  expect(absent.stack[0]).toEqual({ type: 'null' });
  const pending = await bench.get('pending', [{ type: 'int', value: 2n }]);
  expect(pending.stack[2]).toEqual({ type: 'int', value: BigInt(bench.now + 48 * HOUR) });
  const others: RegistryConfig[] = [
    { ...config, network: TESTNET },
    { ...config, owner: stranger },
    { ...config, guardian: stranger },
    { ...config, timelockSeconds: 1 },
    { ...config, params: bytes(2) },
  ];
  expect(new Set([config, ...others].map((one) => registryAddress(one).toRawString())).size).toBe(6);
  expect(() => parseRegistryData(registryInit(config).data, TESTNET)).toThrow(
    expect.objectContaining({ code: 'CONTRACT_MISMATCH' }),
  );
});

test('garbage, too little value, bounces and external messages change nothing', async () => {
  const bench = await opened();
  const bodies = [
    registryMessage.propose(registryOrder.setParams(bytes(2))),
    registryMessage.execute(1, registryOrder.setParams(bytes(2))),
    registryMessage.cancel(1),
    registryMessage.revoke('images', bytes(1)),
    registryMessage.routerKeys(bytes(1), bytes(2), bytes(3)),
  ];
  await expectGarbageRefused(bench, owner, bodies, toNano('0.02'));
});
