import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { intelSourceAt, type TcbChannel } from '../../../src/attestation/collateral/index.ts';
import { loadIntelEndorsements, parseTdxQuote, verifyTdxQuote } from '../../../src/attestation/index.ts';
import type { SimulatedCollateral } from '../../../src/attestation/simulate/index.ts';
import { CodedError, KIND_OF_CODE } from '../../../src/core/index.ts';
import {
  type CrlForm,
  codeOf,
  crlIn,
  DAY,
  FMSPC,
  NOW,
  openAt,
  PATH,
  serve,
  serveSet,
  stranger,
  vendor,
} from './intel-vendor.ts';
import { answerWith, startVendorServer, type VendorServer } from './vendor-server.ts';

let server: VendorServer;
beforeAll(async () => {
  server = await startVendorServer();
});
afterAll(() => server.close());
beforeEach(() => server.clear());

describe('a good service', () => {
  test.each<CrlForm>(['der', 'hex', 'pem', 'base64'])('with CRLs in %s: the vendor’s own set', async (form) => {
    const set = vendor.collateral(NOW);
    serveSet(server, set, form);
    const { get } = await openAt(server);
    expect(await get()).toEqual(set);
    expect(server.counts()).toEqual({ [PATH.tcb]: 1, [PATH.qe]: 1, [PATH.pckCrl]: 1, [PATH.rootCrl]: 1 });
  });

  test('what it gives verifies a quote', async () => {
    serve(server);
    const { get } = await openAt(server);
    const endorsements = await loadIntelEndorsements(await get(), [vendor.trustAnchor]);
    const machine = vendor.machine({ name: 'a' });
    const quote = parseTdxQuote(machine.quote({ reportData: new Uint8Array(64) }));
    const verdict = await verifyTdxQuote(quote, endorsements, [vendor.trustAnchor], NOW);
    expect(verdict.verdict).toBe('verified');
  });

  test('fifty callers at a time: each document is fetched once, and then not again', async () => {
    serve(server);
    const { get } = await openAt(server);
    const sets = await Promise.all(Array.from({ length: 50 }, get));
    expect(new Set(sets.map((set) => JSON.stringify(set))).size).toBe(1);
    await get();
    expect(server.requests()).toBe(4);
  });

  test('its end is the first end of all windows, its digest that of its content', async () => {
    serve(server);
    const { service } = await openAt(server);
    const one = await service.getIntelCollateralSet({ fmspc: FMSPC.toUpperCase(), ca: 'platform' });
    const midnight = Math.floor(NOW / DAY) * DAY;
    expect(one.until).toBe(midnight + 30 * DAY);
    expect(one.fetchedAt).toBe(NOW);
    expect(one.digest).toHaveLength(32);
  });

  test('sets of TCB levels are asked for by name, and kept apart', async () => {
    const set = serve(server);
    const { service } = await openAt(server);
    const ask = (channel: TcbChannel) => service.getIntelCollateral({ fmspc: FMSPC, ca: 'platform', channel });
    const asked: string[] = [];
    for (const path of [PATH.tcb, PATH.qe]) {
      const isTcb = path === PATH.tcb;
      const body = isTcb
        ? `{"tcbInfo":${set.tcb_info},"signature":"${set.tcb_info_signature}"}`
        : `{"signature":"${set.qe_identity_signature}","enclaveIdentity":${set.qe_identity}}`;
      const header = isTcb ? 'TCB-Info-Issuer-Chain' : 'SGX-Enclave-Identity-Issuer-Chain';
      server.route(path, (response, request, count) => {
        asked.push(request.url ?? '');
        answerWith(body, { [header]: encodeURIComponent(set.tcb_info_issuer_chain) })(response, request, count);
      });
    }
    expect(await ask('early')).toEqual(set);
    expect(await ask('20')).toEqual(set);
    expect(await codeOf(ask('19'))).toBe('ENDORSEMENT_UNREACHABLE'); // answered with number 20
    expect(await codeOf(ask('x' as TcbChannel))).toBe('USAGE_INVALID');
    expect(asked.sort().slice(0, 6)).toEqual([
      `${PATH.qe}?tcbEvaluationDataNumber=19`,
      `${PATH.qe}?tcbEvaluationDataNumber=20`,
      `${PATH.qe}?update=early`,
      `${PATH.tcb}?fmspc=C44A15000000&tcbEvaluationDataNumber=19`,
      `${PATH.tcb}?fmspc=C44A15000000&tcbEvaluationDataNumber=20`,
      `${PATH.tcb}?fmspc=C44A15000000&update=early`,
    ]);
  });
});

