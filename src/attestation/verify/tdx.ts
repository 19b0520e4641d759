import { ecdsaVerify, sha256 } from '#crypto';
import { concat, equalBytes, isZero, type UnixSeconds, type X509Certificate } from '../../core/index.ts';
import {
  type IntelEndorsements,
  type Judged,
  missing,
  type PckChain,
  type TrustAnchor,
  verifyPckChain,
  wrong,
} from '../endorsements/index.ts';
import { isZeroFill, type ParsedTdxQuote } from '../evidence/tdx/index.ts';
import { type Check, check, failed, notRun, PASSED } from './check.ts';
import { after, afterAsync, both, checkOf, own } from './judged-checks.ts';
import { pckChainText, whyNotCertified } from './tdx-certification.ts';
import {
  chainCurrent,
  crlCurrent,
  crlFloorsOf,
  documentCurrent,
  type IssuedCrl,
  pckCrlOf,
  pckNotRevoked,
  rootCrlOf,
  signersNotRevoked,
  underSameAnchor,
  validityOf,
} from './tdx-collateral.ts';
import { evaluateTcb, whyNotModule, whyNotQuotingEnclave } from './tdx-tcb.ts';
import {
  type CrlFloor,
  TDX_CHECKS,
  type TdxCheckName,
  type TdxChecks,
  type TdxTcb,
  type TdxValidity,
  type TdxVerdict,
  type TdxVerifyOptions,
  type VerifiedTdxQuote,
} from './tdx-types.ts';

const REVOCATION_CHECKS: readonly TdxCheckName[] = [
  'rootCaCrl',
  'pckCrl',
  'pckChainNotRevoked',
  'collateralSignersNotRevoked',
];
/** What `require: ['signature']` asks for: who signed it, and that the pieces belong together. */
const SIGNATURE_CHECKS: readonly TdxCheckName[] = [
  'pckChainToPinnedRoot',
  'pckChainCurrent',
  'qeReportSignature',
  'attestationKeyBound',
  'quoteSignature',
];

/**
 * Whether a TDX quote is genuine: signed by a key that Intel's TD quoting enclave certified on a platform that Intel
 * certified, with everything in date and nothing revoked (Intel TDX DCAP). Genuineness only: an out-of-date platform is
 * verified, with that status in `tcb`; whether it is acceptable is for the appraisal. Every stage is evaluated and
 * reported, also after one that failed.
 * @param from collateral verified once by `loadIntelEndorsements`
 * @param anchors roots the caller trusts; the verdict names the one the quote ends at
 * @param now seconds, from the caller's clock
 * @returns 'refused' where a check failed; 'unavailable' where none failed but a required one could not be run
 */
