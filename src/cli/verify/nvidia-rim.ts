import {
  type Check,
  isVersionOf,
  type Judged,
  MANIFEST_POSITIONS,
  NVIDIA_RIM_ROOT,
  type NvidiaRevocations,
  type NvidiaRim,
  notRevoked,
  type VerificationCache,
  verifyRim,
} from '../../attestation/index.ts';
import { type ErrorCode, type Json, rfc3339, toHex } from '../../core/index.ts';
import {
  collateralOf,
  type JsonRecord,
  malformed,
  optionalText,
  refusePolicy,
  revocationsOf,
} from './nvidia-collateral.ts';
import type { VerifyRequest } from './request.ts';
import { checkReport, errorOfChecks, type VerifyResponse } from './response.ts';

const FAMILIES = {
  'gpu-driver': { prefix: /^NV_GPU_(?:CC_)?DRIVER_/, edition: 'GPU', dotted: true },
  'gpu-vbios': { prefix: /^NV_GPU_VBIOS_/, edition: 'GPU', dotted: false },
  'nvswitch-bios': { prefix: /^NV_SWITCH_BIOS_/, edition: 'SWITCH', dotted: false },
} as const;

/** Answers requests of kind `nvidia-rim`: one manifest on its own. */
export function createNvidiaRimVerifier(cache: VerificationCache): (request: VerifyRequest) => Promise<VerifyResponse> {
  return async (request) => {
    refusePolicy(request);
    const collateral = collateralOf(request, ['family', 'id', 'ocsp', 'crls']);
    const rim = await verifyRim(request.evidence, request.trustAnchors ?? [NVIDIA_RIM_ROOT], cache);
    const checks: Record<string, Check> = {
      manifestSigned: rim.state === 'ok' ? passed : failed(rim.state === 'failed' ? rim.code : null, rim.reason),
    };
    if (rim.state === 'ok') {
      const { certificates } = rim.value.chain;
      const isNow = certificates.every((one) => one.notBefore <= request.at && request.at <= one.notAfter);
      const why = 'the signer of the manifest is not valid at the given time; fetch the manifest again';
      checks.manifestCurrent = isNow ? passed : failed('ENDORSEMENT_NOT_CURRENT', why);
      const mismatch = whyNotTheOne(collateral, rim.value.edition, rim.value.version);
      checks.manifestMatches = mismatch === null ? passed : failed('EVIDENCE_EXPECTATION_MISMATCH', mismatch);
    } else {
      for (const name of ['manifestCurrent', 'manifestMatches']) checks[name] = open('what it needs was refused');
    }
    checks.manifestSignersNotRevoked = await revocationCheck(request, rim, revocationsOf(collateral), cache);
    const isRequired = (name: string) =>
      name !== 'manifestSignersNotRevoked' || (request.revocation === 'require' && request.require.length === 0);
    const all = Object.entries(checks);
    const verdict = all.some(([, one]) => one.outcome === 'failed')
      ? 'refused'
      : all.some(([name, one]) => isRequired(name) && one.outcome !== 'passed')
        ? 'unavailable'
        : 'verified';
    return {
      id: request.id,
      verdict,
      error: errorOfChecks(verdict, checks, isRequired),
      checks: Object.fromEntries(all.map(([name, one]) => [name, checkReport(one)])),
      tcb: null,
      claims: verdict === 'verified' && rim.state === 'ok' ? claimsOf(rim.value) : {},
      appraisal: null,
    };
  };
}

const passed: Check = { outcome: 'passed' };
const failed = (code: ErrorCode | null, reason: string): Check =>
  code === null ? open(reason) : { outcome: 'failed', code, reason };
const open = (reason: string): Check => ({ outcome: 'notRun', reason });

async function revocationCheck(
  request: VerifyRequest,
  rim: Judged<NvidiaRim>,
  given: Judged<NvidiaRevocations>,
  cache: VerificationCache,
): Promise<Check> {
  if (request.revocation === 'off') return open('revocation is switched off');
  if (given.state !== 'ok') return failed(given.state === 'failed' ? given.code : null, given.reason);
  if (rim.state !== 'ok') return open('what it needs was refused');
  return notRevoked(rim.value.chain, MANIFEST_POSITIONS, given.value, cache, request.at, 'ENDORSEMENT_REVOKED');
}

/** The file holds neither its id nor project and SKU; what it does hold must be what the id says. */
function whyNotTheOne(collateral: JsonRecord, edition: string, version: string): string | null {
  const familyName = optionalText(collateral, 'family');
  const id = optionalText(collateral, 'id');
  const family = Object.entries(FAMILIES).find(([name]) => name === familyName)?.[1];
  if (familyName !== undefined && family === undefined) throw malformed('family', 'not a known family');
  if (family !== undefined && family.edition !== edition) return 'the manifest is for another kind of device';
  if (id === undefined) return null;
  if (family !== undefined && !family.prefix.test(id)) return 'the id is of another family';
  return isVersionOf(version, id) ? null : 'the manifest is of another version than its id';
}

function claimsOf(rim: NvidiaRim): Record<string, Json> {
  const { leaf, anchor } = rim.chain;
  return {
    version: rim.version,
    product: rim.product,
    edition: rim.edition,
    tagId: rim.tagId,
    manifestSha256: toHex(rim.sha256),
    activeIndexes: rim.measurements.filter(({ active }) => active).map(({ index }) => index),
    totalIndexes: rim.measurements.length,
    signerNotBefore: rfc3339(leaf.notBefore),
    signerNotAfter: rfc3339(leaf.notAfter),
    trustAnchor: { name: anchor.name, kind: anchor.kind, spkiSha256: toHex(anchor.spkiSha256) },
  };
}
