import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { CollateralOptions } from '../../../src/attestation/collateral/index.ts';
import {
  AMD_ROOTS,
  type SnpLine,
  type SnpSigner,
  type SnpTcb,
  type TrustAnchor,
} from '../../../src/attestation/index.ts';
import type { AmdCollateralDefects } from '../../../src/attestation/simulate/index.ts';
import { collateralForEvidence } from '../../../src/cli/collateral/for-evidence.ts';
import { createVerifier } from '../../../src/cli/verify/answer.ts';
import {
  type Bytes,
  CodedError,
  concat,
  fromBase64,
  fromHex,
  parseCertificate,
  parseCrl,
  rfc3339,
  toBase64,
  toHex,
} from '../../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder, WHY_SKIPPED } from '../../vectors.ts';
import { sharedAmd } from '../simulate/shared-amd.ts';
import { codeOf, DAY, NOW, openAt } from './intel-vendor.ts';
import { answerWith, pem, startVendorServer, type VendorServer } from './vendor-server.ts';

const HWID = new Uint8Array(64).fill(4); // begins like an OCTET STRING
const TCB: SnpTcb = { bootloader: 3, tee: 0, snp: 8, microcode: 219 };
const VCEK_PATH = `/vcek/v1/Milan/${toHex(HWID)}?blSPL=03&teeSPL=00&snpSPL=08&ucodeSPL=219`;

type Asked = Readonly<{ line?: SnpLine; signer?: SnpSigner; at?: number }>;

/** What the simulated AMD issues for one host, DER. */
function issued(defects: AmdCollateralDefects = {}, { line = 'Milan', signer = 'VCEK', at = NOW }: Asked = {}) {
  const leaf = { ...(line === 'Milan' && signer === 'VCEK' ? { hwid: HWID, tcb: TCB } : {}), ...defects.leaf };
  const set = sharedAmd.collateral({ name: 'alder', line, signer }, at, { ...defects, leaf });
  const [certificate, intermediate, root] = set.certs.map((one) => fromBase64(one));
  const [crl] = set.crls.map((one) => fromBase64(one));
  return { certificate, intermediate, root, crl } as Record<'certificate' | 'intermediate' | 'root' | 'crl', Bytes>;
}

const milan = issued();
const turin = issued({}, { line: 'Turin' });
const vlek = issued({}, { signer: 'VLEK' });
const anchorsOf = (...lines: readonly SnpLine[]) =>
  sharedAmd.trustAnchors.filter(({ name }) => lines.some((line) => name.includes(line)));

const cut = (bytes: Uint8Array) => bytes.subarray(0, -1);
const followed = (bytes: Uint8Array) => concat(bytes, Uint8Array.of(0));
/** The last byte of what its issuer signed, changed: the signature. */
const unsigned = (bytes: Uint8Array) => concat(bytes.subarray(0, -1), Uint8Array.of((bytes.at(-1) as number) ^ 1));

let server: VendorServer;
beforeAll(async () => {
  server = await startVendorServer();
});
afterAll(() => server.close());
beforeEach(() => {
  server.clear();
  server.route('/vcek/v1/Milan/cert_chain', answerWith(pem(milan.intermediate, milan.root)));
  server.route('/vlek/v1/Milan/cert_chain', answerWith(pem(vlek.intermediate, milan.root)));
  server.route('/vcek/v1/Milan/crl', answerWith(milan.crl));
  server.route('/vlek/v1/Milan/crl', answerWith(milan.crl));
  server.route(VCEK_PATH, answerWith(milan.certificate));
});

async function open(
  options: Partial<CollateralOptions> = {},
  anchors: readonly TrustAnchor[] = anchorsOf('Milan', 'Turin'),
) {
  const opened = await openAt(null, { amdUrl: server.url, ...options }, {}, anchors);
  const { service } = opened;
  const vcek = () => service.getVcek({ line: 'Milan', hwid: HWID, tcb: TCB });
  return { ...opened, vcek };
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
    server.route(VCEK_PATH.replace('snpSPL=08', 'snpSPL=09'), answerWith(issued({ leaf: { tcb: newer } }).certificate));
    const one = await vcek();
    const other = await service.getVcek({ line: 'Milan', hwid: HWID, tcb: newer });
    expect(toHex(other)).not.toBe(toHex(one));
    expect(server.counts()['/vcek/v1/Milan/cert_chain']).toBe(1);
  });

  test('Turin: eight bytes of chip, and an FMC', async () => {
    const hwid = new Uint8Array(8).fill(2);
    const tcb: SnpTcb = { fmc: 1, bootloader: 1, tee: 1, snp: 4, microcode: 81 };
    const { certificate } = issued({ leaf: { hwid, tcb, wrappedHwid: true } }, { line: 'Turin' });
    server.route('/vcek/v1/Turin/cert_chain', answerWith(pem(turin.intermediate, turin.root)));
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
    expect([toHex(intermediate), toHex(root)]).toEqual([toHex(vlek.intermediate), toHex(vlek.root)]);
    expect(toHex((await service.getAmdChain('Milan', 'vcek')).intermediate)).toBe(toHex(milan.intermediate));
    expect((await service.getAmdCrl('Milan', 'vcek')).length).toBeGreaterThan(100);
  });

  test('all of it goes through a bundle, offline', async () => {
    const { service, vcek } = await open();
    const certificate = await vcek();
    const crl = await service.getAmdCrl('Milan', 'vcek');
    const offline = await open({ amdUrl: null }, anchorsOf('Milan'));
    expect(await offline.service.importBundle(service.exportBundle())).toEqual({ documents: 3, kept: 3 });
    expect(toHex(await offline.vcek())).toBe(toHex(certificate));
    expect(toHex(await offline.service.getAmdCrl('Milan', 'vcek'))).toBe(toHex(crl));
    const elsewhere = await open({ amdUrl: null }, anchorsOf('Turin'));
    expect(await codeOf(elsewhere.service.importBundle(service.exportBundle()))).toBe('ENDORSEMENT_CHAIN_INVALID');
  });
});

