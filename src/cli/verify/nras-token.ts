import {
  isRequiredNrasCheck,
  NRAS_INTERMEDIATE,
  NRAS_ISSUER,
  type NrasContext,
  type NrasVerdict,
  parseNrasAnswer,
  parseNrasKeys,
  verifyNrasAnswer,
} from '../../attestation/index.ts';
import { fromUtf8, type Json, parseStrictJson, toHex } from '../../core/index.ts';
import { collateralOf, expectedNonceOf, type JsonRecord, optionalText, refusePolicy } from './nvidia-collateral.ts';
import type { VerifyRequest } from './request.ts';
import { checkReport, errorOfChecks, type VerifyResponse } from './response.ts';

/** Answers requests of kind `nras-token`: what NVIDIA's own service said, which never stands for evidence at hand. */
export async function verifyNrasToken(request: VerifyRequest): Promise<VerifyResponse> {
  refusePolicy(request);
  const collateral = collateralOf(request, ['jwks', 'issuer', 'nonce']);
  const context: NrasContext = {
    keys: keysOf(collateral),
    issuer: optionalText(collateral, 'issuer') ?? NRAS_ISSUER,
    expectNonce: expectedNonceOf(request, collateral),
    anchors: request.trustAnchors ?? [NRAS_INTERMEDIATE],
    now: request.at,
  };
  const verdict = await verifyNrasAnswer(parseNrasAnswer(fromUtf8(request.evidence, 'token')), context);
  return {
    id: request.id,
    verdict: verdict.verdict,
    error: errorOfChecks(verdict.verdict, verdict.checks, (name) => isRequiredNrasCheck(name, context)),
    checks: Object.fromEntries(Object.entries(verdict.checks).map(([name, one]) => [name, checkReport(one)])),
    tcb: null,
    claims: verdict.verdict === 'verified' ? claimsOf(verdict) : {},
    appraisal: null,
  };
}

/** The JWKS as an object, or as the text that the service gave. */
function keysOf({ jwks }: JsonRecord): NrasContext['keys'] {
  if (jwks === undefined || jwks === null) return null;
  return parseNrasKeys(typeof jwks === 'string' ? parseStrictJson(jwks, 'jwks') : jwks);
}

function claimsOf({ overall, devices, anchor }: NrasVerdict): Record<string, Json> {
  const text = (value: Json | undefined): Json => value ?? null;
  return {
    opinion: 'additional: NVIDIA saw genuine evidence with this nonce; the evidence itself is not in it',
    issuer: text(overall?.iss),
    claimsVersion: text(overall?.['x-nvidia-ver']),
    nonce: text(overall?.eat_nonce),
    notBefore: text(overall?.nbf),
    expiresAt: text(overall?.exp),
    devices: Object.fromEntries(
      [...devices].map(([name, { ueid, hwmodel, ...claims }]) => [
        name,
        {
          ueid: text(ueid),
          hwmodel: text(hwmodel),
          driverVersion: text(claims['x-nvidia-gpu-driver-version']),
          firmwareVersion: text(claims['x-nvidia-gpu-vbios-version'] ?? claims['x-nvidia-switch-bios-version']),
          warning: text(claims['x-nvidia-attestation-warning']),
        },
      ]),
    ),
    signingKey:
      anchor === null
        ? { pinned: false, source: 'the JWKS as the caller gave it' }
        : { pinned: true, name: anchor.name, kind: anchor.kind, spkiSha256: toHex(anchor.spkiSha256) },
  };
}
