import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type CollateralDisk, parseCollateralBundle } from '../../../src/attestation/collateral/index.ts';
import { INTEL_SGX_ROOT } from '../../../src/attestation/index.ts';
import { canonicalJson } from '../../../src/core/index.ts';
import { codeOf, DAY, FMSPC, NOW, openAt, PATH, serve, serveSet, vendor } from './intel-vendor.ts';
import { startVendorServer, type VendorServer } from './vendor-server.ts';

const HOUR = 3_600;
const MIDNIGHT = Math.floor(NOW / DAY) * DAY;

let server: VendorServer;
beforeAll(async () => {
  server = await startVendorServer();
});
afterAll(() => server.close());
beforeEach(() => server.clear());

/** Until nothing is being fetched: what happens behind the caller's back happens on real sockets. */
async function settled(count: number): Promise<void> {
  for (let i = 0; i < 200 && server.requests() < count; i++) await new Promise((done) => setTimeout(done, 5));
  await new Promise((done) => setTimeout(done, 20));
}

describe('freshness', () => {
  test('young: given as it is; an hour old: given, and fetched behind the caller’s back', async () => {
    const old = serve(server);
    const { get, clock } = await openAt(server);
    await get();
    clock.seconds += HOUR - 1;
    await get();
    expect(server.requests()).toBe(4);
    const young = serve(server);
    clock.seconds += 1;
    expect(await get()).toEqual(old);
    await settled(8);
    expect(server.requests()).toBe(8);
    expect(await get()).toEqual(young);
    expect(server.requests()).toBe(8);
  });

  test('a day old: the caller waits for the new one', async () => {
    serve(server);
    const { get, clock } = await openAt(server);
    await get();
    clock.seconds += DAY;
    const young = serve(server, {}, NOW + DAY);
    expect(await get()).toEqual(young);
  });

  test('prefetch: nothing while all is fresh; all of it before it ends', async () => {
    serve(server);
    const { service, get, clock } = await openAt(server, {
      freshness: { freshSeconds: 60 * DAY, staleSeconds: 90 * DAY },
    });
    await get();
    expect(await service.prefetch()).toEqual({ due: 0, current: 0 });
    clock.seconds = MIDNIGHT + 25 * DAY - 1;
    expect(await service.prefetch()).toEqual({ due: 0, current: 0 });
    clock.seconds += 1;
    const young = serve(server, {}, clock.seconds);
    expect(await service.prefetch()).toEqual({ due: 4, current: 4 });
    clock.seconds = MIDNIGHT + 31 * DAY; // past the end of the first set
    expect(await get()).toEqual(young);
    expect(server.requests()).toBe(8);
  });

  test('near its end a document is asked for every ten minutes, not at every use', async () => {
    serve(server, {}, NOW - 27 * DAY);
    const { service, get, clock } = await openAt(server);
    for (let i = 0; i < 3; i++) await get();
    clock.seconds += 599;
    await get();
    expect(await service.prefetch()).toEqual({ due: 0, current: 0 });
    expect(server.requests()).toBe(4);
    clock.seconds += 1;
    expect(await service.prefetch()).toEqual({ due: 4, current: 4 });
    expect(server.requests()).toBe(8);
  });

  test('prefetch during an outage keeps what is valid, and says so', async () => {
    serve(server);
    const { service, get, clock, events } = await openAt(server);
    await get();
    server.clear();
    clock.seconds += DAY;
    expect(await service.prefetch()).toEqual({ due: 4, current: 4 });
    expect(events.filter(({ event }) => event === 'keptOnOutage')).toHaveLength(4);
    clock.seconds += 30 * DAY;
    expect(await service.prefetch()).toEqual({ due: 4, current: 0 });
  });
});

describe('an outage', () => {
  test('what is valid is given to its last second, and not one longer', async () => {
    const set = serve(server);
    const { get, clock } = await openAt(server);
    await get();
    await server.close();
    try {
      clock.seconds = MIDNIGHT + 30 * DAY;
      expect(await get()).toEqual(set);
      clock.seconds += 1;
      expect(await codeOf(get())).toBe('ENDORSEMENT_UNREACHABLE');
    } finally {
      server = await startVendorServer();
    }
  });

  test('the first window that ends, ends the set', async () => {
    serveSet(server, { ...vendor.collateral(NOW), pck_crl: vendor.collateral(NOW - 20 * DAY).pck_crl });
    const { service, get, clock } = await openAt(server);
    expect((await service.getIntelCollateralSet({ fmspc: FMSPC, ca: 'platform' })).until).toBe(MIDNIGHT + 10 * DAY);
    server.clear();
    clock.seconds = MIDNIGHT + 10 * DAY + 1;
    expect(await codeOf(get())).toBe('ENDORSEMENT_MISSING');
  });

  test('a service that fails is not asked again at once, however many ask us', async () => {
    const { get } = await openAt(server, { freshness: { failureHoldMs: 60_000 }, limits: { attemptsMax: 1 } });
    for (const path of Object.values(PATH)) server.route(path, (response) => void response.writeHead(500).end());
    for (let i = 0; i < 50; i++) expect(await codeOf(get())).toBe('ENDORSEMENT_UNREACHABLE');
    expect(server.requests()).toBe(3);
  });

  test('and is asked again later', async () => {
    const { get } = await openAt(server, { freshness: { failureHoldMs: 100 } });
    expect(await codeOf(get())).toBe('ENDORSEMENT_MISSING');
    const set = serve(server);
    expect(await codeOf(get())).toBe('ENDORSEMENT_MISSING');
    await new Promise((done) => setTimeout(done, 20));
    expect(await get()).toEqual(set);
  });
});

