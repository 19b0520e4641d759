import { describe, expect, test } from 'vitest';
import {
  type IntelCollateral,
  loadIntelEndorsements,
  parseTdxQuote,
  raiseCrlFloors,
  TDX_CHECKS,
  type TdxCheckName,
  type TdxVerdict,
  type TdxVerifyOptions,
  type TrustAnchor,
  verifyTdxQuote,
  withTcbSet,
} from '../../../src/attestation/index.ts';
import {
  type CollateralDefects,
  type ComponentStatus,
  createSimulatedIntel,
  type MachineOptions,
  openSimulatedIntel,
  type PlatformStatus,
  type QuoteRequest,
} from '../../../src/attestation/simulate/index.ts';
import { concat, utf8 } from '../../../src/core/index.ts';

// What no real quote shows: one line a case, judged by the same verifier as Intel's. `failed` is the whole list.
const NOW = 1_780_000_000;
const DAY = 86_400;
const intel = openSimulatedIntel(createSimulatedIntel((length) => new Uint8Array(length).fill(11)));
const stranger = openSimulatedIntel(createSimulatedIntel((length) => new Uint8Array(length).fill(12)));
const reportData = new Uint8Array(64).fill(5);
const good = intel.collateral(NOW);

type Case = Readonly<{
  machine?: MachineOptions & { platformStatus?: PlatformStatus };
  quote?: Partial<QuoteRequest>;
  rewrite?: (quote: Uint8Array) => Uint8Array;
  defects?: CollateralDefects;
  collateral?: IntelCollateral;
  anchors?: readonly TrustAnchor[];
  now?: number;
  options?: TdxVerifyOptions;
}>;

async function judge(given: Case): Promise<TdxVerdict> {
  const { machine = {}, rewrite = (quote) => quote, anchors = [intel.trustAnchor], now = NOW, options = {} } = given;
  const quote = rewrite(intel.machine({ name: 'alder', ...machine }).quote({ reportData, ...given.quote }));
  const collateral = given.collateral ?? (given.defects === undefined ? good : intel.collateral(NOW, given.defects));
  return verifyTdxQuote(parseTdxQuote(quote), await loadIntelEndorsements(collateral, anchors), anchors, now, options);
}

const failedOf = ({ checks }: TdxVerdict) => TDX_CHECKS.filter((name) => checks[name].outcome === 'failed');

// Statuses that converge. Columns: what the module or the quoting enclave is, the other being UpToDate.
const CONVERGENCE = [
  // platform                           UpToDate                             OutOfDate                       Revoked
  ['UpToDate', 'UpToDate', 'OutOfDate', 'Revoked'],
  ['SWHardeningNeeded', 'SWHardeningNeeded', 'OutOfDate', 'Revoked'],
  ['ConfigurationNeeded', 'ConfigurationNeeded', 'OutOfDateConfigurationNeeded', 'Revoked'],
  ['ConfigurationAndSWHardeningNeeded', 'ConfigurationAndSWHardeningNeeded', 'OutOfDateConfigurationNeeded', 'Revoked'],
  ['OutOfDate', 'OutOfDate', 'OutOfDate', 'Revoked'],
  ['OutOfDateConfigurationNeeded', 'OutOfDateConfigurationNeeded', 'OutOfDateConfigurationNeeded', 'Revoked'],
  ['Revoked', 'Revoked', 'Revoked', 'Revoked'],
  ['unsupported', 'NotSupported', 'NotSupported', 'NotSupported'],
] as const;
const COLUMNS = ['UpToDate', 'OutOfDate', 'Revoked'] as const;

type Convergence = [platform: PlatformStatus, part: 'module' | 'qe', status: ComponentStatus, expected: string];
const cells: Convergence[] = CONVERGENCE.flatMap(([platform, ...expected]) =>
  (['module', 'qe'] as const).flatMap((part) => [
    ...COLUMNS.map((status, index): Convergence => [platform, part, status, expected[index] ?? '']),
    [platform, part, 'unsupported', 'NotSupported'],
  ]),
);

