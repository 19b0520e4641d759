import { sha256 } from '#crypto';
import {
  BoundedMap,
  hasServiceTd,
  INTEL_COLLATERAL_FIELDS,
  INTEL_SGX_ROOT,
  type IntelCollateral,
  type IntelEndorsements,
  intelAnchorsOf,
  intelCollateralOf,
  loadIntelEndorsements,
  noIntelEndorsements,
  type ParsedTdxQuote,
  type Policy,
  parseTdxQuote,
  readTdAttributes,
  readXfam,
  requiredTdxChecks,
  type TdxVerdict,
  type TdxVerifyOptions,
  type TrustAnchor,
  tdxPolicyChecks,
  VerificationCache,
  type VerifiedTdxQuote,
  verifyTdxQuote,
  withTcbSet,
} from '../../attestation/index.ts';
import { CodedError, fromHex, type Json, toHex, type UnixSeconds, utf8 } from '../../core/index.ts';
import { type Appraised, policyOf, type ShippedPolicies, underPolicy } from './policy.ts';
import type { VerifyRequest } from './request.ts';
import { checkReport, errorOfChecks, type VerifyResponse } from './response.ts';
import { tcbOf } from './tdx-tcb.ts';

export const ENDORSEMENTS_HELD_MAX = 64;

/** Answers requests of kind `tdx-quote`; collateral that comes again is verified once. */
export function createTdxQuoteVerifier(policies: ShippedPolicies): (request: VerifyRequest) => Promise<VerifyResponse> {
  const cache = new VerificationCache();
  const held = new BoundedMap<IntelEndorsements>(ENDORSEMENTS_HELD_MAX);

  async function load(document: Json, anchors: readonly TrustAnchor[]): Promise<IntelEndorsements> {
    const collateral = intelCollateralOf(document);
    const key = collateralKey(collateral, anchors);
    const known = held.get(key);
    if (known !== undefined) return known;
    const loaded = await loadIntelEndorsements(collateral, anchors, cache);
    held.set(key, loaded);
    return loaded;
  }

  /** `next` is another set of TCB levels beside the one that is judged by: what it would say, and no more. */
  async function endorsementsOf(
    { collateral }: VerifyRequest,
    anchors: readonly TrustAnchor[],
  ): Promise<Readonly<{ endorsements: IntelEndorsements; next: IntelEndorsements | null }>> {
    if (collateral === null) return { endorsements: noIntelEndorsements(cache), next: null };
    const endorsements = await load(collateral, anchors);
    const set = nextSetOf(collateral);
    return { endorsements, next: set === null ? null : withTcbSet(endorsements, await load(set, anchors)) };
  }

  return async (request) => {
    const policy = policyOf(request, policies);
    const anchors = request.trustAnchors ?? [INTEL_SGX_ROOT];
    const options: TdxVerifyOptions = {
      revocation: request.revocation,
      require: request.require,
      expectReportData: expectedReportData(request.expect),
      collateralAgeSecondsMax: policy?.tdx.collateralAgeSecondsMax,
    };
    const quote = parseTdxQuote(request.evidence, { trailingBytes: 'report' });
    const { next, endorsements } = await endorsementsOf(request, anchors);
    const verdict = await verifyTdxQuote(quote, endorsements, anchors, request.at, options);
    const underNext = next === null ? null : await verifyTdxQuote(quote, next, anchors, request.at, options);
    const {
      verdict: word,
      checks,
      isRequired,
      appraisal,
    } = appraised(quote, verdict, endorsements, options, policy, request.at);
    return {
      id: request.id,
      verdict: word,
      error: errorOfChecks(word, checks, isRequired),
      checks: Object.fromEntries(Object.entries(checks).map(([name, check]) => [name, checkReport(check)])),
      tcb: tcbOf(verdict, underNext),
      claims: word === 'verified' && verdict.verdict === 'verified' ? claimsOf(verdict.quote) : {},
      appraisal,
    };
  };
}

