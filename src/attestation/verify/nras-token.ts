import { compactVerify, importJWK } from 'jose';
import { sha256 } from '#crypto';
import { CodedError, fromUtf8, type Json, parseStrictJson, toHex, type UnixSeconds, utf8 } from '../../core/index.ts';
import {
  type Judged,
  judgeNrasKey,
  missing,
  type NrasKey,
  ok,
  type TrustAnchor,
  wrong,
} from '../endorsements/index.ts';
import type { NrasAnswer } from '../evidence/nvidia/index.ts';
import { type Check, check, failed, notRun, PASSED } from './check.ts';
import { after, checkOf } from './judged-checks.ts';
import { whyDeviceNotGood } from './nras-claims.ts';

/** Tokens live an hour; a clock may lag a minute behind NVIDIA's. */
const LIFETIME_SECONDS_MAX = 3600;
const SKEW_SECONDS = 60;
const SUBJECT = 'NVIDIA-PLATFORM-ATTESTATION';

/** In the order in which they are reported. */
export const NRAS_CHECKS = [
  'tokenSignatures',
  'signingCertificate',
  'issuer',
  'tokensCurrent',
  'oneNonce',
  'expectedNonce',
  'deviceTokens',
  'overallResult',
  'deviceResults',
  'distinctDevices',
] as const;
export type NrasCheckName = (typeof NRAS_CHECKS)[number];
export type NrasClaims = { readonly [name: string]: Json | undefined };

export type NrasContext = Readonly<{
  /** Null where no JWKS is given. */
  keys: ReadonlyMap<string, NrasKey> | null;
  /** Exactly this `iss`. */
  issuer: string;
  /** 32 bytes that NVIDIA must have seen signed. */
  expectNonce?: Uint8Array | undefined;
  anchors: readonly TrustAnchor[];
  now: UnixSeconds;
}>;

/** `verified`: NVIDIA says that it saw genuine evidence with this nonce. There is no report in it, so it never stands for one. */
export type NrasVerdict = Readonly<{
  verdict: 'verified' | 'refused' | 'unavailable';
  checks: Readonly<Record<NrasCheckName, Check>>;
  /** Null before the signatures held. */
  overall: NrasClaims | null;
  devices: ReadonlyMap<string, NrasClaims>;
  /** What vouches for the signing key apart from whoever gave the JWKS. */
  anchor: TrustAnchor | null;
}>;

/** Whether a verdict of 'verified' needs this check to have passed. */
export function isRequiredNrasCheck(name: string, { expectNonce }: Pick<NrasContext, 'expectNonce'>): boolean {
  return name === 'expectedNonce' ? expectNonce !== undefined : name !== 'signingCertificate';
}

/**
 * Verifies the tokens of NVIDIA's remote attestation service: ES384 by one key of the JWKS, the issuer, times and nonce of
 * every token, the digests that tie the device tokens to the overall one, and what each of them says.
 */
export async function verifyNrasAnswer(answer: NrasAnswer, context: NrasContext): Promise<NrasVerdict> {
  const key = keyOf(answer, context);
  const tokens = key.state === 'ok' ? await openAll(answer, key.value) : key;
  const certificate = key.state === 'ok' ? await judgeNrasKey(key.value, context.anchors, context.now) : key;
  const judge = (by: (opened: Opened) => Check) => after(tokens, by);
  const checks: Record<NrasCheckName, Check> = {
    tokenSignatures: checkOf(tokens),
    signingCertificate: key.state === 'ok' ? checkOf(certificate) : notRun('the signing key is not known'),
    issuer: judge(({ all }) => issuerCheck(all, context.issuer)),
    tokensCurrent: judge(({ all }) => currentCheck(all, context.now)),
    oneNonce: judge(({ all }) => oneNonce(all)),
    expectedNonce: judge(({ all }) => expectedNonce(all, context)),
    deviceTokens: judge((opened) => digestCheck(answer, opened)),
    overallResult: judge(({ overall }) => overallCheck(overall)),
    deviceResults: judge(({ devices }) => deviceCheck(devices)),
    distinctDevices: judge(({ devices }) => distinctCheck(devices)),
  };
  const entries = Object.entries(checks);
  const isRefused = entries.some(([, { outcome }]) => outcome === 'failed');
  const isOpen = entries.some(([name, { outcome }]) => isRequiredNrasCheck(name, context) && outcome !== 'passed');
  return {
    verdict: isRefused ? 'refused' : isOpen ? 'unavailable' : 'verified',
    checks,
    overall: tokens.state === 'ok' ? tokens.value.overall : null,
    devices: tokens.state === 'ok' ? tokens.value.devices : new Map(),
    anchor: certificate.state === 'ok' ? certificate.value : null,
  };
}