describe('convergence', () => {
  test.each(cells)('platform %s, %s %s: %s', async (platformStatus, part, status, expected) => {
    const verdict = await judge({ machine: { platformStatus, [part]: status } });
    expect(verdict.tcb?.status).toBe(expected);
    const isRefused = expected === 'Revoked' || expected === 'NotSupported';
    expect(verdict.verdict).toBe(isRefused ? 'refused' : 'verified');
    const hasRevoked = [platformStatus, status].includes('Revoked');
    const failed = [
      ...(expected === 'NotSupported' ? ['tcbLevel'] : []),
      ...(hasRevoked && isRefused ? ['tcbNotRevoked'] : []),
    ];
    expect(failedOf(verdict)).toEqual(failed);
    if (isRefused) return;
    // Advisories are united from every part that has some, whatever the status converges to.
    const parts = [platformStatus, status].filter((one) => one !== 'UpToDate').map((one) => `CHRYSALIS-SIM-${one}`);
    expect(verdict.tcb?.advisoryIds).toEqual([...new Set(parts)].sort());
  });
});

// Version 5, the module the TD was started with out of date; what runs now decides whether a relaunch would help.
const RELAUNCH: [PlatformStatus, ComponentStatus, ComponentStatus, string][] = [
  // platform                 running     quoting enclave
  ['UpToDate', 'UpToDate', 'UpToDate', 'TDRelaunchAdvised'],
  ['SWHardeningNeeded', 'UpToDate', 'UpToDate', 'TDRelaunchAdvised'],
  ['ConfigurationNeeded', 'UpToDate', 'UpToDate', 'TDRelaunchAdvisedConfigurationNeeded'],
  ['ConfigurationAndSWHardeningNeeded', 'UpToDate', 'UpToDate', 'TDRelaunchAdvisedConfigurationNeeded'],
  ['OutOfDate', 'UpToDate', 'UpToDate', 'OutOfDate'],
  ['OutOfDateConfigurationNeeded', 'UpToDate', 'UpToDate', 'OutOfDateConfigurationNeeded'],
  ['UpToDate', 'OutOfDate', 'UpToDate', 'OutOfDate'],
  ['UpToDate', 'Revoked', 'UpToDate', 'OutOfDate'],
  ['UpToDate', 'UpToDate', 'OutOfDate', 'OutOfDate'],
  ['ConfigurationNeeded', 'UpToDate', 'OutOfDate', 'OutOfDateConfigurationNeeded'],
  ['UpToDate', 'UpToDate', 'Revoked', 'Revoked'],
  ['UpToDate', 'UpToDate', 'unsupported', 'NotSupported'],
  ['Revoked', 'UpToDate', 'UpToDate', 'Revoked'],
  ['unsupported', 'UpToDate', 'UpToDate', 'NotSupported'],
];

const fill = (length: number, byte: number) => new Uint8Array(length).fill(byte);
/** TEE_TCB_SVN: module ISVSVN, module version, SEAM loader. */
const svn = (module: number, version: number, loader = 6) => {
  const bytes = new Uint8Array(16);
  bytes.set([module, version, loader]);
  return bytes;
};

describe('relaunch', () => {
  test.each(RELAUNCH)('platform %s, running module %s, enclave %s: %s', async (platformStatus, running, qe, status) => {
    const machine = { platformStatus, module: 'OutOfDate', qe } as const;
    for (const bodyType of [3, 4] as const) {
      const verdict = await judge({ machine, quote: { version: 5, bodyType, runningModule: running } });
      expect(verdict.tcb?.status).toBe(status);
      expect(verdict.verdict).toBe(status === 'Revoked' || status === 'NotSupported' ? 'refused' : 'verified');
    }
  });

  const RUNNING: [title: string, running: Uint8Array, status: string][] = [
    ['the newest of its version', svn(6, 1), 'TDRelaunchAdvised'],
    ['one below it', svn(5, 1), 'OutOfDate'],
    ['the newest, on an old loader', svn(6, 1, 5), 'OutOfDate'],
    ['a version that TCB info does not know', svn(6, 9), 'OutOfDate'],
    ['no version, component 0 at the newest level', svn(6, 0), 'TDRelaunchAdvised'],
    ['no version, component 0 below it', svn(5, 0), 'OutOfDate'],
    ['no version, on an old loader', svn(6, 0, 5), 'OutOfDate'],
  ];
  test.each(RUNNING)('what runs now is %s', async (_, teeTcbSvn2, status) => {
    const machine = { module: 'OutOfDate', report: { teeTcbSvn2 } } as const;
    expect((await judge({ machine, quote: { version: 5 } })).tcb?.status).toBe(status);
  });

  test('a version 4 quote does not say what runs now, and an up-to-date module needs no relaunch', async () => {
    expect((await judge({ machine: { module: 'OutOfDate' } })).tcb?.status).toBe('OutOfDate');
    expect((await judge({ quote: { version: 5 } })).tcb?.status).toBe('UpToDate');
  });
});