describe('the clock jumps', () => {
  test('back: what was fetched “in the future” is asked for again, and kept where it is valid', async () => {
    const set = serve(server);
    const { get, clock } = await openAt(server);
    await get();
    clock.seconds -= 6 * HOUR;
    expect(await get()).toEqual(set);
    expect(server.requests()).toBe(8);
  });

  test('back before the window: unavailable; and good again when the clock is right', async () => {
    const set = serve(server);
    const { get, clock } = await openAt(server);
    await get();
    clock.seconds -= 10 * DAY;
    expect(await codeOf(get())).toBe('ENDORSEMENT_UNREACHABLE');
    clock.seconds += 10 * DAY;
    expect(await get()).toEqual(set);
  });

  test('forward past everything: unavailable until the service has newer', async () => {
    serve(server);
    const { get, clock } = await openAt(server);
    await get();
    clock.seconds += 400 * DAY;
    expect(await codeOf(get())).toBe('ENDORSEMENT_UNREACHABLE');
    await settled(8); // the other fetches of that call
    const young = serve(server, {}, clock.seconds);
    expect(await get()).toEqual(young);
  });

  test('while a document is waited for: a set with an ended document is not given', async () => {
    const set = serve(server);
    const { get, clock } = await openAt(server);
    server.route(PATH.rootCrl, (response) => {
      clock.seconds = MIDNIGHT + 31 * DAY;
      response.writeHead(200).end(vendor.collateral(clock.seconds).root_ca_crl);
    });
    expect(set.tcb_info).toContain('TDX');
    expect(await codeOf(get())).toBe('ENDORSEMENT_UNREACHABLE');
  });
});

test('an older set than the one that is kept is a roll-back: the newer one stays', async () => {
  const young = serve(server);
  const { get, clock, events } = await openAt(server);
  await get();
  serve(server, {}, NOW - 20 * DAY); // genuine and in date
  clock.seconds += DAY;
  expect(await get()).toEqual(young);
  expect(events.filter(({ event }) => event === 'keptOnOutage')).toHaveLength(4);
});

