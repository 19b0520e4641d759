import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { CollateralOptions } from '../../../src/attestation/collateral/index.ts';
import type { SnpLine, SnpTcb } from '../../../src/attestation/index.ts';
import { fromHex, toHex } from '../../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder, WHY_SKIPPED } from '../../vectors.ts';
import { createAmdVendor, pem, type VcekRequest } from './amd-vendor.ts';
import { codeOf, DAY, NOW, openAt } from './intel-vendor.ts';
import { answerWith, startVendorServer, type VendorServer } from './vendor-server.ts';

const milan = createAmdVendor('Milan');
const turin = createAmdVendor('Turin');
const HWID = new Uint8Array(64).fill(4); // begins like an OCTET STRING
const TCB: SnpTcb = { bootloader: 3, tee: 0, snp: 8, microcode: 219 };
const VCEK_PATH = `/vcek/v1/Milan/${toHex(HWID)}?blSPL=03&teeSPL=00&snpSPL=08&ucodeSPL=219`;

let server: VendorServer;
beforeAll(async () => {
  server = await startVendorServer();
});
afterAll(() => server.close());
beforeEach(() => {
  server.clear();
  server.route('/vcek/v1/Milan/cert_chain', answerWith(pem(milan.ask, milan.ark)));
  server.route('/vlek/v1/Milan/cert_chain', answerWith(pem(milan.asvk, milan.ark)));
  server.route('/vcek/v1/Milan/crl', answerWith(milan.crl(NOW - 10 * DAY, NOW + 300 * DAY)));
  server.route(VCEK_PATH, answerWith(milan.vcek({ hwid: HWID, tcb: TCB })));
});

async function open(options: Partial<CollateralOptions> = {}) {
  const opened = await openAt(null, { amd: { url: server.url, roots: [milan, turin] }, ...options });
  const { service } = opened;
  const vcek = () => service.getVcek({ line: 'Milan', hwid: HWID, tcb: TCB });
  const kept = async (promise: Promise<Uint8Array>) => toHex(await promise);
  return { ...opened, vcek, kept };
}

describe('a good service', () => {
  test('gives the chip’s certificate for this TCB, once, however many ask, and then never again', async () => {
    const { vcek, clock } = await open();
    const all = await Promise.all(Array.from({ length: 30 }, vcek));
    expect(new Set(all.map(toHex)).size).toBe(1);
    clock.seconds += 2_000 * DAY;
    expect(toHex(await vcek())).toBe(toHex(all[0] as Uint8Array));
    expect(server.counts()[VCEK_PATH]).toBe(1);
  });

  test('another TCB of the same chip is another certificate; the chain is asked for once', async () => {
    const { service, vcek } = await open();
    const newer = { ...TCB, snp: 9 };
    server.route(VCEK_PATH.replace('snpSPL=08', 'snpSPL=09'), answerWith(milan.vcek({ hwid: HWID, tcb: newer })));
    const one = await vcek();
    const other = await service.getVcek({ line: 'Milan', hwid: HWID, tcb: newer });
    expect(toHex(other)).not.toBe(toHex(one));
    expect(server.counts()['/vcek/v1/Milan/cert_chain']).toBe(1);
  });

  test('Turin: eight bytes of chip, and an FMC', async () => {
    const hwid = new Uint8Array(8).fill(2);
    const tcb: SnpTcb = { fmc: 1, bootloader: 1, tee: 1, snp: 4, microcode: 81 };
    const certificate = turin.vcek({ hwid, tcb, isWrapped: true });
    server.route('/vcek/v1/Turin/cert_chain', answerWith(pem(turin.ask, turin.ark)));
    server.route(
      '/vcek/v1/Turin/0202020202020202?fmcSPL=01&blSPL=01&teeSPL=01&snpSPL=04&ucodeSPL=81',
      answerWith(certificate),
    );
    const { service } = await open();
    expect(toHex(await service.getVcek({ line: 'Turin', hwid, tcb }))).toBe(toHex(certificate));
  });

  test('chains and lists', async () => {
    const { service } = await open();
    const { intermediate, root } = await service.getAmdChain('Milan', 'vlek');
    expect([toHex(intermediate), toHex(root)]).toEqual([toHex(milan.asvk), toHex(milan.ark)]);
    expect(toHex((await service.getAmdChain('Milan', 'vcek')).intermediate)).toBe(toHex(milan.ask));
    expect((await service.getAmdCrl('Milan', 'vcek')).length).toBeGreaterThan(100);
  });

  test('all of it goes through a bundle, offline', async () => {
    const { service, vcek } = await open();
    const certificate = await vcek();
    const crl = await service.getAmdCrl('Milan', 'vcek');
    const offline = await open({ amd: { url: null, roots: [milan] } });
    expect(await offline.service.importBundle(service.exportBundle())).toEqual({ documents: 3, kept: 3 });
    expect(toHex(await offline.vcek())).toBe(toHex(certificate));
    expect(toHex(await offline.service.getAmdCrl('Milan', 'vcek'))).toBe(toHex(crl));
    const elsewhere = await open({ amd: { url: null, roots: [turin] } });
    expect(await codeOf(elsewhere.service.importBundle(service.exportBundle()))).toBe('ENDORSEMENT_CHAIN_INVALID');
  });
});

