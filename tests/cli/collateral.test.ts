import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { amdDocuments, encodeCollateralBundle } from '../../src/attestation/collateral/index.ts';
import {
  encodeEvidenceBundle,
  INTEL_SGX_ROOT,
  loadAmdEndorsements,
  loadVendorEndorsements,
  parseEvidenceBundle,
  parseSnpReport,
  type SnpLine,
  type TrustAnchor,
  type VendorEndorsements,
  verifySnpReport,
} from '../../src/attestation/index.ts';
import { openSimulatedSnpMachine } from '../../src/attestation/simulate/index.ts';
import { type Collateral, openCollateral } from '../../src/cli/compose/collateral.ts';
import { layoutOf } from '../../src/cli/up/state.ts';
import { issueCollateral, prepareVendors } from '../../src/cli/up/vendors.ts';
import { type Bytes, fromBase64, fromHex } from '../../src/core/index.ts';
import { evidence, intel } from '../attestation/appraise/scene.ts';
import { codeOf, PATH, serveSet } from '../attestation/collateral/intel-vendor.ts';
import { startVendorServer, type VendorServer } from '../attestation/collateral/vendor-server.ts';
import { sharedAmd } from '../attestation/simulate/shared-amd.ts';
import { keepSharedAmd } from '../network/shared-vendor.ts';

const set = intel.collateral(Math.floor(Date.now() / 1000));
const anchors = [intel.trustAnchor];
const bundle = evidence();

const spoken = vi.spyOn(console, 'error').mockImplementation(() => undefined);
let server: VendorServer;
let data: string;
beforeAll(async () => {
  server = await startVendorServer();
});
afterAll(async () => {
  await server.close();
  vi.restoreAllMocks();
});
beforeEach(() => {
  server.clear();
  data = mkdtempSync(join(tmpdir(), 'chrysalis-collateral-'));
  return () => rmSync(data, { recursive: true });
});

const statesOf = (endorsements: Awaited<ReturnType<Awaited<ReturnType<typeof openCollateral>>['endorsementsFor']>>) =>
  (['tcbInfo', 'qeIdentity', 'rootCrl', 'pckCrl', 'pckCrlIssuer'] as const).map(
    (name) => endorsements.intel?.[name].state,
  );
const snpBundle = (quote: Bytes) =>
  encodeEvidenceBundle({
    ...parseEvidenceBundle(bundle),
    tee: 'sev-snp',
    quote,
    eventLog: { firmware: new Uint8Array(0), runtimeEvents: [] },
  });
const ALL_OK = Array.from({ length: 5 }, () => 'ok');

test('from a service: for the platform of the evidence, and the same text for clients', async () => {
  serveSet(server, set, 'hex');
  const collateral = await openCollateral({ collateralUrl: server.url, data }, anchors);
  expect(await collateral.textFor(bundle)).toBe('{}');
  expect(statesOf(await collateral.endorsementsFor(bundle))).toEqual(ALL_OK);
  expect(JSON.parse(await collateral.textFor(bundle))).toEqual(set);
  // Another quote of the same machine.
  expect(JSON.parse(await collateral.textFor(evidence({ quote: { reportData: new Uint8Array(64) } })))).toEqual(set);
  await collateral.close();
  const bundled = readFileSync(join(data, 'collateral-bundle.json'), 'utf8');

  server.clear(); // what was kept on disk is enough for the next start, and as a file elsewhere
  const again = await openCollateral({ collateralUrl: server.url, data }, anchors);
  expect(statesOf(await again.endorsementsFor(bundle))).toEqual(ALL_OK);
  await again.close();
  const file = join(data, 'bundle.json');
  writeFileSync(file, bundled);
  const offline = await openCollateral({ collateral: file, data }, anchors);
  expect(statesOf(await offline.endorsementsFor(bundle))).toEqual(ALL_OK);
  await offline.close();
  expect(server.requests()).toBe(0);
});

test('a service that has nothing: unavailable, for as long as it has nothing', async () => {
  const collateral = await openCollateral({ collateralUrl: server.url, data }, anchors);
  expect(await codeOf(collateral.endorsementsFor(bundle))).toBe('ENDORSEMENT_MISSING');
  await collateral.close();
});