/** The quote with another PCK chain, which nothing in it signs. */
function withChain(quote: Uint8Array, pem: string): Uint8Array {
  const chain = utf8(pem);
  const out = concat(quote.subarray(0, 1258), chain);
  const view = new DataView(out.buffer);
  view.setUint32(632, out.length - 636, true);
  view.setUint32(766, out.length - 770, true);
  view.setUint32(1254, chain.length, true);
  return out;
}

const EVERYTHING = ['tcbInfo', 'qeIdentity', 'rootCrl', 'pckCrl'] as const;
const DATED: TdxCheckName[] = ['rootCaCrl', 'pckCrl', 'tcbInfoCurrent', 'qeIdentityCurrent'];
const foreign = stranger.collateral(NOW);
const foreignChain = new TextDecoder().decode(
  parseTdxQuote(stranger.machine({ name: 'alder' }).quote({ reportData })).certificationData,
);
const otherChain = new TextDecoder().decode(
  parseTdxQuote(intel.machine({ name: 'birch' }).quote({ reportData })).certificationData,
);
const seen = await judge({});
const floorsOf = (crlNumber: number, now: number) =>
  judge({ collateral: intel.collateral(now, { crlNumber }), now }).then(({ crls }) => crls);

const CASES: [title: string, given: Case, failed: TdxCheckName[]][] = [
  ['nothing wrong, version 4', {}, []],
  ['nothing wrong, version 5', { quote: { version: 5 } }, []],
  ['nothing wrong, TDX 1.5ex', { quote: { version: 5, bodyType: 4 } }, []],
  ['a debug TD is genuine', { machine: { debug: true } }, []],
  // revocation
  ['PCK leaf revoked', { defects: { revokedMachines: ['alder'] } }, ['pckChainNotRevoked']],
  ["another machine's leaf revoked", { defects: { revokedMachines: ['birch'] } }, []],
  ['intermediate CA revoked', { defects: { revokedAuthorities: ['platformCa'] } }, ['pckChainNotRevoked']],
  ['TCB signer revoked', { defects: { revokedAuthorities: ['tcbSigning'] } }, ['collateralSignersNotRevoked']],
  [
    'all of them revoked',
    { defects: { revokedMachines: ['alder'], revokedAuthorities: ['platformCa', 'tcbSigning'] } },
    ['pckChainNotRevoked', 'collateralSignersNotRevoked'],
  ],
  // the quoting enclave
  ["somebody else's enclave", { machine: { qeMrSigner: fill(32, 7) } }, ['qeIdentity']],
  ['a debug enclave', { machine: { qeDebug: true } }, ['qeIdentity']],
  ['an identity that names another signer', { defects: { qeMrSigner: '07'.repeat(32) } }, ['qeIdentity']],
  ["the SGX enclave's identity, validly signed", { defects: { qeIdentityId: 'QE' } }, ['qeIdentitySigned']],
  ['a key that the enclave did not certify', { machine: { strangeAttestationKey: true } }, ['attestationKeyBound']],
  // TCB info
  ['the SGX TCB info, validly signed', { defects: { tcbInfoId: 'SGX' } }, ['tcbInfoSigned']],
  ['the TCB info of another platform', { defects: { fmspc: '00806f050000' } }, ['tcbInfoMatchesFmspc']],
  // the TDX module
  ['a module of another signer', { machine: { report: { mrSignerSeam: fill(48, 1) } } }, ['tdxModuleIdentity']],
  ['a module with attributes', { machine: { report: { seamAttributes: fill(8, 1) } } }, ['tdxModuleIdentity']],
  [
    'a module version that TCB info does not know',
    { machine: { report: { teeTcbSvn: svn(6, 9) } } },
    ['tdxModuleIdentity', 'tcbLevel'],
  ],
  ['a module newer than any that is listed', { machine: { report: { teeTcbSvn: svn(200, 1) } } }, []],
  ['no module version: components 0 and 1 are compared', { machine: { report: { teeTcbSvn: svn(6, 0) } } }, []],
  ['no module version, component 0 too low', { machine: { report: { teeTcbSvn: svn(5, 0) } } }, ['tcbLevel']],
  ['a module version: component 0 is not compared', { machine: { report: { teeTcbSvn: svn(5, 1) } } }, []],
  ['a loader that is too old', { machine: { report: { teeTcbSvn: svn(6, 1, 5) } } }, ['tcbLevel']],
  // chain confusion
  ["another vendor's chain", { rewrite: (quote) => withChain(quote, foreignChain) }, ['pckChainToPinnedRoot']],
  ["another machine's chain", { rewrite: (quote) => withChain(quote, otherChain) }, ['qeReportSignature']],
  [
    'a TCB signer as PCK leaf',
    { rewrite: (quote) => withChain(quote, good.tcb_info_issuer_chain) },
    ['pckChainToPinnedRoot'],
  ],
  ['a CA as PCK leaf', { rewrite: (quote) => withChain(quote, good.pck_crl_issuer_chain) }, ['pckChainToPinnedRoot']],
  ['a PCK leaf as TCB signer', { collateral: { ...good, tcb_info_issuer_chain: otherChain } }, ['tcbInfoSigned']],
  [
    'a CA as signer of the QE identity',
    { collateral: { ...good, qe_identity_issuer_chain: good.pck_crl_issuer_chain } },
    ['qeIdentitySigned'],
  ],
  [
    'the lists exchanged',
    { collateral: { ...good, pck_crl: good.root_ca_crl, root_ca_crl: good.pck_crl } },
    ['rootCaCrl', 'pckCrl'],
  ],
  [
    'collateral of another root that the caller trusts too',
    { collateral: foreign, anchors: [intel.trustAnchor, stranger.trustAnchor] },
    ['rootCaCrl', 'pckCrl', 'tcbInfoSigned', 'qeIdentitySigned'],
  ],
  // time
  ['TCB info expired', { defects: { expired: ['tcbInfo'] } }, ['tcbInfoCurrent']],
  ['QE identity expired', { defects: { expired: ['qeIdentity'] } }, ['qeIdentityCurrent']],
  ["root's list expired", { defects: { expired: ['rootCrl'] } }, ['rootCaCrl']],
  ['PCK list expired', { defects: { expired: ['pckCrl'] } }, ['pckCrl']],
  ['all documents expired', { defects: { expired: EVERYTHING } }, DATED],
  ['all documents of tomorrow', { defects: { notYetValid: EVERYTHING } }, DATED],
  ['everything expired, certificates too', { now: Date.UTC(2051, 0, 1) / 1000 }, ['pckChainCurrent', ...DATED]],
  ['before everything', { now: Date.UTC(2019, 0, 1) / 1000 }, ['pckChainCurrent', ...DATED]],
  // signatures
  ['TCB info by a stranger', { defects: { wronglySigned: ['tcbInfo'] } }, ['tcbInfoSigned']],
  ['QE identity by a stranger', { defects: { wronglySigned: ['qeIdentity'] } }, ['qeIdentitySigned']],
  ["root's list by a stranger", { defects: { wronglySigned: ['rootCrl'] } }, ['rootCaCrl']],
  ['PCK list by a stranger', { defects: { wronglySigned: ['pckCrl'] } }, ['pckCrl']],
  // floors of the caller
  ['lists as new as the ones seen', { options: { crlFloors: seen.crls } }, []],
  ['lists older than the ones seen', { options: { crlFloors: await floorsOf(1, NOW + DAY) } }, ['rootCaCrl', 'pckCrl']],
  ['lists with a lower number', { options: { crlFloors: await floorsOf(2, NOW) } }, ['rootCaCrl', 'pckCrl']],
  ['lists with a higher number', { defects: { crlNumber: 300 }, options: { crlFloors: await floorsOf(299, NOW) } }, []],
  [
    'a list with a lower number of more digits less',
    { defects: { crlNumber: 255 }, options: { crlFloors: await floorsOf(256, NOW) } },
    ['rootCaCrl', 'pckCrl'],
  ],
  ['floors of other CAs', { options: { crlFloors: floorsElsewhere() } }, []],
  ['collateral as old as allowed', { now: NOW + DAY, options: { collateralAgeSecondsMax: 2 * DAY } }, []],
  [
    'collateral older than allowed',
    { now: NOW + 2 * DAY, options: { collateralAgeSecondsMax: 2 * DAY } },
    ['tcbInfoCurrent', 'qeIdentityCurrent'],
  ],
  ['the evaluation number asked for', { options: { evaluationNumberMin: 20 } }, []],
  ['too low an evaluation number', { options: { evaluationNumberMin: 21 } }, ['tcbInfoCurrent', 'qeIdentityCurrent']],
];