test('429: the wait that it asks for is kept, and the certificate comes after it', async () => {
  server.route(VCEK_PATH, (response, _, count) => {
    if (count === 1) response.writeHead(429, { 'retry-after': '10' }).end();
    else response.writeHead(200).end(milan.vcek({ hwid: HWID, tcb: TCB }));
  });
  const { vcek } = await open();
  const started = performance.now();
  await vcek();
  expect(performance.now() - started).toBeGreaterThan(490); // 10 s, twenty times as fast
});

test('429 for longer than a caller can wait: unavailable, with the time to come back', async () => {
  server.route(VCEK_PATH, (response) => void response.writeHead(429, { 'retry-after': '300' }).end());
  const { vcek } = await open();
  const error = await vcek().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'ENDORSEMENT_UNREACHABLE', facts: { retryAfterSeconds: expect.any(Number) } });
  expect(server.counts()[VCEK_PATH]).toBe(1);
});

const vcekOf = (change: Partial<VcekRequest>) => () =>
  server.route(VCEK_PATH, answerWith(milan.vcek({ hwid: HWID, tcb: TCB, ...change })));
const chainOf =
  (...certificates: readonly Uint8Array[]) =>
  () =>
    server.route('/vcek/v1/Milan/cert_chain', answerWith(pem(...certificates)));

describe('what is not that certificate is never kept, and refuses nobody', () => {
  test.each<[string, () => void]>([
    ['of another chip', vcekOf({ hwid: new Uint8Array(64).fill(5) })],
    ['of a chip with a shorter id', vcekOf({ hwid: new Uint8Array(8).fill(4) })],
    ['of another TCB', vcekOf({ tcb: { ...TCB, microcode: 218 } })],
    ['with a part of the TCB missing', vcekOf({ without: 'tee' })],
    ['of another kind', vcekOf({ subject: 'SEV-VLEK' })],
    ['signed with a short salt', vcekOf({ saltLength: 20 })],
    ['past its end', vcekOf({ notAfter: NOW - 1 })],
    ['cut short', () => server.route(VCEK_PATH, answerWith(milan.cut(milan.vcek({ hwid: HWID, tcb: TCB }))))],
    [
      'with a byte after it',
      () => server.route(VCEK_PATH, answerWith(milan.followed(milan.vcek({ hwid: HWID, tcb: TCB })))),
    ],
    ['as PEM', () => server.route(VCEK_PATH, answerWith(pem(milan.vcek({ hwid: HWID, tcb: TCB }))))],
    ['larger than any', () => server.route(VCEK_PATH, answerWith(new Uint8Array(4097)))],
    ['of another line', () => server.route(VCEK_PATH, answerWith(turin.vcek({ hwid: HWID, tcb: TCB })))],
    ['under an ASK that the root did not sign', chainOf(milan.impostorAsk(), milan.ark)],
    ['under a root of the right name', chainOf(milan.ask, milan.selfMadeRoot())],
    ['under a root that does not sign itself', chainOf(milan.ask, milan.unsignedRoot())],
    ['under the VLEK chain', chainOf(milan.asvk, milan.ark)],
    ['under the chain of another line', chainOf(turin.ask, turin.ark)],
    ['under a chain in the wrong order', chainOf(milan.ark, milan.ask)],
    ['under half a chain', chainOf(milan.ask)],
    ['under a chain of three', chainOf(milan.ask, milan.ark, milan.ark)],
  ])('a certificate %s', async (_, misbehave) => {
    misbehave();
    const { service, vcek } = await open();
    expect(await codeOf(vcek())).toBe('ENDORSEMENT_UNREACHABLE');
    expect(service.exportBundle()).not.toContain('amd-vcek');
  });

  test.each<[string, () => Uint8Array]>([
    ['of another line', () => turin.crl(NOW - DAY, NOW + DAY)],
    ['past its end', () => milan.crl(NOW - 20 * DAY, NOW - DAY)],
    ['of tomorrow', () => milan.crl(NOW + DAY, NOW + 20 * DAY)],
    ['cut short', () => milan.cut(milan.crl(NOW - DAY, NOW + DAY))],
  ])('a list %s', async (_, crl) => {
    server.route('/vcek/v1/Milan/crl', answerWith(crl()));
    const { service } = await open();
    expect(await codeOf(service.getAmdCrl('Milan', 'vcek'))).toBe('ENDORSEMENT_UNREACHABLE');
  });

  test('a list with a lower number than the one that is kept', async () => {
    const { service, clock, events } = await open();
    const kept = await service.getAmdCrl('Milan', 'vcek');
    server.route('/vcek/v1/Milan/crl', answerWith(milan.crl(NOW - 5 * DAY, NOW + 300 * DAY, 3)));
    clock.seconds += DAY;
    expect(toHex(await service.getAmdCrl('Milan', 'vcek'))).toBe(toHex(kept));
    expect(events.some(({ event }) => event === 'keptOnOutage')).toBe(true);
  });
});