type Opened = Readonly<{ overall: NrasClaims; devices: ReadonlyMap<string, NrasClaims>; all: readonly NrasClaims[] }>;

/** The one key that the headers of all tokens name; the algorithm is the key's, never the header's. */
function keyOf({ overall, devices }: NrasAnswer, { keys }: NrasContext): Judged<NrasKey> {
  const kids = new Set<string>();
  for (const token of [overall, ...devices.values()]) {
    const header = partOf(token, 0);
    const unknown = Object.keys(header).find((name) => !['alg', 'kid', 'typ'].includes(name));
    if (unknown !== undefined) return wrong('EVIDENCE_UNSUPPORTED', 'a token with a header that is not known');
    if (header.alg !== 'ES384') return wrong('EVIDENCE_SIGNATURE_INVALID', 'a token that is not signed with ES384');
    if (typeof header.kid !== 'string') return wrong('EVIDENCE_SIGNATURE_INVALID', 'a token that names no key');
    kids.add(header.kid);
  }
  if (kids.size !== 1) return wrong('EVIDENCE_SIGNATURE_INVALID', 'the tokens are not all signed by one key');
  if (keys === null) return missing('no JWKS is given');
  const key = keys.get([...kids][0] as string);
  return key === undefined ? missing('the JWKS does not hold the signing key: fetch it again') : ok(key);
}

async function openAll({ overall, devices }: NrasAnswer, { x, y }: NrasKey): Promise<Judged<Opened>> {
  try {
    const key = await importJWK({ kty: 'EC', crv: 'P-384', x, y }, 'ES384');
    const open = async (token: string) => {
      const { payload } = await compactVerify(token, key, { algorithms: ['ES384'] });
      return recordOf(parseStrictJson(fromUtf8(payload, 'token'), 'token'));
    };
    const opened = new Map<string, NrasClaims>();
    for (const [name, token] of devices) opened.set(name, await open(token));
    const head = await open(overall);
    return ok({ overall: head, devices: opened, all: [head, ...opened.values()] });
  } catch (error) {
    if (error instanceof CodedError) return wrong('EVIDENCE_MALFORMED', `a token: ${error.message}`);
    return wrong('EVIDENCE_SIGNATURE_INVALID', 'a token is not signed by the key that it names');
  }
}

/** @throws CodedError EVIDENCE_MALFORMED */
function partOf(token: string, part: 0 | 1): NrasClaims {
  const text = (token.split('.')[part] as string).replaceAll('-', '+').replaceAll('_', '/');
  try {
    return recordOf(parseStrictJson(atob(text), 'token'));
  } catch (cause) {
    throw new CodedError('EVIDENCE_MALFORMED', 'a token whose header cannot be read', {}, { cause });
  }
}

function recordOf(value: Json): NrasClaims {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as NrasClaims;
  throw new CodedError('EVIDENCE_MALFORMED', 'not an object');
}

function issuerCheck(all: readonly NrasClaims[], issuer: string): Check {
  const isIt = all.every(({ iss }) => iss === issuer);
  return check(isIt, 'EVIDENCE_CHAIN_INVALID', `a token of another issuer than ${issuer}`);
}

