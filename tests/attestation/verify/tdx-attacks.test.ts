import { describe, expect, test } from 'vitest';
import {
  INTEL_SGX_ROOT,
  type IntelCollateral,
  loadIntelEndorsements,
  parseTdQeIdentity,
  parseTdxQuote,
  parseTdxTcbInfo,
  type TdxCheckName,
  type TdxVerdict,
  type TdxVerifyOptions,
  type TrustAnchor,
  VerificationCache,
  verifyIntelChain,
  verifyTdxQuote,
} from '../../../src/attestation/index.ts';
import {
  createSimulatedIntel,
  type MachineOptions,
  openSimulatedIntel,
} from '../../../src/attestation/simulate/index.ts';
import { concat, toHex } from '../../../src/core/index.ts';

// The attack list of TDX verifiers: each was accepted by some published verifier.
const NOW = 1_780_000_000;
const seeded = (seed: number) => (length: number) =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 0xff);
const intel = openSimulatedIntel(createSimulatedIntel(seeded(1)));
const stranger = openSimulatedIntel(createSimulatedIntel(seeded(2)));
const reportData = new Uint8Array(64).fill(5);
const quoteOf = (options: MachineOptions = {}) => intel.machine({ name: 'alder', ...options }).quote({ reportData });
const good = intel.collateral(NOW);

type Case = {
  quote?: Uint8Array;
  collateral?: IntelCollateral;
  anchors?: readonly TrustAnchor[];
  now?: number;
  options?: TdxVerifyOptions;
};

async function verify({
  quote = quoteOf(),
  collateral = good,
  anchors = [intel.trustAnchor],
  now = NOW,
  options = {},
}: Case): Promise<TdxVerdict> {
  return verifyTdxQuote(parseTdxQuote(quote), await loadIntelEndorsements(collateral, anchors), anchors, now, options);
}

async function expectRefused(name: TdxCheckName, given: Case): Promise<TdxVerdict> {
  const verdict = await verify(given);
  expect(verdict.verdict).toBe('refused');
  expect(verdict.checks[name]).toMatchObject({ outcome: 'failed' });
  return verdict;
}

test('the good case is verified, and says who vouches for it', async () => {
  const verdict = await verify({});
  expect(Object.values(verdict.checks).filter(({ outcome }) => outcome === 'failed')).toEqual([]);
  if (verdict.verdict !== 'verified') throw new Error(verdict.verdict);
  expect(verdict.quote.anchor).toBe(intel.trustAnchor);
  expect(verdict.quote.revocation).toBe('checked');
  expect(verdict.tcb?.status).toBe('UpToDate');
});

describe('roots and chains', () => {
  test('a root with the same subject and another key vouches for nothing', async () => {
    await expectRefused('pckChainToPinnedRoot', { anchors: [INTEL_SGX_ROOT] });
    await expectRefused('pckChainToPinnedRoot', { anchors: [stranger.trustAnchor] });
  });

  test('an empty list of anchors trusts nothing', async () => {
    await expectRefused('pckChainToPinnedRoot', { anchors: [] });
  });

  test('collateral under another trusted root than the quote is refused', async () => {
    const anchors = [intel.trustAnchor, stranger.trustAnchor];
    const verdict = await expectRefused('tcbInfoSigned', { anchors, collateral: stranger.collateral(NOW) });
    expect(verdict.checks.qeIdentitySigned).toMatchObject({ outcome: 'failed' });
    expect(verdict.checks.rootCaCrl).toMatchObject({ outcome: 'failed' });
  });

  test('a TCB signer is no PCK leaf, a PCK leaf no TCB signer (chain confusion)', async () => {
    const cache = new VerificationCache();
    const anchors = [intel.trustAnchor];
    const pck = new TextDecoder().decode(parseTdxQuote(quoteOf()).certificationData);
    expect((await verifyIntelChain(good.tcb_info_issuer_chain, 'tcbSigner', anchors, cache)).state).toBe('ok');
    expect((await verifyIntelChain(pck, 'pckLeaf', anchors, cache)).state).toBe('ok');
    expect((await verifyIntelChain(good.tcb_info_issuer_chain, 'pckCa', anchors, cache)).state).toBe('failed');
    expect((await verifyIntelChain(good.pck_crl_issuer_chain, 'tcbSigner', anchors, cache)).state).toBe('failed');
    expect((await verifyIntelChain(pck, 'tcbSigner', anchors, cache)).state).toBe('failed');
    await expectRefused('tcbInfoSigned', { collateral: { ...good, tcb_info_issuer_chain: pck } });
    const doubled = pck.slice(0, pck.indexOf('-----BEGIN', 1)) + pck;
    expect((await verifyIntelChain(doubled, 'pckLeaf', anchors, cache)).state).toBe('failed');
  });

  test('out of its validity a chain is refused', async () => {
    await expectRefused('pckChainCurrent', { now: 0 });
    await expectRefused('pckChainCurrent', { now: 9_999_999_999 });
  });
});