test('what cannot be asked for is not asked for', async () => {
  const { service } = await open();
  const asks: [string, Uint8Array, SnpTcb][] = [
    ['Venice', HWID, TCB],
    ['Milan', HWID.subarray(1), TCB],
    ['Turin', HWID, { ...TCB, fmc: 1 }],
    ['Milan', HWID, { ...TCB, fmc: 1 }],
    ['Milan', HWID, { ...TCB, snp: 256 }],
    ['Milan', HWID, { bootloader: 1, tee: 1, snp: 1 }],
  ];
  for (const [line, hwid, tcb] of asks) {
    expect(await codeOf(service.getVcek({ line: line as SnpLine, hwid, tcb }))).toBe('USAGE_INVALID');
  }
  expect(server.requests()).toBe(0);
});

const snp = vectorsFolder('snp');
type Vectors = {
  trust_anchors: Record<SnpLine, Record<'ark' | 'ask' | 'asvk', { file: string; spki_sha256: string }>>;
  crls: { file: string; issuer: string; this_update: string }[];
  vectors: {
    id: string;
    signer: string;
    product: SnpLine;
    verification_time: string;
    leaf?: { hwid: string | null; spl: Record<string, number | null> };
    files: Record<string, string>;
    expected: { verdict: string };
  }[];
};

describe.skipIf(snp === null)(`AMD’s own certificates and lists${snp === null ? `: ${WHY_SKIPPED}` : ''}`, () => {
  const folder = snp as string;
  const vectors = snp === null ? null : readVectorJson<Vectors>(folder, 'vectors.json');
  const roots = Object.entries(vectors?.trust_anchors ?? {}).map(([line, { ark }]) => ({
    line: line as SnpLine,
    spkiSha256: fromHex(ark.spki_sha256),
  }));

  test.each(['Milan', 'Genoa', 'Turin'] as const)('the chains of %s', async (line) => {
    const { ark, ask, asvk } = vectors!.trust_anchors[line];
    const der = (of: { file: string }) => readVector(folder, of.file);
    server.route(`/vcek/v1/${line}/cert_chain`, answerWith(pem(der(ask), der(ark))));
    server.route(`/vlek/v1/${line}/cert_chain`, answerWith(pem(der(asvk), der(ark))));
    const { service } = await open({ amd: { url: server.url, roots } });
    expect(toHex((await service.getAmdChain(line, 'vcek')).intermediate)).toBe(toHex(der(ask)));
    expect(toHex((await service.getAmdChain(line, 'vlek')).intermediate)).toBe(toHex(der(asvk)));
  });

  test('each list, in its year', async () => {
    expect(vectors!.crls.length).toBeGreaterThan(0);
    for (const { file, issuer, this_update } of vectors!.crls) {
      const line = issuer.replace('ARK-', '') as SnpLine;
      const { ark, ask } = vectors!.trust_anchors[line];
      server.route(
        `/vcek/v1/${line}/cert_chain`,
        answerWith(pem(readVector(folder, ask.file), readVector(folder, ark.file))),
      );
      server.route(`/vcek/v1/${line}/crl`, answerWith(readVector(folder, file)));
      const { service, clock } = await open({ amd: { url: server.url, roots } });
      clock.seconds = Date.parse(this_update) / 1000 + DAY;
      expect(toHex(await service.getAmdCrl(line, 'vcek'))).toBe(toHex(readVector(folder, file)));
    }
  });

  test('each VCEK of a real report, by its chip and TCB', async () => {
    let count = 0;
    for (const { signer, product, verification_time, leaf, files, expected } of vectors!.vectors) {
      if (signer !== 'VCEK' || expected.verdict !== 'valid' || !leaf?.hwid || files.leaf === undefined) continue;
      const { ark, ask } = vectors!.trust_anchors[product];
      const certificate = readVector(folder, files.leaf);
      const chain = pem(readVector(folder, files.intermediate ?? ask.file), readVector(folder, ark.file));
      server.route(`/vcek/v1/${product}/cert_chain`, answerWith(chain));
      server.route(`/vcek/v1/${product}/${leaf.hwid}`, answerWith(certificate));
      const { service, clock } = await open({ amd: { url: server.url, roots } });
      clock.seconds = Date.parse(verification_time) / 1000;
      const tcb = Object.fromEntries(Object.entries(leaf.spl).filter(([, svn]) => svn !== null)) as SnpTcb;
      const got = await service.getVcek({ line: product, hwid: fromHex(leaf.hwid), tcb });
      expect(toHex(got)).toBe(toHex(certificate));
      count++;
    }
    expect(count).toBeGreaterThan(15);
  });
});