export async function verifyTdxQuote(
  quote: ParsedTdxQuote,
  from: IntelEndorsements,
  anchors: readonly TrustAnchor[],
  now: UnixSeconds,
  options: TdxVerifyOptions = {},
): Promise<TdxVerdict> {
  const revocation = options.revocation ?? 'require';
  const pck = await pckChainOf(quote, from, anchors);
  const chain = pck.state === 'ok' ? pck.value : null;
  const tcbInfo = underSameAnchor('tcb_info', from.tcbInfo, chain);
  const qeIdentity = underSameAnchor('qe_identity', from.qeIdentity, chain);
  const crls =
    revocation === 'off' ? REVOCATION_OFF : { root: await rootCrlOf(from, chain), pck: await pckCrlOf(from, chain) };
  const tcb =
    chain !== null && tcbInfo.state === 'ok' && qeIdentity.state === 'ok'
      ? evaluateTcb(quote.report, chain.identity, tcbInfo.value.document, quote.qeReport, qeIdentity.value.document)
      : null;
  const checks: TdxChecks = {
    pckChainToPinnedRoot: checkOf(pck),
    pckChainCurrent: after(pck, (value) => chainCurrent(value, now, 'EVIDENCE_CHAIN_NOT_CURRENT')),
    rootCaCrl: own(crls.root, (crl) => crlCurrent('root_ca_crl', crl, now, options)),
    pckCrl: own(crls.pck, (crl) => crlCurrent('pck_crl', crl, now, options)),
    pckChainNotRevoked: pckNotRevoked(chain, crls.root, crls.pck),
    tcbInfoSigned: checkOf(tcbInfo),
    tcbInfoCurrent: after(tcbInfo, (value) => documentCurrent('tcb_info', value, now, options)),
    qeIdentitySigned: checkOf(qeIdentity),
    qeIdentityCurrent: after(qeIdentity, (value) => documentCurrent('qe_identity', value, now, options)),
    collateralSignersNotRevoked: after(crls.root, (crl) => signersNotRevoked(crl, tcbInfo, qeIdentity)),
    ...platformChecks(quote, pck, tcbInfo),
    qeReportSignature: await afterAsync(pck, async ({ leaf }) =>
      check(
        await qeReportSigned(quote, leaf),
        'EVIDENCE_QE_SIGNATURE_INVALID',
        'the PCK leaf did not sign the QE report',
      ),
    ),
    attestationKeyBound: check(
      attestationKeyBound(quote),
      'EVIDENCE_KEY_NOT_BOUND',
      'the QE report does not hold the hash of the attestation key',
    ),
    qeIdentity: after(qeIdentity, ({ document }) => {
      const why = whyNotQuotingEnclave(quote.qeReport, document);
      return check(why === null, 'EVIDENCE_QE_IDENTITY_MISMATCH', why ?? '');
    }),
    quoteSignature: check(
      await quoteSigned(quote),
      'EVIDENCE_SIGNATURE_INVALID',
      'the attestation key did not sign this quote',
    ),
    noTrailingBytes: noTrailingBytes(quote, options),
    ...tcbChecks(tcb),
    expectedReportData: expectedReportData(quote, options.expectReportData),
  };
  return conclude(quote, checks, {
    chain,
    tcb,
    validity: chain === null ? null : validityOf(chain, [tcbInfo, qeIdentity], [crls.root, crls.pck]),
    crls: crlFloorsOf(crls.root, crls.pck),
    required: requiredTdxChecks(options),
  });
}

const REVOCATION_OFF: { root: Judged<IssuedCrl>; pck: Judged<IssuedCrl> } = {
  root: missing('the caller switched revocation off'),
  pck: missing('the caller switched revocation off'),
};

/** The checks that must have passed for 'verified' under these options. */
export function requiredTdxChecks(options: TdxVerifyOptions): ReadonlySet<TdxCheckName> {
  const required = new Set<TdxCheckName>(options.require?.includes('signature') ? SIGNATURE_CHECKS : TDX_CHECKS);
  if ((options.revocation ?? 'require') !== 'require') for (const name of REVOCATION_CHECKS) required.delete(name);
  required.delete('expectedReportData');
  if (options.expectReportData !== undefined) required.add('expectedReportData');
  return required;
}

type Findings = Readonly<{
  chain: PckChain | null;
  tcb: TdxTcb | null;
  validity: TdxValidity | null;
  crls: readonly CrlFloor[];
  required: ReadonlySet<TdxCheckName>;
}>;

function conclude(quote: ParsedTdxQuote, checks: TdxChecks, found: Findings): TdxVerdict {
  const { chain, tcb, validity } = found;
  const said = { checks, anchor: chain?.anchor ?? null, tcb, validity, crls: found.crls };
  if (TDX_CHECKS.some((name) => checks[name].outcome === 'failed')) return { ...said, verdict: 'refused' };
  const open = TDX_CHECKS.some((name) => found.required.has(name) && checks[name].outcome !== 'passed');
  if (open || chain === null || validity === null) return { ...said, verdict: 'unavailable' };
  const isChecked = REVOCATION_CHECKS.every((name) => checks[name].outcome === 'passed');
  const established = {
    anchor: chain.anchor,
    platform: chain.identity,
    tcb,
    revocation: isChecked ? 'checked' : 'notChecked',
    validity,
  };
  return { ...said, verdict: 'verified', quote: { ...quote, ...established } as VerifiedTdxQuote };
}