/** Each: a service that answers one thing wrongly. None of it may be given to anybody, and none of it refuses anybody. */
const MISBEHAVIOURS: [string, (set: SimulatedCollateral) => void][] = [
  ['the TCB info of another vendor', () => serveSet(server, stranger.collateral(NOW))],
  [
    'an issuer chain of another vendor',
    (set) => serveWith(set, { tcb_info_issuer_chain: other().tcb_info_issuer_chain }),
  ],
  ['a CRL chain of another vendor', (set) => serveWith(set, { pck_crl_issuer_chain: other().pck_crl_issuer_chain })],
  ['the CRL chain for the TCB info', (set) => serveWith(set, { tcb_info_issuer_chain: set.pck_crl_issuer_chain })],
  ['the TCB signer’s chain for the CRL', (set) => serveWith(set, { pck_crl_issuer_chain: set.tcb_info_issuer_chain })],
  ['the signature of another document', (set) => serveWith(set, { tcb_info_signature: set.qe_identity_signature })],
  ['a signature too short', (set) => serveWith(set, { qe_identity_signature: set.qe_identity_signature.slice(2) })],
  ['the root CRL for the PCK CRL', (set) => serveWith(set, { pck_crl: set.root_ca_crl })],
  ['the PCK CRL for the root CRL', (set) => serveWith(set, { root_ca_crl: set.pck_crl })],
  ['the root CRL of another vendor', (set) => serveWith(set, { root_ca_crl: other().root_ca_crl })],
  ['the QE identity for the TCB info', (set) => serveWith(set, { tcb_info: set.qe_identity })],
  ['files swapped whole', () => swapRoutes()],
  [
    'one character of the TCB info',
    (set) => serveWith(set, { tcb_info: set.tcb_info.replace('"pcesvn":13', '"pcesvn":12') }),
  ],
  [
    'the TCB info written anew',
    (set) => serveWith(set, { tcb_info: JSON.stringify(JSON.parse(set.tcb_info), null, 1) }),
  ],
  ['a CRL cut short', (set) => serveWith(set, { pck_crl: set.pck_crl.slice(0, -2) })],
  ['a byte after a CRL', (set) => serveWith(set, { root_ca_crl: `${set.root_ca_crl}00` })],
  ['the TCB info of another platform', () => void serve(server, { fmspc: '00906ED50000' })],
  ['the SGX TCB info', () => void serve(server, { tcbInfoId: 'SGX' })],
  ['the SGX QE identity', () => void serve(server, { qeIdentityId: 'QE' })],
  ['a TCB info signed by a stranger', () => void serve(server, { wronglySigned: ['tcbInfo'] })],
  ['a QE identity signed by a stranger', () => void serve(server, { wronglySigned: ['qeIdentity'] })],
  ['a PCK CRL signed by a stranger', () => void serve(server, { wronglySigned: ['pckCrl'] })],
  ['a root CRL signed by a stranger', () => void serve(server, { wronglySigned: ['rootCrl'] })],
  ['a TCB info past its end', () => void serve(server, { expired: ['tcbInfo'] })],
  ['a QE identity past its end', () => void serve(server, { expired: ['qeIdentity'] })],
  ['a PCK CRL past its end', () => void serve(server, { expired: ['pckCrl'] })],
  ['a root CRL past its end', () => void serve(server, { expired: ['rootCrl'] })],
  ['a TCB info of tomorrow', () => void serve(server, { notYetValid: ['tcbInfo'] })],
  ['a PCK CRL of tomorrow', () => void serve(server, { notYetValid: ['pckCrl'] })],
  ['everything a month old', () => void serve(server, {}, NOW - 31 * DAY)],
  ['a page of HTML', () => server.route(PATH.tcb, answerWith('<!doctype html><title>Sign in</title>'))],
  ['nothing', () => server.route(PATH.qe, answerWith(''))],
  ['no issuer chain', (set) => server.route(PATH.pckCrl, answerWith(crlIn('der', set.pck_crl)))],
  [
    'two signatures',
    (set) =>
      server.route(
        PATH.tcb,
        answerWith(
          `{"tcbInfo":${set.tcb_info},"signature":"","signature":"${set.tcb_info_signature}"}`,
          tcbHeader(set),
        ),
      ),
  ],
  [
    'a member beside the signature',
    (set) =>
      server.route(
        PATH.tcb,
        answerWith(`{"tcbInfo":${set.tcb_info},"signature":"${set.tcb_info_signature}","x":1}`, tcbHeader(set)),
      ),
  ],
  ['a mebibyte and more', () => server.route(PATH.tcb, answerWith(' '.repeat(1024 * 1024 + 1)))],
  ['a CRL of three mebibytes', () => server.route(PATH.rootCrl, answerWith('30'.repeat(1.5e6)))],
  [
    'a redirect to a good one',
    () =>
      server.route(PATH.tcb, (response) => void response.writeHead(302, { location: `${server.url}/elsewhere` }).end()),
  ],
  ['status 500', () => server.route(PATH.tcb, (response) => void response.writeHead(500).end())],
];

const other = () => stranger.collateral(NOW);
const tcbHeader = (set: SimulatedCollateral) => ({
  'TCB-Info-Issuer-Chain': encodeURIComponent(set.tcb_info_issuer_chain),
});
const serveWith = (set: SimulatedCollateral, part: Partial<SimulatedCollateral>) =>
  serveSet(server, { ...set, ...part });