function currentCheck(all: readonly NrasClaims[], now: UnixSeconds): Check {
  for (const { nbf, exp, iat } of all) {
    if (!isTime(nbf) || !isTime(exp) || !isTime(iat)) return failed('EVIDENCE_MALFORMED', 'a token without its times');
    if (nbf > now + SKEW_SECONDS || iat > now + SKEW_SECONDS) return failed('EVIDENCE_STALE', 'a token of the future');
    if (now >= exp) return failed('EVIDENCE_STALE', 'a token past its end');
    if (exp - nbf > LIFETIME_SECONDS_MAX) return failed('EVIDENCE_STALE', 'a token with a longer life than an hour');
  }
  return PASSED;
}

const isTime = (value: Json | undefined): value is number => typeof value === 'number' && Number.isSafeInteger(value);

/** Lower-case hexadecimal, or null: the service does not always write the same case. */
function nonceOf({ eat_nonce: nonce }: NrasClaims): string | null {
  return typeof nonce === 'string' && /^[0-9a-fA-F]{64}$/.test(nonce) ? nonce.toLowerCase() : null;
}

function oneNonce(all: readonly NrasClaims[]): Check {
  const nonces = new Set(all.map(nonceOf));
  const isOne = nonces.size === 1 && !nonces.has(null);
  return check(isOne, 'EVIDENCE_EXPECTATION_MISMATCH', 'the tokens are not all about one nonce');
}

function expectedNonce(all: readonly NrasClaims[], { expectNonce }: NrasContext): Check {
  if (expectNonce === undefined) return notRun('the caller expects no particular nonce');
  const isIt = all.every((claims) => nonceOf(claims) === toHex(expectNonce));
  return check(isIt, 'EVIDENCE_EXPECTATION_MISMATCH', 'a token is about another nonce than the one expected');
}

/** The overall token names exactly the device tokens, each by its SHA-256. */
function digestCheck(answer: NrasAnswer, { overall }: Opened): Check {
  const refused = (why: string) => failed('EVIDENCE_NOT_BOUND', why);
  const { submods } = overall;
  if (typeof submods !== 'object' || submods === null || Array.isArray(submods))
    return refused('no digests of devices');
  const named = submods as NrasClaims;
  const names = Object.keys(named);
  const isComplete = names.length === answer.devices.size && names.every((name) => answer.devices.has(name));
  if (!isComplete) return refused('the device tokens are not exactly those that the overall token names');
  for (const [name, token] of answer.devices) {
    const [kind, digest] = listOf(named[name]);
    const [algorithm, value] = listOf(digest);
    if (kind !== 'DIGEST' || algorithm !== 'SHA-256' || value !== toHex(sha256(utf8(token)))) {
      return refused(`the token of ${name} is not the one that the overall token names`);
    }
  }
  return PASSED;
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) && value.length === 2 ? (value as readonly Json[]) : [];
}

function overallCheck(overall: NrasClaims): Check {
  const isIt = overall['x-nvidia-overall-att-result'] === true && overall.sub === SUBJECT;
  return check(isIt, 'EVIDENCE_MEASUREMENT_MISMATCH', 'NVIDIA does not say that the platform as a whole is good');
}

function deviceCheck(devices: ReadonlyMap<string, NrasClaims>): Check {
  for (const [name, claims] of devices) {
    const why = whyDeviceNotGood(name.startsWith('GPU') ? 'gpu' : 'switch', claims);
    if (why !== null) return failed('EVIDENCE_MEASUREMENT_MISMATCH', `${name}: ${why}`);
  }
  return PASSED;
}

function distinctCheck(devices: ReadonlyMap<string, NrasClaims>): Check {
  const ueids = [...devices.values()].map(({ ueid }) => ueid);
  const isIt = ueids.every((ueid) => typeof ueid === 'string' && /^\d{1,64}$/.test(ueid));
  const distinct = isIt && new Set(ueids).size === ueids.length;
  return check(distinct, 'EVIDENCE_PLATFORM_MISMATCH', 'the tokens are not of different devices');
}