describe('quotes that carry less than their whole chain', () => {
  const version4 = quoteOf();
  const { certificationData, platform } = (() => {
    const parsed = parseTdxQuote(version4);
    const text = new TextDecoder().decode(parsed.certificationData);
    return { certificationData: text, platform: text.slice(0, text.indexOf('-----BEGIN', 1)) };
  })();

  /** The same quote with other certification data, which nothing in it signs. */
  function withCertification(type: number, data: Uint8Array): Uint8Array {
    const quote = concat(version4.subarray(0, 1258), data);
    const view = new DataView(quote.buffer);
    view.setUint32(632, quote.length - 636, true);
    view.setUint32(766, quote.length - 770, true);
    view.setUint16(1252, type, true);
    view.setUint32(1254, data.length, true);
    return quote;
  }
  const bytesOf = (text: string) => new TextEncoder().encode(text);

  test('a chain without its root is completed from the collateral, or refused', async () => {
    const short = withCertification(
      5,
      bytesOf(certificationData.slice(0, certificationData.lastIndexOf('-----BEGIN'))),
    );
    expect((await verify({ quote: short })).verdict).toBe('verified');
    const { pck_crl_issuer_chain: _, ...collateral } = good;
    await expectRefused('pckChainToPinnedRoot', { quote: short, collateral });
  });

  test('the leaf alone needs a chain that begins with it', async () => {
    const quote = withCertification(4, bytesOf(platform));
    expect((await verify({ quote })).verdict).toBe('unavailable');
    expect((await verify({ quote, collateral: { ...good, pck_certificate_chain: certificationData } })).verdict).toBe(
      'verified',
    );
    const other = parseTdxQuote(intel.machine({ name: 'birch' }).quote({ reportData })).certificationData;
    const foreign = { ...good, pck_certificate_chain: new TextDecoder().decode(other) };
    await expectRefused('pckChainToPinnedRoot', { quote, collateral: foreign });
    const windows = certificationData.replaceAll('\n', '\r\n');
    expect((await verify({ quote, collateral: { ...good, pck_certificate_chain: windows } })).verdict).toBe('verified');
    // More than the leaf, or none, is refused whether there is a chain or not.
    for (const text of [certificationData, '']) {
      await expectRefused('pckChainToPinnedRoot', { quote: withCertification(4, bytesOf(text)) });
    }
  });

  test('a platform that is only named must be the one that the chain certifies', async () => {
    const collateral = { ...good, pck_certificate_chain: certificationData };
    const full = await verify({});
    if (full.verdict !== 'verified') throw new Error(full.verdict);
    const { ppid, cpuSvn, pceSvn, pceId } = full.quote.platform;
    const named = concat(ppid, cpuSvn, Uint8Array.of(pceSvn & 0xff, pceSvn >> 8), pceId);
    expect((await verify({ quote: withCertification(1, named), collateral })).verdict).toBe('verified');
    expect((await verify({ quote: withCertification(1, named) })).verdict).toBe('unavailable');
    for (const at of [0, 16, 32, 34]) {
      const changed = named.map((byte, index) => (index === at ? byte ^ 1 : byte));
      await expectRefused('pckChainToPinnedRoot', { quote: withCertification(1, changed), collateral });
    }
    const encrypted = concat(new Uint8Array(384), named.subarray(16));
    expect((await verify({ quote: withCertification(3, encrypted), collateral })).verdict).toBe('verified');
    for (const [type, data] of [
      [1, named.subarray(1)],
      [1, encrypted],
      [2, encrypted],
      [3, named],
    ] as const) {
      expect(() => parseTdxQuote(withCertification(type, data))).toThrow(
        expect.objectContaining({ code: 'EVIDENCE_MALFORMED' }),
      );
    }
  });
});

