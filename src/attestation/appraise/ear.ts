import { sha256 } from '#crypto';
import { type Bytes, canonicalJsonBytes, type Json, rfc3339, toHex, type UnixMs } from '../../core/index.ts';
import type { Check } from '../verify/index.ts';
import { type Appraisal, type AppraisalGroups, VERIFIER_VERSION } from './appraise.ts';
import type { EarClaims } from './ear-jwt.ts';
import { type Policy, policyDigest } from './policy.ts';

/** Trustworthiness claims of AR4SI (draft-ietf-rats-ar4si, section 2.3): how far, and in which respect. */
const TIER = { none: 0, affirming: 2, warning: 32, contraindicated: 96 } as const;
const CLAIMS = ['instance-identity', 'configuration', 'executables', 'hardware', 'runtime-opaque'] as const;
type Claim = (typeof CLAIMS)[number];

/** Which checks speak of what; a check of ours that is none of these is of the whole and of no single claim. */
const OF_CPU: Readonly<Record<Claim, readonly RegExp[]>> = {
  'instance-identity': [
    /^cpu\..*(chain|Chain|Signature|signature|leaf|Leaf|KeyBound)/,
    /^policy\.(platform|chip|trustAnchor)/,
  ],
  configuration: [
    /^policy\.(debugOff|septVeDisable|serviceTd|tdAttributes|xfam|guestPolicy|vmpl|platformInfo|host|model)/,
  ],
  executables: [/^policy\.image$/, /^binding\.(rtmr3Replay|identityEvent|modelEvent|noOtherEvents|noEvents)$/],
  hardware: [/^cpu\.(tcb|Tcb)/, /^policy\.(tcb|advisor|firmware|productLine|mitigations|provisional)/],
  'runtime-opaque': [/^binding\.(reportData|quoteExact)$/],
};
const OF_GPU: Readonly<Record<Claim, readonly RegExp[]>> = {
  'instance-identity': [
    /^gpu\.(deviceChain|reportSignature|firmwareId|distinctDevices)/,
    /^policy\.(gpuDevices|gpuTrustAnchors)$/,
  ],
  configuration: [/^gpu\.(oneMode|topology)$/, /^policy\.(gpuMode|gpuCount)$/],
  executables: [/^gpu\.(driver|vbios|switch|manifest|measurements)/, /^policy\.gpuFirmware$/],
  hardware: [/^gpu\.(architecture|deviceFields|deviceEvidence)$/, /^policy\.gpuArchitecture$/],
  // No report says which machine a device is in: that the guest has it to itself is the guest's word.
  'runtime-opaque': [/^binding\.(gpuNonce|deviceKinds|devicesEvent)$/],
};

function flattened(groups: AppraisalGroups): [name: string, check: Check][] {
  return Object.entries(groups).flatMap(([group, checks]) =>
    Object.entries(checks).map(([name, check]): [string, Check] => [`${group}.${name}`, check]),
  );
}

/** Names come again with each appraisal; those of a policy's own rules are as many as its author likes. */
const NAMES_HELD_MAX = 1024;

/** Which claims a check speaks of, by its name. */
function claimsByName(claims: Readonly<Record<Claim, readonly RegExp[]>>): (name: string) => readonly Claim[] {
  const rows = Object.entries(claims) as [Claim, readonly RegExp[]][];
  const held = new Map<string, readonly Claim[]>();
  return (name) => {
    const known = held.get(name);
    if (known !== undefined) return known;
    const found = rows.filter(([, patterns]) => patterns.some((pattern) => pattern.test(name))).map(([claim]) => claim);
    if (held.size < NAMES_HELD_MAX) held.set(name, found);
    return found;
  };
}

const CLAIMS_OF_CPU = claimsByName(OF_CPU);
const CLAIMS_OF_GPU = claimsByName(OF_GPU);

/** The worst of the checks behind each claim: contraindicated where one failed, a warning where one was not run. */
function vectorOf(checks: readonly [string, Check][], claimsOf: (name: string) => readonly Claim[]): Json {
  const outcomes = new Map(CLAIMS.map((claim) => [claim, new Set<Check['outcome']>()]));
  for (const [name, { outcome }] of checks) for (const claim of claimsOf(name)) outcomes.get(claim)?.add(outcome);
  const rows = [...outcomes].map(([claim, found]) => {
    const tier =
      found.size === 0
        ? 'none'
        : found.has('failed')
          ? 'contraindicated'
          : found.has('notRun')
            ? 'warning'
            : 'affirming';
    return [claim, TIER[tier]];
  });
  return Object.fromEntries(rows) as Json;
}

const STATUS = { affirming: 'affirming', refused: 'contraindicated', unavailable: 'none' } as const;

/**
 * An appraisal as an EAT Attestation Result (draft-ietf-rats-ear-04): claims, for a JWT or to stand by themselves. One
 * submodule for the CPU and one for the devices, where there are some; both have the status of the whole, because neither is
 * relied on without the other.
 */
export function earOf(appraisal: Appraisal, policy: Policy, now: UnixMs): EarClaims {
  const checks = flattened(appraisal.groups);
  const because = appraisal.status === 'affirming' ? [] : appraisal.because;
  const judged = {
    'ear.status': STATUS[appraisal.status],
    'ear.appraisal-policy-id': `${policy.id}#${policy.number}`,
    'chrysalis.policy-digest': toHex(policyDigest(policy)),
    'chrysalis.judged-at': rfc3339(Math.floor(now / 1000)),
    'chrysalis.because': because,
  };
  const cpu = {
    ...judged,
    'ear.trustworthiness-vector': vectorOf(checks, CLAIMS_OF_CPU),
    'chrysalis.tee': appraisal.tee,
    'chrysalis.tcb-status': appraisal.tcbStatus,
    'chrysalis.identity-binding': appraisal.identityBinding,
    'chrysalis.simulated': appraisal.simulated,
  };
  const gpu = {
    ...judged,
    'ear.trustworthiness-vector': vectorOf(checks, CLAIMS_OF_GPU),
    'chrysalis.gpu-binding': appraisal.gpuBinding,
    'chrysalis.devices': appraisal.devices.map((device) => ({ ...device })),
  };
  return {
    eat_profile: 'tag:github.com,2023:veraison/ear',
    iat: Math.floor(now / 1000),
    ...(appraisal.expiresAt === null ? {} : { exp: Math.floor(appraisal.expiresAt / 1000) }),
    'ear.verifier-id': { developer: 'chrysalis', build: VERIFIER_VERSION },
    'chrysalis.worker-id': toHex(appraisal.workerId),
    'chrysalis.evidence-digest': toHex(appraisal.evidenceDigest),
    submods: { cpu, ...(appraisal.gpuBinding === null ? {} : { gpu }) },
  };
}

/**
 * An attestation result in detached form: SHA-256 over its canonical JSON (RFC 8785), 32 bytes. Whoever has what an appraisal
 * was made with makes the claims again, and finds the same digest where the same version of the verifier made them.
 */
export function earDigest(claims: EarClaims): Bytes {
  return sha256(canonicalJsonBytes(claims));
}
