import {
  type Check,
  type GivenRims,
  isRequiredNvidiaCheck,
  NVIDIA_DEVICE_ROOT,
  NVIDIA_RIM_ROOT,
  type NvidiaVerdict,
  type NvidiaVerifyOptions,
  parseNvidiaReport,
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
    const anchors = anchorsOf(request);
    const verdict = await verifyNvidiaDevice(evidence, rimsOf(collateral.rims), anchors, cache, request.at, options);
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

export function anchorsOf(request: VerifyRequest) {
  const given = request.trustAnchors;
  return { device: given ?? [NVIDIA_DEVICE_ROOT], rim: given ?? [NVIDIA_RIM_ROOT] };
}

/** @throws CodedError COLLATERAL_MALFORMED, ENCODING_INVALID, EVIDENCE_TOO_LARGE */
export function certificatesOf(pem: string): Uint8Array[] {
  if (pem.length > CHAIN_CHARACTERS_MAX) throw malformed('certificates', 'too long');
  return parsePem(pem, 'CERTIFICATE', CERTIFICATES_MAX, 'collateral.certificates');
}

function rimsOf(value: Json | undefined): GivenRims {
  if (value === undefined || value === null) return {};
  const record = recordOf(value, 'rims', ['driver', 'vbios', 'switch']);
  const rims: { -readonly [Role in keyof GivenRims]: Uint8Array } = {};
  for (const role of ['driver', 'vbios', 'switch'] as const) {
    const bytes = optionalBase64(record, role);
    if (bytes !== undefined) rims[role] = bytes;
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