function appraised(
  quote: ParsedTdxQuote,
  { verdict, checks, anchor, tcb, ...found }: TdxVerdict,
  endorsements: IntelEndorsements,
  options: TdxVerifyOptions,
  policy: Policy | null,
  at: UnixSeconds,
): Appraised {
  const required: ReadonlySet<string> = requiredTdxChecks(options);
  const isRequired = (name: string) => required.has(name);
  if (policy === null) return { verdict, checks, isRequired, appraisal: null };
  const platform = 'quote' in found ? found.quote.platform : null;
  const ofPolicy = tdxPolicyChecks(policy.tdx, quote, { tcb, platform }, at);
  const genuine = { verdict, checks, isRequired, anchor, endorsementAnchors: intelAnchorsOf(endorsements) };
  return underPolicy(genuine, policy, { tee: 'tdx', ofPolicy }, at);
}

/** @throws CodedError ENDORSEMENT_MALFORMED where it holds neither of the documents that make a set */
function nextSetOf(collateral: Json): Json {
  const { next = null } = collateral as Readonly<Record<string, Json>>;
  if (next === null) return null;
  const { tcb_info, qe_identity } = intelCollateralOf(next);
  if (tcb_info !== undefined || qe_identity !== undefined) return next;
  throw new CodedError('ENDORSEMENT_MALFORMED', 'collateral.next: neither tcb_info nor qe_identity', { field: 'next' });
}

function collateralKey(collateral: IntelCollateral, anchors: readonly TrustAnchor[]): string {
  const fields = INTEL_COLLATERAL_FIELDS.map((field) => collateral[field] ?? null);
  const text = JSON.stringify([fields, anchors.map(({ kind, name, spkiSha256 }) => [kind, name, toHex(spkiSha256)])]);
  return toHex(sha256(utf8(text)));
}

function expectedReportData(expect: VerifyRequest['expect']): Uint8Array | undefined {
  const { reportData, ...others } = expect;
  const [unknown] = Object.keys(others);
  const wrong = (field: string, why: string) =>
    new CodedError('REQUEST_MALFORMED', `request.expect.${field}: ${why}`, { field });
  if (unknown !== undefined) throw wrong(unknown, 'not known for a TDX quote');
  if (reportData === undefined) return undefined;
  if (typeof reportData !== 'string' || !/^[0-9a-fA-F]{128}$/.test(reportData)) {
    throw wrong('reportData', 'not 64 bytes in hexadecimal');
  }
  return fromHex(reportData);
}

/** What the quote establishes, bytes in hexadecimal; given for verified quotes alone. */
function claimsOf(quote: VerifiedTdxQuote): Readonly<Record<string, Json>> {
  const { extension, ...registers } = quote.report;
  const claims: Record<string, Json> = {};
  for (const [name, value] of Object.entries({ ...registers, ...extension })) {
    if (value !== null) claims[name] = toHex(value);
  }
  const attributes = readTdAttributes(quote.report.tdAttributes);
  const xfam = readXfam(quote.report.xfam);
  const { platform, anchor } = quote;
  return {
    ...claims,
    quoteVersion: quote.version,
    quoteSha256: toHex(quote.quoteSha256),
    trailingBytes: quote.trailingBytes,
    trailingAllZero: quote.trailingAllZero,
    tdAttributeNames: attributes.names,
    debug: attributes.debug,
    septVeDisable: attributes.septVeDisable,
    migratable: attributes.migratable,
    reservedTdAttributeBits: attributes.reservedBits,
    serviceTd: hasServiceTd(quote.report),
    xfamNames: xfam.names,
    reservedXfamBits: xfam.reservedBits,
    qeUserData: toHex(quote.userData),
    qeIsvSvn: quote.qeReport.isvSvn,
    ppid: toHex(platform.ppid),
    fmspc: toHex(platform.fmspc),
    pceId: toHex(platform.pceId),
    cpuSvn: toHex(platform.cpuSvn),
    pceSvn: platform.pceSvn,
    sgxType: platform.sgxType,
    platformInstanceId: platform.platformInstanceId === null ? null : toHex(platform.platformInstanceId),
    dynamicPlatform: platform.dynamicPlatform,
    cachedKeys: platform.cachedKeys,
    smtEnabled: platform.smtEnabled,
    revocation: quote.revocation,
    trustAnchor: { name: anchor.name, kind: anchor.kind, spkiSha256: toHex(anchor.spkiSha256) },
  };
}