function floorsElsewhere() {
  return [{ issuerSpkiSha256: new Uint8Array(32), thisUpdate: NOW + 10 * DAY, crlNumber: 'ffff' }];
}

describe('one case a line', () => {
  test.each(CASES)('%s', async (_, given, failed) => {
    const verdict = await judge(given);
    expect(failedOf(verdict)).toEqual(failed);
    expect(verdict.verdict).toBe(failed.length === 0 ? 'verified' : 'refused');
  });
});

test('the floors that a caller keeps never go down, whatever it sees later', async () => {
  const [early, late] = [await floorsOf(7, NOW), await floorsOf(3, NOW + DAY)];
  expect(early.length).toBe(2);
  for (const raised of [raiseCrlFloors(early, late), raiseCrlFloors(late, early)]) {
    expect(raised.length).toBe(2);
    for (const floor of raised) {
      expect(floor.crlNumber).toBe('07');
      expect(floor.thisUpdate).toBe(late[0]?.thisUpdate);
    }
  }
  expect(raiseCrlFloors([], early)).toEqual(early);
});

test('what a stranger signed is no floor', async () => {
  const { crls } = await judge({ defects: { wronglySigned: ['rootCrl', 'pckCrl'] } });
  expect(crls).toEqual([]);
});

describe('how far behind, and what the next set will do', () => {
  const ahead = intel.collateral(NOW, { tcbRecovery: true });
  const bare = { status: 'UpToDate', behind: [] };

  test('a platform at the newest level is behind in nothing', async () => {
    const { tcb } = await judge({});
    expect([tcb?.platform, tcb?.module, tcb?.qe]).toMatchObject([bare, bare, bare]);
  });

  test('each part says which SVN is behind, by how much, and what it is', async () => {
    const { tcb } = await judge({ machine: { platformStatus: 'OutOfDate', module: 'OutOfDate', qe: 'OutOfDate' } });
    expect(tcb?.platform.behind).toEqual([
      { component: 'sgxtcbcomponents[0]', about: 'BIOS, Early Microcode Update', measured: 6, newest: 10 },
    ]);
    for (const part of [tcb?.module, tcb?.qe]) {
      expect(part?.behind).toEqual([{ component: 'isvsvn', about: null, measured: 5, newest: 6 }]);
    }
    expect(tcb?.platform.newestTcbDate).toBeGreaterThan(tcb?.platform.tcbDate ?? Number.POSITIVE_INFINITY);
    const { tcb: unsupported } = await judge({ machine: { platformStatus: 'unsupported' } });
    expect(unsupported?.platform).toMatchObject({ status: 'NotSupported', tcbDate: null, behind: [{ measured: 1 }] });
  });

  test('the next set is judged beside today’s, whole: its signatures, dates and signers too', async () => {
    const anchors = [intel.trustAnchor];
    const quote = parseTdxQuote(intel.machine({ name: 'alder' }).quote({ reportData }));
    const today = await loadIntelEndorsements(good, anchors);
    const under = async (collateral: IntelCollateral) =>
      verifyTdxQuote(quote, withTcbSet(today, await loadIntelEndorsements(collateral, anchors)), anchors, NOW);
    const next = await under({ ...ahead, root_ca_crl: undefined, pck_crl: undefined });
    expect(next).toMatchObject({ verdict: 'verified', tcb: { status: 'OutOfDate', tcbInfoEvaluationNumber: 21 } });
    expect(next.tcb?.platform.behind).toMatchObject([{ measured: 10, newest: 11 }]);
    const edited = await under({ ...ahead, tcb_info: ahead.tcb_info.replace('OutOfDate', 'UpToDate') });
    expect(failedOf(edited)).toEqual(['tcbInfoSigned']);
    expect(failedOf(await under(foreign))).toEqual(['tcbInfoSigned', 'qeIdentitySigned']);
    expect((await under({})).tcb?.status).toBe('UpToDate');
  });
});