test('evidence of a vendor that nobody trusts: the service is not even asked', async () => {
  serveSet(server, set);
  const collateral = await openCollateral({ collateralUrl: server.url, data }, [INTEL_SGX_ROOT]);
  expect(new Set(statesOf(await collateral.endorsementsFor(bundle)))).toEqual(new Set(['missing']));
  expect(server.counts()[PATH.tcb]).toBeUndefined();
  await collateral.close();
});

test('from a file, as before; a bundle that is not genuine is refused at the start', async () => {
  const file = join(data, 'collateral.json');
  writeFileSync(file, JSON.stringify(set));
  const collateral = await openCollateral({ collateral: file, data }, anchors);
  expect(statesOf(await collateral.endorsementsFor(bundle))).toEqual(ALL_OK);
  expect(JSON.parse(await collateral.textFor(bundle))).toEqual(set);
  await collateral.close();
  writeFileSync(file, '{"kind":"chrysalis-collateral-bundle","version":2}');
  expect(await codeOf(openCollateral({ collateral: file, data }, anchors))).toBe('COLLATERAL_MALFORMED');
});

describe('while it runs', () => {
  const LOOK_MS = 10;
  const until = async (holds: () => Promise<boolean> | boolean) => {
    for (let i = 0; i < 500 && !(await holds()); i++) await new Promise((done) => setTimeout(done, LOOK_MS));
    expect(await holds()).toBe(true);
  };
  const older = intel.collateral(Math.floor(Date.now() / 1000) - 10 * 86_400);
  const textOf = async (collateral: Awaited<ReturnType<typeof openCollateral>>) =>
    JSON.parse(await collateral.textFor(bundle)) as object;
  const said = () => spoken.mock.calls.flat().join('\n');
  const replace = (file: string, text: string) => {
    writeFileSync(`${file}.draft`, text);
    renameSync(`${file}.draft`, file);
  };

  test('a file is read again when it changes; a bad one is named once and leaves the good one in force', async () => {
    const file = join(data, 'collateral.json');
    writeFileSync(file, JSON.stringify(older));
    const collateral = await openCollateral({ collateral: file, data }, anchors, LOOK_MS);
    const endedAt = collateral.endsAt() as number;
    expect(await textOf(collateral)).toEqual(older);
    replace(file, JSON.stringify(set));
    await until(async () => JSON.stringify(await textOf(collateral)) === JSON.stringify(set));
    expect(collateral.endsAt()).toBe(endedAt + 10 * 86_400);
    for (const bad of ['{', '[]', '{"kind":"chrysalis-collateral-bundle","version":2}']) {
      spoken.mockClear();
      replace(file, bad);
      await until(() => said().includes('what was read before stays in force'));
      await new Promise((done) => setTimeout(done, 5 * LOOK_MS));
      expect(spoken.mock.calls).toHaveLength(1);
      expect(await textOf(collateral)).toEqual(set);
    }
    rmSync(file);
    await until(() => said().includes('no such file'));
    expect(statesOf(await collateral.endorsementsFor(bundle))).toEqual(ALL_OK);
    await collateral.close();
  });

  test('a bundle too: what the new one no longer holds is no longer given', async () => {
    serveSet(server, set);
    const service = await openCollateral({ collateralUrl: server.url, data }, anchors);
    await service.endorsementsFor(bundle);
    await service.close();
    const file = join(data, 'collateral-bundle.json');
    const empty = '{"contents":{},"documents":[],"kind":"chrysalis-collateral-bundle","version":1}';
    const collateral = await openCollateral({ collateral: file, data }, anchors, LOOK_MS);
    expect(statesOf(await collateral.endorsementsFor(bundle))).toEqual(ALL_OK);
    replace(file, empty);
    await until(() => collateral.endsAt() === null);
    expect(await codeOf(collateral.endorsementsFor(bundle))).toBe('ENDORSEMENT_UNREACHABLE');
    await collateral.close();
  });

  test('one that ends soon is said to, at the start', async () => {
    spoken.mockClear();
    const file = join(data, 'collateral.json');
    writeFileSync(file, JSON.stringify(intel.collateral(Math.floor(Date.now() / 1000) - 28 * 86_400)));
    await (await openCollateral({ collateral: file, data }, anchors, LOOK_MS)).close();
    expect(said()).toMatch(/collateral\.json ends at .*: put a newer one in its place/);
  });
});

