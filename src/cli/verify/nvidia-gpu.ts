import {
  type Check,
  isRequiredNvidiaCheck,
  NVIDIA_DEVICE_ROOT,
  NVIDIA_RIM_ROOT,
  type NvidiaContext,
  type NvidiaVerdict,
  type NvidiaVerifyOptions,
  parseNvidiaReport,
  type RimRole,
  reportOfHexText,
  type VerificationCache,
  verifyNvidiaDevice,
} from '../../attestation/index.ts';
import { type Json, parsePem, toHex } from '../../core/index.ts';
import {
  collateralOf,
  expectedNonceOf,
  malformed,
  optionalBase64,
  optionalText,
  recordOf,
  refusePolicy,
  revocationsOf,
} from './nvidia-collateral.ts';
import type { VerifyRequest } from './request.ts';
import { checkReport, errorOfChecks, type VerifyResponse } from './response.ts';

export const CHAIN_CHARACTERS_MAX = 32 * 1024;
const CERTIFICATES_MAX = 8;

/** Answers requests of kind `nvidia-gpu`: one GPU or switch. */
export function createNvidiaGpuVerifier(cache: VerificationCache): (request: VerifyRequest) => Promise<VerifyResponse> {
  return async (request) => {
    refusePolicy(request);
    const collateral = collateralOf(request, ['certificates', 'nonce', 'arch', 'rims', 'ocsp', 'crls']);
    const pem = optionalText(collateral, 'certificates');
    if (pem === undefined) throw malformed('certificates', 'absent');
    const options: NvidiaVerifyOptions = {
      revocation: request.revocation,
      require: request.require,
      expectNonce: expectedNonceOf(request, collateral),
      expectArchitecture: optionalText(collateral, 'arch'),
    };
    const report = parseNvidiaReport(reportOfHexText(request.evidence));
    const evidence = { report, certificates: certificatesOf(pem) };
    const rims = rimsByRole(collateral.rims);
    const given = { rim: ({ role }: { role: RimRole }) => rims.get(role), revocations: revocationsOf(collateral) };
    const verdict = await verifyNvidiaDevice(evidence, given, contextOf(request, cache), options);
    const isRequired = (name: string) => isRequiredNvidiaCheck(name, options);
    const checks = verdict.checks as Record<string, Check>;
    return {
      id: request.id,
      verdict: verdict.verdict,
      error: errorOfChecks(verdict.verdict, checks, isRequired),
      checks: Object.fromEntries(Object.entries(checks).map(([name, check]) => [name, checkReport(check)])),
      tcb: null,
      claims: claimsOfDevice(verdict),
      appraisal: null,
    };
  };
}

/** Roots that the caller names stand for both of NVIDIA's. */
export function contextOf({ trustAnchors, at }: VerifyRequest, cache: VerificationCache): NvidiaContext {
  const anchors = { device: trustAnchors ?? [NVIDIA_DEVICE_ROOT], rim: trustAnchors ?? [NVIDIA_RIM_ROOT] };
  return { anchors, cache, now: at };
}

/** @throws CodedError COLLATERAL_MALFORMED, ENCODING_INVALID, EVIDENCE_TOO_LARGE */
export function certificatesOf(pem: string): Uint8Array[] {
  if (pem.length > CHAIN_CHARACTERS_MAX) throw malformed('certificates', 'too long');
  return parsePem(pem, 'CERTIFICATE', CERTIFICATES_MAX, 'collateral.certificates');
}

const ROLES: readonly RimRole[] = ['driver', 'vbios', 'switch'];

function rimsByRole(value: Json | undefined): ReadonlyMap<RimRole, Uint8Array> {
  const rims = new Map<RimRole, Uint8Array>();
  if (value === undefined || value === null) return rims;
  const record = recordOf(value, 'rims', ROLES);
  for (const role of ROLES) {
    const bytes = optionalBase64(record, role);
    if (bytes !== undefined) rims.set(role, bytes);
  }
  return rims;
}

/** What the signed report says; the comparison is given beside a refusal too, because it says what to repair. */
export function claimsOfDevice(verdict: NvidiaVerdict): Record<string, Json> {
  const { chain, fields, golden, demands } = verdict;
  const claims: Record<string, Json> = {
    manifests: demands.map(({ role, id }) => ({ role, id })),
    golden: golden === null ? null : { ...golden, mismatched: golden.mismatched.map((one) => ({ ...one })) },
  };
  if (verdict.verdict !== 'verified' || chain === null || fields === null) return claims;
  const { device } = verdict;
  const { fwid, ...said } = fields;
  return {
    ...claims,
    ...said,
    fwid: fwid === null ? null : toHex(fwid),
    architecture: chain.architecture,
    chip: chain.chip,
    hwmodel: chain.hardwareModel,
    ueid: chain.ueid,
    bromSerial: chain.bromSerial,
    certificatePdi: chain.pdi,
    nonce: toHex(device.requestNonce),
    responderNonce: toHex(device.responderNonce),
    measurementBlocks: device.measurements.length,
    manifestSha256: device.rims.map((rim) => toHex(rim.sha256)),
    gpuBinding: 'guest-asserted',
    trustAnchor: {
      name: chain.anchor.name,
      kind: chain.anchor.kind,
      spkiSha256: toHex(chain.anchor.spkiSha256),
    },
  };
}
