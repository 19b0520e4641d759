import {
  type Check,
  isRequiredNvidiaCheck,
  isRequiredNvidiaSetCheck,
  NVIDIA_DEVICES_MAX,
  type NvidiaSetItem,
  type NvidiaSetOptions,
  type NvidiaSetVerdict,
  parseNvidiaReport,
  reportOfHexText,
  type VerificationCache,
  verifyNvidiaDevices,
} from '../../attestation/index.ts';
import { CodedError, fromBase64, fromUtf8, type Json, parseStrictJson } from '../../core/index.ts';
import {
  collateralOf,
  expectedNonceOf,
  type JsonRecord,
  nonceOf,
  optionalBase64,
  recordOf,
  refusePolicy,
  revocationsOf,
} from './nvidia-collateral.ts';
import { certificatesOf, claimsOfDevice, contextOf } from './nvidia-gpu.ts';
import type { VerifyRequest } from './request.ts';
import { checkReport, errorOfChecks, type VerifyResponse } from './response.ts';

/** Answers requests of kind `nvidia-devices`: the GPUs and switches of one machine, as NVIDIA's collector gives them. */
export function createNvidiaDevicesVerifier(
  cache: VerificationCache,
): (request: VerifyRequest) => Promise<VerifyResponse> {
  return async (request) => {
    refusePolicy(request);
    const collateral = collateralOf(request, ['nonce', 'rims', 'ocsp', 'crls']);
    const options: NvidiaSetOptions = {
      revocation: request.revocation,
      require: request.require,
      expectNonce: expectedNonceOf(request, collateral, ['gpus', 'switches']),
      expectDevices: expectedDevicesOf(request.expect),
    };
    const items = devicesOfDocument(request.evidence);
    const rims =
      collateral.rims === undefined || collateral.rims === null ? {} : recordOf(collateral.rims, 'rims', null);
    const given = { rim: ({ id }: { id: string }) => optionalBase64(rims, id), revocations: revocationsOf(collateral) };
    const verdict = await verifyNvidiaDevices(items, given, contextOf(request, cache), options);
    return responseOf(request, verdict, options);
  };
}

function responseOf(request: VerifyRequest, verdict: NvidiaSetVerdict, options: NvidiaSetOptions): VerifyResponse {
  const checks: Record<string, Check> = { ...verdict.checks };
  for (const [index, device] of verdict.devices.entries()) {
    for (const [name, one] of Object.entries(device.checks)) checks[`device${index}.${name}`] = one;
  }
  const isRequired = (name: string) => {
    const ofDevice = /^device\d+\.(\w+)$/.exec(name)?.[1];
    return ofDevice === undefined ? isRequiredNvidiaSetCheck(name, options) : isRequiredNvidiaCheck(ofDevice, options);
  };
  return {
    id: request.id,
    verdict: verdict.verdict,
    error: errorOfChecks(verdict.verdict, checks, isRequired),
    checks: Object.fromEntries(Object.entries(checks).map(([name, one]) => [name, checkReport(one)])),
    tcb: null,
    claims: { gpuBinding: 'guest-asserted', devices: verdict.devices.map(claimsOfDevice) },
    appraisal: null,
  };
}

const malformed = (why: string) => new CodedError('EVIDENCE_MALFORMED', `collector document: ${why}`);

/**
 * The devices of a collector's document: `{evidences:[{arch, nonce, evidence, certificate}]}`, the list alone, or the body
 * of a question to NVIDIA's service, `{nonce, arch, evidence_list:[{evidence, certificate}]}`. What else stands in it is
 * not read. @throws CodedError EVIDENCE_MALFORMED, EVIDENCE_TOO_LARGE and what the parsers throw
 */
export function devicesOfDocument(evidence: Uint8Array): NvidiaSetItem[] {
  const document = parseStrictJson(fromUtf8(evidence, 'evidence'), 'evidence');
  const whole: JsonRecord = Array.isArray(document) ? { evidences: document } : objectOf(document);
  const list = whole.evidences ?? whole.evidence_list;
  if (!Array.isArray(list) || list.length === 0) throw malformed('no list of evidences');
  if (list.length > NVIDIA_DEVICES_MAX) {
    throw new CodedError('EVIDENCE_TOO_LARGE', `at most ${NVIDIA_DEVICES_MAX} devices`, { devices: list.length });
  }
  return list.map((item: Json) => {
    const { evidence, certificate, nonce = whole.nonce, arch = whole.arch } = objectOf(item);
    const report = parseNvidiaReport(reportOfHexText(fromBase64(textOf(evidence), 'evidence')));
    const certificates = certificatesOf(fromUtf8(fromBase64(textOf(certificate), 'certificate'), 'certificate'));
    return {
      report,
      certificates,
      statedNonce: nonceOf(nonce === undefined ? undefined : textOf(nonce)),
      statedArchitecture: arch === undefined ? undefined : textOf(arch),
    };
  });
}

function objectOf(value: Json): JsonRecord {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('not an object');
  return value as JsonRecord;
}

function textOf(value: Json | undefined): string {
  if (typeof value !== 'string') throw malformed('evidence, certificate, nonce or arch is not text');
  return value;
}

function expectedDevicesOf(expect: VerifyRequest['expect']): { gpus: number; switches: number } | undefined {
  const { gpus, switches } = expect;
  if (gpus === undefined && switches === undefined) return undefined;
  const isCount = (value: Json | undefined) =>
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= NVIDIA_DEVICES_MAX;
  if (!isCount(gpus) || !isCount(switches ?? 0)) {
    throw new CodedError('REQUEST_MALFORMED', 'request.expect: gpus and switches are numbers of devices');
  }
  return { gpus: gpus as number, switches: (switches ?? 0) as number };
}