describe('a bundle', () => {
  async function filled(): Promise<string> {
    serve(server);
    const { service, get } = await openAt(server);
    await get();
    return service.exportBundle();
  }

  test('gives the same set offline, and the same bundle again', async () => {
    const set = serve(server);
    const online = await openAt(server);
    await online.get();
    const text = online.service.exportBundle();
    const { service, get } = await openAt(null);
    expect(await service.importBundle(text)).toEqual({ documents: 4, kept: 4 });
    expect(await get()).toEqual(set);
    expect(service.exportBundle()).toBe(text);
    expect(await service.importBundle(text)).toEqual({ documents: 4, kept: 0 });
    // The TCB signer's chain is in it once for the two documents that it signed.
    expect(Object.keys(JSON.parse(text).contents)).toHaveLength(9);
  });

  test('offline, past its end: unavailable', async () => {
    const text = await filled();
    const { service, get, clock } = await openAt(null);
    await service.importBundle(text);
    clock.seconds += 31 * DAY;
    expect(await codeOf(get())).toBe('ENDORSEMENT_UNREACHABLE');
  });

  test('of a vendor that is not trusted here: refused, and nothing of it is kept', async () => {
    const text = await filled();
    const { service } = await openAt(null, {}, {}, [INTEL_SGX_ROOT]);
    expect(await codeOf(service.importBundle(text))).toBe('ENDORSEMENT_CHAIN_INVALID');
    expect(parseCollateralBundle(service.exportBundle())).toEqual([]);
  });

  type Bundle = { kind: string; documents: { id: string; fetchedAt: number; parts: Record<string, string> }[] } & {
    contents: Record<string, string>;
  };
  const firstOf = (bundle: Bundle) => bundle.documents[0] as Bundle['documents'][0];
  const CHANGES: [string, string, (bundle: Bundle) => void][] = [
    [
      'another kind',
      'COLLATERAL_MALFORMED',
      (b) => {
        b.kind = 'x';
      },
    ],
    [
      'a content changed',
      'COLLATERAL_MALFORMED',
      (b) => {
        b.contents[Object.keys(b.contents)[0] as string] += ' ';
      },
    ],
    ['a content that nothing uses', 'COLLATERAL_MALFORMED', (b) => void b.documents.pop()],
    [
      'a part without content',
      'COLLATERAL_MALFORMED',
      (b) => void delete b.contents[Object.keys(b.contents)[0] as string],
    ],
    ['a document twice', 'COLLATERAL_MALFORMED', (b) => void b.documents.push(b.documents[0] as never)],
    [
      'a document of an unknown kind',
      'ENDORSEMENT_MALFORMED',
      (b) => {
        firstOf(b).id = 'x';
      },
    ],
    [
      'a kind named constructor',
      'ENDORSEMENT_MALFORMED',
      (b) => {
        firstOf(b).id = 'constructor';
      },
    ],
    [
      'a TCB info under another FMSPC',
      'ENDORSEMENT_CHAIN_INVALID',
      (b) => rename(b, /^tdx-tcb-info/, 'tdx-tcb-info/00906ed50000/standard'),
    ],
    [
      'a TCB info under another number',
      'ENDORSEMENT_CHAIN_INVALID',
      (b) => rename(b, /^tdx-tcb-info/, `tdx-tcb-info/${FMSPC}/19`),
    ],
    ['the root CRL as the PCK CRL', 'ENDORSEMENT_MALFORMED', (b) => swapParts(b)],
    [
      'a date that is none',
      'COLLATERAL_MALFORMED',
      (b) => {
        firstOf(b).fetchedAt = -1;
      },
    ],
  ];
  const rename = (bundle: Bundle, from: RegExp, to: string) => {
    for (const document of bundle.documents) if (from.test(document.id)) document.id = to;
  };
  const swapParts = (bundle: Bundle) => {
    const [a, b] = ['pck-crl/platform', 'root-crl'].map((id) => bundle.documents.find((d) => d.id === id)) as [
      Bundle['documents'][0],
      Bundle['documents'][0],
    ];
    [a.parts, b.parts] = [b.parts, a.parts];
  };

  test.each(CHANGES)('%s: %s, and nothing of it is kept', async (_, code, change) => {
    const bundle = JSON.parse(await filled()) as Bundle;
    change(bundle);
    const { service } = await openAt(null);
    expect(await codeOf(service.importBundle(canonicalJson(bundle)))).toBe(code);
    expect(parseCollateralBundle(service.exportBundle())).toEqual([]);
  });

  test.each(['', '{}', '[]', 'null', '{"kind":"x","kind":"y"}'])('%j is no bundle', async (text) => {
    const { service } = await openAt(null);
    expect(['COLLATERAL_MALFORMED', 'ENCODING_INVALID']).toContain(await codeOf(service.importBundle(text)));
  });
});

describe('the disk', () => {
  function memoryDisk(text: string | null = null) {
    const state = { text, writes: 0 };
    const disk: CollateralDisk = {
      read: async () => state.text,
      write: async (written) => {
        state.writes++;
        state.text = written;
      },
    };
    return { state, disk };
  }

  test('a service that starts again asks nobody', async () => {
    const set = serve(server);
    const { state, disk } = memoryDisk();
    const first = await openAt(server, {}, { disk });
    await first.get();
    await first.service.flush();
    expect(state.writes).toBeLessThanOrEqual(4);
    const second = await openAt(server, {}, { disk });
    expect(await second.get()).toEqual(set);
    expect(server.requests()).toBe(4);
  });

  test.each(['', 'not json', '{}'])('a damaged one (%j) is reported, and everything is fetched again', async (text) => {
    const set = serve(server);
    const { state, disk } = memoryDisk(text);
    const { service, get, events } = await openAt(server, {}, { disk });
    expect(events.map(({ event }) => event)).toEqual(['diskFailed']);
    expect(await get()).toEqual(set);
    await service.flush();
    expect(parseCollateralBundle(state.text ?? '')).toHaveLength(4);
  });

  test('one that cannot be written stops nobody', async () => {
    const set = serve(server);
    const disk: CollateralDisk = {
      read: async () => null,
      write: async () => {
        throw new Error('no space left');
      },
    };
    const { service, get, events } = await openAt(server, {}, { disk });
    expect(await get()).toEqual(set);
    await service.flush();
    expect(events.some((event) => event.event === 'diskFailed' && event.code === 'STORAGE_UNUSABLE')).toBe(true);
  });
});