describe('revocation', () => {
  test('a revoked leaf, CA or collateral signer is refused', async () => {
    await expectRefused('pckChainNotRevoked', { collateral: intel.collateral(NOW, { revokedMachines: ['alder'] }) });
    await expectRefused('pckChainNotRevoked', {
      collateral: intel.collateral(NOW, { revokedAuthorities: ['platformCa'] }),
    });
    await expectRefused('collateralSignersNotRevoked', {
      collateral: intel.collateral(NOW, { revokedAuthorities: ['tcbSigning'] }),
    });
    expect((await verify({ collateral: intel.collateral(NOW, { revokedMachines: ['birch'] }) })).verdict).toBe(
      'verified',
    );
  });

  test.each([
    ['garbage', '30deadbeef'],
    ['empty', ''],
    ['the list of the root', good.root_ca_crl],
    ['the list of another CA', stranger.collateral(NOW).pck_crl],
    ['an edited list', good.pck_crl.replace(/..$/, (byte) => (byte === '00' ? '01' : '00'))],
    ['trailing bytes', `${good.pck_crl}00`],
  ])('%s as PCK CRL is refused, under every mode but off', async (_, pck_crl) => {
    const collateral = { ...good, pck_crl };
    await expectRefused('pckCrl', { collateral });
    await expectRefused('pckCrl', { collateral, options: { revocation: 'prefer' } });
    await expectRefused('pckCrl', { collateral, options: { require: ['signature'] } });
    const off = await verify({ collateral, options: { revocation: 'off' } });
    expect(off.verdict).toBe('verified');
    expect(off.checks.pckCrl).toMatchObject({ outcome: 'notRun', reason: 'the caller switched revocation off' });
    if (off.verdict === 'verified') expect(off.quote.revocation).toBe('notChecked');
  });

  test.each(['rootCrl', 'pckCrl'] as const)(
    'a %s that is stale, early or wrongly signed is refused',
    async (document) => {
      const name = document === 'rootCrl' ? 'rootCaCrl' : 'pckCrl';
      for (const defect of ['expired', 'notYetValid', 'wronglySigned'] as const) {
        await expectRefused(name, { collateral: intel.collateral(NOW, { [defect]: [document] }) });
      }
    },
  );

  test('missing lists: unavailable when required, shown as not run when preferred', async () => {
    const { root_ca_crl, pck_crl, ...rest } = good;
    for (const collateral of [rest, { ...rest, root_ca_crl }, { ...rest, pck_crl }]) {
      expect((await verify({ collateral })).verdict).toBe('unavailable');
      const preferred = await verify({ collateral, options: { revocation: 'prefer' } });
      expect(preferred.verdict).toBe('verified');
      expect(preferred.checks.pckChainNotRevoked.outcome).toBe('notRun');
    }
  });

  test('what one list says counts without the other', async () => {
    const options = { revocation: 'prefer' } as const;
    const { root_ca_crl: _, ...leaf } = intel.collateral(NOW, { revokedMachines: ['alder'] });
    await expectRefused('pckChainNotRevoked', { collateral: leaf, options });
    const { pck_crl: __, ...ca } = intel.collateral(NOW, { revokedAuthorities: ['platformCa'] });
    await expectRefused('pckChainNotRevoked', { collateral: ca, options });
    const { tcb_info: ___, ...signer } = intel.collateral(NOW, { revokedAuthorities: ['tcbSigning'] });
    await expectRefused('collateralSignersNotRevoked', { collateral: signer, options });
  });

  test('a chain of the CRL issuer that does not hold is refused, also without a list', async () => {
    const collateral = { ...good, pck_crl: undefined, pck_crl_issuer_chain: good.tcb_info_issuer_chain };
    await expectRefused('pckCrl', { collateral, options: { revocation: 'prefer' } });
  });

  test('lists in hexadecimal, base64 and PEM read alike', async () => {
    const base64 = Buffer.from(good.pck_crl, 'hex').toString('base64');
    const lines = base64.match(/.{1,64}/g) ?? [];
    const pem = `-----BEGIN X509 CRL-----\n${lines.join('\n')}\n-----END X509 CRL-----\n`;
    for (const pck_crl of [base64, pem, good.pck_crl.toUpperCase()]) {
      expect((await verify({ collateral: { ...good, pck_crl } })).verdict).toBe('verified');
    }
  });
});