test('a local network’s own is issued anew under the same roots, for hosts of both kinds', async () => {
  const now = Math.floor(Date.now() / 1000);
  const layout = layoutOf(data);
  keepSharedAmd(data);
  const workers = [
    { name: 'alder', tee: 'tdx', gpus: 1 },
    { name: 'birch', tee: 'sev-snp', gpus: 1 },
  ] as const;
  const from = { now, randomness: (length: number) => new Uint8Array(length).fill(42) };
  expect(await prepareVendors(layout, workers, from)).toBe('made'); // Intel's are
  expect(await prepareVendors(layout, workers, from)).toBe('kept');
  const before = readFileSync(layout.collateral, 'utf8');
  type Root = { spkiSha256: string; purpose?: TrustAnchor['purpose'] };
  const roots = JSON.parse(readFileSync(layout.trustAnchors, 'utf8')) as Root[];
  issueCollateral(layout, workers, now + 10 * 86_400);
  expect(readFileSync(layout.collateral, 'utf8')).not.toBe(before);
  issueCollateral(layout, workers, now);
  const trusted = roots.map(({ spkiSha256, purpose }): TrustAnchor => {
    return { kind: 'simulated', name: 'simulated', spkiSha256: fromHex(spkiSha256), purpose };
  });
  const collateral = await openCollateral({ collateral: layout.collateral, data }, trusted);
  expect(statesOf(await collateral.endorsementsFor(bundle))).toEqual(ALL_OK);

  const machine = openSimulatedSnpMachine(JSON.parse(readFileSync(layout.machine('birch'), 'utf8')));
  const quote = machine.report({ reportData: new Uint8Array(64) });
  const ofBirch = snpBundle(quote);
  const { amd } = await collateral.endorsementsFor(ofBirch, machine.certificates);
  const verdict = await verifySnpReport(parseSnpReport(quote), amd!, trusted, now);
  expect(verdict.verdict).toBe('verified');
  expect(verdict.checks.arkCrl.outcome).toBe('passed');
  expect(JSON.parse(await collateral.textFor(ofBirch)).certs).toHaveLength(3);
  await collateral.close();
});