async function pckChainOf(
  quote: ParsedTdxQuote,
  from: IntelEndorsements,
  anchors: readonly TrustAnchor[],
): Promise<Judged<PckChain>> {
  const text = pckChainText(quote, from);
  if (text.state !== 'ok') return text;
  const chain = await verifyPckChain(text.value, anchors, from.cache, from.rootHint);
  if (chain.state !== 'ok') return chain;
  const why = whyNotCertified(quote, chain.value.identity);
  return why === null ? chain : wrong('EVIDENCE_PLATFORM_MISMATCH', why);
}

type PlatformCheckName = 'tcbInfoMatchesFmspc' | 'tcbInfoMatchesPceId' | 'tdxModuleIdentity';

function platformChecks(
  quote: ParsedTdxQuote,
  pck: Judged<PckChain>,
  tcbInfo: IntelEndorsements['tcbInfo'],
): Record<PlatformCheckName, Check> {
  const matches = (field: 'fmspc' | 'pceId') =>
    both(pck, tcbInfo, ({ identity }, { document }) =>
      check(
        equalBytes(identity[field], document[field]),
        'EVIDENCE_PLATFORM_MISMATCH',
        `tcb_info is about another platform (${field.toUpperCase()} differs)`,
      ),
    );
  return {
    tcbInfoMatchesFmspc: matches('fmspc'),
    tcbInfoMatchesPceId: matches('pceId'),
    tdxModuleIdentity: after(tcbInfo, ({ document }) => {
      const why = whyNotModule(quote.report, document);
      return check(why === null, 'EVIDENCE_MODULE_MISMATCH', why ?? '');
    }),
  };
}

function tcbChecks(tcb: TdxTcb | null): Record<'tcbLevel' | 'tcbNotRevoked', Check> {
  if (tcb === null) {
    const check = notRun('needs the PCK chain, tcb_info and qe_identity');
    return { tcbLevel: check, tcbNotRevoked: check };
  }
  const unsupported = [
    tcb.platform.status === 'NotSupported' ? 'platform' : null,
    tcb.module?.status === 'NotSupported' ? 'TDX module' : null,
    tcb.qe.status === 'NotSupported' ? 'quoting enclave' : null,
  ].filter((part) => part !== null);
  const why = `no TCB level covers the ${unsupported.join(' and the ')}`;
  const isRevoked = [tcb.status, tcb.platform.status, tcb.module?.status, tcb.qe.status].includes('Revoked');
  return {
    tcbLevel: check(tcb.status !== 'NotSupported', 'EVIDENCE_TCB_NOT_SUPPORTED', why),
    tcbNotRevoked: check(!isRevoked, 'EVIDENCE_TCB_REVOKED', 'the TCB level is revoked'),
  };
}

function qeReportSigned(quote: ParsedTdxQuote, leaf: X509Certificate): Promise<boolean> {
  if (leaf.publicKey === null) return Promise.resolve(false);
  return ecdsaVerify('P-256', leaf.publicKey.point, quote.qeReport.raw, quote.qeReportSignature);
}

function attestationKeyBound(quote: ParsedTdxQuote): boolean {
  const { reportData } = quote.qeReport;
  const digest = sha256(concat(quote.attestationKey, quote.qeAuthData));
  return equalBytes(reportData.subarray(0, 32), digest) && isZero(reportData.subarray(32));
}

function quoteSigned(quote: ParsedTdxQuote): Promise<boolean> {
  return ecdsaVerify('P-256', concat(Uint8Array.of(4), quote.attestationKey), quote.signedBytes, quote.signature);
}

/** A quote parsed with `trailingBytes: 'report'` may have some. Signatures do not depend on them: they cover none. */
function noTrailingBytes(quote: ParsedTdxQuote, options: TdxVerifyOptions): Check {
  if (isZeroFill(quote)) return PASSED;
  const why = `${quote.trailingBytes} bytes follow the end of the quote, which nothing authenticates`;
  if (options.require?.includes('signature')) return notRun(`only signatures were asked for; ${why}`);
  return failed('EVIDENCE_TRAILING_BYTES', why);
}

function expectedReportData(quote: ParsedTdxQuote, expected: Uint8Array | undefined): Check {
  if (expected === undefined) return notRun('the caller expects no particular REPORTDATA');
  return check(
    equalBytes(expected, quote.report.reportData),
    'EVIDENCE_EXPECTATION_MISMATCH',
    'REPORTDATA is not what the caller expects',
  );
}