test('429: the wait that it asks for is kept, and the certificate comes after it', async () => {
  server.route(VCEK_PATH, (response, _, count) => {
    if (count === 1) response.writeHead(429, { 'retry-after': '10' }).end();
    else response.writeHead(200).end(milan.certificate);
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

const serveLeaf = (defects: AmdCollateralDefects, asked?: Asked) => () =>
  server.route(VCEK_PATH, answerWith(issued(defects, asked).certificate));
const serveChain =
  (...certificates: readonly Uint8Array[]) =>
  () =>
    server.route('/vcek/v1/Milan/cert_chain', answerWith(pem(...certificates)));
const serveBytes = (bytes: Uint8Array | string) => () => server.route(VCEK_PATH, answerWith(bytes));
const { tee: _, ...WITHOUT_TEE } = TCB;

describe('what is not that certificate is never kept, and refuses nobody', () => {
  test.each<[string, () => void]>([
    ['of another chip', serveLeaf({ leaf: { hwid: new Uint8Array(64).fill(5) } })],
    ['of a chip with a shorter id', serveLeaf({ leaf: { hwid: new Uint8Array(8).fill(4) } })],
    ['of no chip', serveLeaf({ leaf: { hwid: null } })],
    ['of another TCB', serveLeaf({ leaf: { tcb: { ...TCB, microcode: 218 } } })],
    ['with a part of the TCB missing', serveLeaf({ leaf: { tcb: WITHOUT_TEE } })],
    ['of another kind', serveLeaf({ leaf: { commonName: 'SEV-VLEK' } })],
    ['signed with a short salt', serveLeaf({ pss: { leaf: 'shortSalt' } })],
    ['signed with another hash', serveLeaf({ pss: { leaf: 'sha256' } })],
    ['signed by another key of the vendor', serveLeaf({ wronglySigned: ['leaf'] })],
    ['past its end', serveLeaf({ expired: ['leaf'] })],
    ['of tomorrow', serveLeaf({ notYetValid: ['leaf'] })],
    ['issued by the ASVK', serveLeaf({ crossed: true })],
    ['cut short', serveBytes(cut(milan.certificate))],
    ['with a byte after it', serveBytes(followed(milan.certificate))],
    ['as PEM', serveBytes(pem(milan.certificate))],
    ['larger than any', serveBytes(new Uint8Array(4097))],
    ['of another line', serveBytes(turin.certificate)],
    [
      'under an ASK that the root did not sign',
      serveChain(issued({ wronglySigned: ['intermediate'] }).intermediate, milan.root),
    ],
    [
      'under an ASK that may issue CAs',
      serveChain(issued({ intermediate: { pathLength: 1 } }).intermediate, milan.root),
    ],
    ['under a root of the right name', serveChain(milan.intermediate, issued({ wronglySigned: ['root'] }).root)],
    ['under a root that does not sign itself', serveChain(milan.intermediate, unsigned(milan.root))],
    ['under the VLEK chain', serveChain(vlek.intermediate, milan.root)],
    ['under the chain of another line', serveChain(turin.intermediate, turin.root)],
    ['under a chain in the wrong order', serveChain(milan.root, milan.intermediate)],
    ['under half a chain', serveChain(milan.intermediate)],
    ['under a chain of three', serveChain(milan.intermediate, milan.root, milan.root)],
  ])('a certificate %s', async (_, misbehave) => {
    misbehave();
    const { service, vcek } = await open();
    expect(await codeOf(vcek())).toBe('ENDORSEMENT_UNREACHABLE');
    expect(service.exportBundle()).not.toContain('amd-vcek');
  });

  test.each<[string, () => Uint8Array]>([
    ['of another line', () => turin.crl],
    ['past its end', () => issued({ expired: ['crl'] }).crl],
    ['of tomorrow', () => issued({ notYetValid: ['crl'] }).crl],
    ['signed by another key of the vendor', () => issued({ wronglySigned: ['crl'] }).crl],
    ['cut short', () => cut(milan.crl)],
  ])('a list %s', async (_, crl) => {
    server.route('/vcek/v1/Milan/crl', answerWith(crl()));
    const { service } = await open();
    expect(await codeOf(service.getAmdCrl('Milan', 'vcek'))).toBe('ENDORSEMENT_UNREACHABLE');
  });

  test('a list is given until the second before its nextUpdate, as the verifier takes it', async () => {
    const { service, clock } = await open();
    const kept = await service.getAmdCrl('Milan', 'vcek');
    server.clear();
    const { nextUpdate } = parseCrl(kept);
    clock.seconds = nextUpdate - 1;
    expect(toHex(await service.getAmdCrl('Milan', 'vcek'))).toBe(toHex(kept));
    clock.seconds = nextUpdate;
    expect(await codeOf(service.getAmdCrl('Milan', 'vcek'))).toBe('ENDORSEMENT_MISSING');
  });

  test('a list with a lower number than the one that is kept, also when that one has ended', async () => {
    server.route('/vcek/v1/Milan/crl', answerWith(issued({ crlNumber: 4 }).crl));
    const { service, clock, events } = await open();
    const kept = await service.getAmdCrl('Milan', 'vcek');
    clock.seconds += DAY;
    server.route('/vcek/v1/Milan/crl', answerWith(issued({ crlNumber: 3 }, { at: clock.seconds }).crl));
    expect(toHex(await service.getAmdCrl('Milan', 'vcek'))).toBe(toHex(kept));
    expect(events.some(({ event }) => event === 'keptOnOutage')).toBe(true);
    clock.seconds += 400 * DAY;
    server.route('/vcek/v1/Milan/crl', answerWith(issued({ crlNumber: 3 }, { at: clock.seconds }).crl));
    expect(await codeOf(service.getAmdCrl('Milan', 'vcek'))).toBe('ENDORSEMENT_UNREACHABLE');
    server.route('/vcek/v1/Milan/crl', answerWith(issued({ crlNumber: 5 }, { at: clock.seconds }).crl));
    expect(toHex(await service.getAmdCrl('Milan', 'vcek'))).not.toBe(toHex(kept));
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
  const roots: TrustAnchor[] = Object.entries(vectors?.trust_anchors ?? {}).map(([line, { ark }]) => ({
    spkiSha256: fromHex(ark.spki_sha256),
    kind: 'vendor',
    name: line,
  }));

  test.each(['Milan', 'Genoa', 'Turin'] as const)('the chains of %s', async (line) => {
    const { ark, ask, asvk } = vectors!.trust_anchors[line];
    const der = (of: { file: string }) => readVector(folder, of.file);
    server.route(`/vcek/v1/${line}/cert_chain`, answerWith(pem(der(ask), der(ark))));
    server.route(`/vlek/v1/${line}/cert_chain`, answerWith(pem(der(asvk), der(ark))));
    const { service } = await open({}, roots);
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
      const { service, clock } = await open({}, roots);
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
      const { service, clock } = await open({}, roots);
      clock.seconds = Date.parse(verification_time) / 1000;
      const tcb = Object.fromEntries(Object.entries(leaf.spl).filter(([, svn]) => svn !== null)) as SnpTcb;
      const got = await service.getVcek({ line: product, hwid: fromHex(leaf.hwid), tcb });
      expect(toHex(got)).toBe(toHex(certificate));
      count++;
    }
    expect(count).toBeGreaterThan(15);
  });

  test('each real report is verified with what the service gives for it, revocation included', async () => {
    const verifier = createVerifier();
    let count = 0;
    for (const { signer, product, leaf, files, expected } of vectors!.vectors) {
      const list = vectors!.crls.find(({ issuer }) => issuer === `ARK-${product}`);
      if (signer !== 'VCEK' || expected.verdict !== 'valid' || !leaf?.hwid || list === undefined) continue;
      const certificate = readVector(folder, files.leaf as string);
      const { notBefore } = parseCertificate(certificate);
      const at = Math.max(notBefore, Date.parse(list.this_update) / 1000) + DAY;
      const { ark, ask } = vectors!.trust_anchors[product];
      const chain = pem(readVector(folder, ask.file), readVector(folder, ark.file));
      server.route(`/vcek/v1/${product}/cert_chain`, answerWith(chain));
      server.route(`/vcek/v1/${product}/crl`, answerWith(readVector(folder, list.file)));
      server.route(`/vcek/v1/${product}/${leaf.hwid}`, answerWith(certificate));
      const { service, clock } = await open({}, AMD_ROOTS);
      clock.seconds = at;
      const evidence = readVector(folder, files.report as string);
      const question = {
        kind: 'snp-report',
        evidence,
        anchors: AMD_ROOTS,
        line: product,
        channel: 'standard',
      } as const;
      const collateral = await collateralForEvidence(service, question).catch((error: unknown) => error);
      if (collateral instanceof CodedError) continue; // its certificate is younger than the captured list
      const request = { kind: 'snp-report', evidence: toBase64(evidence), collateral, at: rfc3339(at) };
      const answer = await verifier.answerLine(JSON.stringify(request));
      expect([files.report, answer.verdict, answer.claims.revocation]).toEqual([files.report, 'verified', 'checked']);
      count++;
    }
    expect(count).toBeGreaterThan(10);
  });
});