describe('collateral', () => {
  test.each([
    ['tcbInfo', 'tcbInfoSigned', 'tcbInfoCurrent'],
    ['qeIdentity', 'qeIdentitySigned', 'qeIdentityCurrent'],
  ] as const)('%s: edited, wrongly signed, stale, not yet issued', async (document, signed, current) => {
    const field = document === 'tcbInfo' ? 'tcb_info' : 'qe_identity';
    await expectRefused(signed, { collateral: { ...good, [field]: good[field].replace('"OutOfDate"', '"UpToDate"') } });
    await expectRefused(signed, { collateral: { ...good, [field]: `${good[field]} ` } });
    await expectRefused(signed, { collateral: intel.collateral(NOW, { wronglySigned: [document] }) });
    await expectRefused(current, { collateral: intel.collateral(NOW, { expired: [document] }) });
    await expectRefused(current, { collateral: intel.collateral(NOW, { notYetValid: [document] }) });
    await expectRefused(current, {
      collateral: intel.collateral(NOW, { expired: [document] }),
      options: { require: ['signature'] },
    });
  });

  test('documents of the other kind, validly signed, are refused', async () => {
    const swapped = { ...good, tcb_info: good.qe_identity, tcb_info_signature: good.qe_identity_signature };
    await expectRefused('tcbInfoSigned', { collateral: swapped });
    const back = { ...good, qe_identity: good.tcb_info, qe_identity_signature: good.tcb_info_signature };
    await expectRefused('qeIdentitySigned', { collateral: back });
  });

  test("the service's whole answer is cut, not written again", async () => {
    const tcb_info = `{"tcbInfo":${good.tcb_info},"signature":"${good.tcb_info_signature}"}`;
    expect((await verify({ collateral: { ...good, tcb_info } })).verdict).toBe('verified');
    const { tcb_info_signature: _, ...unsigned } = good;
    expect((await verify({ collateral: { ...unsigned, tcb_info } })).verdict).toBe('verified');
    await expectRefused('tcbInfoSigned', {
      collateral: { ...good, tcb_info: tcb_info.replace('{"tcbInfo"', '{"tcbInfo":{},"tcbInfo"') },
    });
  });

  test('for another platform it is refused', async () => {
    await expectRefused('tcbInfoMatchesFmspc', { collateral: intel.collateral(NOW, { fmspc: '00806f050000' }) });
  });

  test.each([
    ['duplicate keys', (text: string) => text.replace('"version"', '"version":3,"version"')],
    ['a key named __proto__', (text: string) => text.replace('{', '{"__proto__":{},')],
    ['trailing text', (text: string) => `${text}{}`],
    ['another version', (text: string) => text.replace(/"version":\d/, '"version":9')],
    ['another id', (text: string) => text.replace(/"id":"(TDX|TD_QE)"/, '"id":"SGX"')],
    ['a date without zone', (text: string) => text.replace(/("issueDate":"[^"]*)Z"/, '$1"')],
    ['an unknown status', (text: string) => text.replace('"UpToDate"', '"Fine"')],
    ['an SVN out of range', (text: string) => text.replace(/"(isvsvn|svn)":\d+/, '"$1":70000')],
  ])('%s is refused even if it were signed', (_, edit) => {
    const malformed = expect.objectContaining({
      code: expect.stringMatching(/^(ENDORSEMENT_MALFORMED|ENCODING_INVALID)$/),
    });
    expect(() => parseTdxTcbInfo(edit(good.tcb_info))).toThrow(malformed);
    expect(() => parseTdQeIdentity(edit(good.qe_identity))).toThrow(malformed);
  });

  test('the order of levels is not trusted', () => {
    const info = JSON.parse(good.tcb_info) as { tcbLevels: unknown[] };
    const turned = JSON.stringify({ ...info, tcbLevels: [...info.tcbLevels].reverse() });
    expect(parseTdxTcbInfo(turned)).toEqual(parseTdxTcbInfo(good.tcb_info));
  });
});

describe('the quoting enclave and its key', () => {
  test('any enclave on a genuine machine may not sign quotes', async () => {
    const verdict = await expectRefused('qeIdentity', { quote: quoteOf({ qeMrSigner: new Uint8Array(32).fill(7) }) });
    expect(verdict.checks.qeReportSignature.outcome).toBe('passed');
    expect(verdict.checks.quoteSignature.outcome).toBe('passed');
    await expectRefused('qeIdentity', { quote: quoteOf({ qeDebug: true }) });
  });

  test('an attestation key that the enclave did not certify is refused', async () => {
    await expectRefused('attestationKeyBound', { quote: quoteOf({ strangeAttestationKey: true }) });
  });

  test('the verdict on REPORTDATA is exact', async () => {
    expect((await verify({ options: { expectReportData: reportData } })).verdict).toBe('verified');
    await expectRefused('expectedReportData', { options: { expectReportData: reportData.subarray(0, 32) } });
    await expectRefused('expectedReportData', {
      options: { expectReportData: concat(reportData.subarray(1), Uint8Array.of(0)) },
    });
  });
});

describe('TCB', () => {
  test.each([
    ['UpToDate', 'UpToDate', 'UpToDate', 'UpToDate'],
    ['SWHardeningNeeded', 'OutOfDate', 'UpToDate', 'OutOfDate'],
    ['ConfigurationNeeded', 'UpToDate', 'OutOfDate', 'OutOfDateConfigurationNeeded'],
    ['OutOfDate', 'UpToDate', 'UpToDate', 'OutOfDate'],
    ['OutOfDateConfigurationNeeded', 'OutOfDate', 'OutOfDate', 'OutOfDateConfigurationNeeded'],
  ] as const)('platform %s, module %s, enclave %s: %s, and genuine', async (platformStatus, module, qe, status) => {
    const machine = intel.machine({ name: 'cedar', platformStatus, module, qe });
    const verdict = await verify({ quote: machine.quote({ reportData }) });
    expect(verdict.tcb?.status).toBe(status);
    expect(verdict.verdict).toBe('verified');
  });

  test('revoked or unsupported, by any part, is refused, and later stages still report', async () => {
    for (const options of [{ module: 'Revoked' }, { qe: 'Revoked' }] as const) {
      const verdict = await expectRefused('tcbNotRevoked', { quote: quoteOf(options) });
      expect(verdict.tcb?.status).toBe('Revoked');
      expect(verdict.checks.quoteSignature.outcome).toBe('passed');
    }
    for (const options of [{ module: 'unsupported' }, { qe: 'unsupported' }] as const) {
      await expectRefused('tcbLevel', { quote: quoteOf(options) });
    }
    const revoked = intel.machine({ name: 'elm', platformStatus: 'Revoked' }).quote({ reportData });
    await expectRefused('tcbNotRevoked', { quote: revoked });
  });

  test('relaunch is advised where only the start of the TD is out of date', async () => {
    const machine = intel.machine({ name: 'fir', module: 'OutOfDate' });
    const quote = machine.quote({ reportData, version: 5, runningModule: 'UpToDate' });
    expect((await verify({ quote })).tcb?.status).toBe('TDRelaunchAdvised');
    const still = machine.quote({ reportData, version: 5 });
    expect((await verify({ quote: still })).tcb?.status).toBe('OutOfDate');
  });

  test('a debug TD is genuine and says so: its policy is not judged here', async () => {
    const verdict = await verify({ quote: quoteOf({ debug: true }) });
    expect(verdict.verdict).toBe('verified');
    if (verdict.verdict === 'verified')
      expect(toHex(verdict.quote.report.tdAttributes).slice(0, 2)).toMatch(/[13579bdf]$/);
  });
});

test('a shared cache changes no answer, and remembers no failure', async () => {
  const cache = new VerificationCache();
  const bad = intel.collateral(NOW, { wronglySigned: ['tcbInfo'] });
  for (let round = 0; round < 2; round++) {
    for (const [collateral, expected] of [
      [good, 'verified'],
      [bad, 'refused'],
    ] as const) {
      const endorsements = await loadIntelEndorsements(collateral, [intel.trustAnchor], cache);
      const { verdict } = await verifyTdxQuote(parseTdxQuote(quoteOf()), endorsements, [intel.trustAnchor], NOW);
      expect(verdict).toBe(expected);
    }
    const others = await loadIntelEndorsements(good, [stranger.trustAnchor], cache);
    expect((await verifyTdxQuote(parseTdxQuote(quoteOf()), others, [stranger.trustAnchor], NOW)).verdict).toBe(
      'refused',
    );
  }
});