function swapRoutes(): void {
  const set = vendor.collateral(NOW);
  const chain = encodeURIComponent(set.tcb_info_issuer_chain);
  server.route(
    PATH.tcb,
    answerWith(`{"enclaveIdentity":${set.qe_identity},"signature":"${set.qe_identity_signature}"}`, {
      'TCB-Info-Issuer-Chain': chain,
    }),
  );
  server.route(
    PATH.qe,
    answerWith(`{"tcbInfo":${set.tcb_info},"signature":"${set.tcb_info_signature}"}`, {
      'SGX-Enclave-Identity-Issuer-Chain': chain,
    }),
  );
}

describe('a service that answers wrongly has nothing', () => {
  test.each(MISBEHAVIOURS)('%s', async (_, misbehave) => {
    const set = serve(server);
    misbehave(set);
    const { get } = await openAt(server);
    expect(await codeOf(get())).toBe('ENDORSEMENT_UNREACHABLE');
  });

  test.each(MISBEHAVIOURS)('%s: what was there before stays', async (_, misbehave) => {
    const set = serve(server);
    const { get, clock, events } = await openAt(server);
    await get();
    misbehave(set);
    clock.seconds += DAY; // older than is given without asking again
    const { tcbInfo, qeIdentity, rootCrl, pckCrl, pckCrlIssuer } = await loadIntelEndorsements(await get(), [
      vendor.trustAnchor,
    ]);
    for (const { state } of [tcbInfo, qeIdentity, rootCrl, pckCrl, pckCrlIssuer]) expect(state).toBe('ok');
    expect(events.some(({ event }) => event === 'keptOnOutage')).toBe(true);
  });

  test('whatever bytes it answers: unavailable, at once, without a crash', async () => {
    const { get } = await openAt(server, { limits: { attemptsMax: 1 } });
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.string({ maxLength: 200 }).map(encodeURIComponent),
        fc.constantFrom(...Object.values(PATH)),
        async (body, chain, path) => {
          serve(server);
          server.route(
            path,
            answerWith(body, {
              'TCB-Info-Issuer-Chain': chain,
              'SGX-Enclave-Identity-Issuer-Chain': chain,
              'SGX-PCK-CRL-Issuer-Chain': chain,
            }),
          );
          const fresh = await openAt(server, { limits: { attemptsMax: 1 } });
          const code = await codeOf(fresh.get());
          expect(KIND_OF_CODE[code as keyof typeof KIND_OF_CODE]).toBe('unavailable');
        },
      ),
      { numRuns: 40 },
    );
    expect(await codeOf(get())).not.toBe('none');
  });
});

test('a platform that the service does not know is missing, not refused', async () => {
  serve(server);
  const { service } = await openAt(server);
  server.route(PATH.tcb, (response) => void response.writeHead(404).end());
  const ask = service.getIntelCollateral({ fmspc: '000000000000', ca: 'platform' });
  expect(await codeOf(ask)).toBe('ENDORSEMENT_MISSING');
});

test('the processor CA’s list is another than the platform CA’s', async () => {
  serve(server);
  const { service } = await openAt(server);
  const ask = service.getIntelCollateral({ fmspc: FMSPC, ca: 'processor' });
  expect(await codeOf(ask)).toBe('ENDORSEMENT_UNREACHABLE');
});

test.each(['', '00', 'c44a1500000', 'c44a15000000/../x', 'c44a1500000g'])('FMSPC %j is no FMSPC', async (fmspc) => {
  const { service } = await openAt(server);
  expect(await codeOf(service.getIntelCollateral({ fmspc, ca: 'platform' }))).toBe('USAGE_INVALID');
  expect(server.requests()).toBe(0);
});

test('errors say what and where, and nothing of what was answered', async () => {
  serve(server);
  server.route(PATH.tcb, answerWith('secret-looking answer', { 'TCB-Info-Issuer-Chain': 'secret-looking' }));
  const { get } = await openAt(server);
  const error = await get().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CodedError);
  const { message, facts } = error as CodedError;
  expect(message).toContain(`tdx-tcb-info/${FMSPC}/standard`);
  expect(JSON.stringify([message, facts])).not.toContain('secret');
});

test('where a service is, by its URL', () => {
  expect(intelSourceAt('https://api.trustedservices.intel.com/')).toEqual({
    kind: 'pcs',
    url: 'https://api.trustedservices.intel.com',
    rootCrlUrl: 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der',
  });
  const pccs = {
    kind: 'pccs',
    url: 'https://pccs.example:8081',
    rootCrlUrl: 'https://pccs.example:8081/sgx/certification/v4/rootcacrl',
  };
  expect(intelSourceAt('https://pccs.example:8081')).toEqual(pccs);
  expect(intelSourceAt('https://pccs.example:8081/sgx/certification/v4/')).toEqual(pccs);
  for (const bad of [
    '',
    'pccs.example',
    'http://pccs.example',
    'ftp://127.0.0.1',
    'https://a:b@pccs.example',
    'https://pccs.example/?x=1',
    'https://pccs.example/#x',
  ]) {
    expect(() => intelSourceAt(bad)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  }
});