describe('certificates that come along with SEV-SNP evidence', () => {
  const now = Math.floor(Date.now() / 1000);
  const reportData = new Uint8Array(64);
  type Host = Parameters<typeof sharedAmd.machine>[0];
  const leafOf = (host: Host) => fromBase64(sharedAmd.collateral(host, now).certs[0] as string, 'leaf');
  const genoa: Host = { name: 'birch', line: 'Genoa' };
  const cloud: Host = { name: 'birch', line: 'Genoa', signer: 'VLEK' };

  /** A router that holds the chains and lists of these lines and nobody's leaves. */
  async function open(...lines: readonly SnpLine[]): Promise<Collateral> {
    const documents = lines.flatMap((line) =>
      (['VCEK', 'VLEK'] as const).flatMap((signer) => {
        const { certs, crls } = sharedAmd.collateral({ name: 'x', line, signer }, now);
        const certificates = certs.map((one) => fromBase64(one, 'certs'));
        const key = signer === 'VCEK' ? 'vcek' : 'vlek';
        return amdDocuments({ line, key }, { certificates, crl: fromBase64(crls[0] as string, 'crl') }, now);
      }),
    );
    const file = join(data, 'chains.json');
    writeFileSync(file, encodeCollateralBundle(documents));
    return openCollateral({ collateral: file, data }, sharedAmd.trustAnchors);
  }

  /** The verdict with what a client is told afterwards: that it holds all that the router had. */
  async function judge(collateral: Collateral, host: Host, version: 2 | 5, certificates: readonly Uint8Array[]) {
    const quote = sharedAmd.machine(host).report({ reportData, version });
    const given = await collateral.endorsementsFor(snpBundle(quote), certificates);
    const told = await loadVendorEndorsements(
      'sev-snp',
      await collateral.textFor(snpBundle(quote)),
      sharedAmd.trustAnchors,
    );
    const verdictOf = async ({ amd }: VendorEndorsements) =>
      (await verifySnpReport(parseSnpReport(quote), amd ?? loadAmdEndorsements({}), sharedAmd.trustAnchors, now))
        .verdict;
    return [await verdictOf(given), await verdictOf(told)];
  }

  test.each<[string, Host, 2 | 5]>([
    ['a VCEK', genoa, 5],
    ['a VLEK', cloud, 5],
    ['a VCEK with a report that does not say its line', { ...genoa, line: 'Milan' }, 2],
    ['a VLEK with a report that does not say its line', { ...cloud, line: 'Milan' }, 2],
    ['of Turin', { ...genoa, line: 'Turin' }, 5],
  ])('%s: verified from it, without asking about the chip', async (_, host, version) => {
    const collateral = await open('Milan', 'Genoa', 'Turin');
    expect(await judge(collateral, host, version, [leafOf(host)])).toEqual(['verified', 'verified']);
    // The next report of the same signer needs none.
    expect(await judge(collateral, host, version, [])).toEqual(['verified', 'verified']);
    await collateral.close();
  });

  test.each<[string, () => readonly Uint8Array[]]>([
    ['of another chip', () => [leafOf({ ...genoa, name: 'alder' })]],
    ['of another TCB', () => [leafOf({ ...genoa, tcb: { microcode: 80 } })]],
    ['of the other kind', () => [leafOf(cloud)]],
    [
      'that another vendor signed',
      () => [fromBase64(sharedAmd.collateral(genoa, now, { wronglySigned: ['leaf'] }).certs[0] as string, 'leaf')],
    ],
    [
      'of CAs',
      () =>
        sharedAmd
          .collateral(genoa, now)
          .certs.slice(1)
          .map((one) => fromBase64(one, 'ca')),
    ],
  ])('one %s is as good as none: nobody else’s report is judged by it', async (_, certificates) => {
    const collateral = await open('Genoa');
    const quote = snpBundle(sharedAmd.machine(genoa).report({ reportData }));
    expect(await codeOf(collateral.endorsementsFor(quote, certificates()))).toBe('ENDORSEMENT_UNREACHABLE');
    expect(await collateral.textFor(quote)).toBe('{}');
    expect(await judge(collateral, genoa, 5, [...certificates(), leafOf(genoa)])).toEqual(['verified', 'verified']);
    await collateral.close();
  });

  test('one that is no certificate is refused as that', async () => {
    const collateral = await open('Genoa');
    const quote = snpBundle(sharedAmd.machine(genoa).report({ reportData }));
    expect(await codeOf(collateral.endorsementsFor(quote, [Uint8Array.of(1, 2)]))).toBe('CERTIFICATE_MALFORMED');
    await collateral.close();
  });
});

test('bytes that are no evidence are refused as such, and clients are given nothing for them', async () => {
  const collateral = await openCollateral({ collateralUrl: server.url, data }, anchors);
  const bytes = new Uint8Array(100);
  expect(await codeOf(collateral.endorsementsFor(bytes))).toBe('OBJECT_MALFORMED');
  expect(await collateral.textFor(bytes)).toBe('{}');
  await collateral.close();
});

test.each([
  [{}, 'USAGE_INVALID'],
  [{ collateral: 'a.json', collateralUrl: 'https://pccs.example' }, 'USAGE_INVALID'],
  [{ collateralUrl: 'http://pccs.example' }, 'CONFIG_INVALID'],
  [{ collateral: '/nowhere/at/all.json' }, 'CONFIG_INVALID'],
])('options %j: %s', async (options, code) => {
  expect(await codeOf(openCollateral({ ...options, data }, anchors))).toBe(code);
});
