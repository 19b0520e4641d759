import * as crypto from 'node:crypto';
import { CompactSign, exportJWK, generateKeyPair, type JWK } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { type NrasContext, parseNrasAnswer, parseNrasKeys, verifyNrasAnswer } from '../../../src/attestation/index.ts';
import { type Json, toHex, utf8 } from '../../../src/core/index.ts';
import { NONCE, NOW } from './scene.ts';

const ISSUER = 'https://nras.attestation.nvidia.com';
type Claims = Record<string, Json>;
type Key = Awaited<ReturnType<typeof generateKeyPair>>;

const GOOD_CHAIN = { 'x-nvidia-cert-status': 'valid', 'x-nvidia-cert-ocsp-status': 'good' };
const times = { nbf: NOW - 60, iat: NOW - 60, exp: NOW + 3000, iss: ISSUER, eat_nonce: toHex(NONCE) };

function deviceClaims(ueid: string): Claims {
  const claims: Claims = { ...times, ueid, measres: 'success', secboot: true, dbgstat: 'disabled' };
  const trueOnes = ['arch-check', 'vbios-index-no-conflict'];
  for (const one of ['parsed', 'nonce-match', 'signature-verified', 'cert-chain-fwid-match']) {
    trueOnes.push(`attestation-report-${one}`);
  }
  for (const rim of ['driver', 'vbios']) {
    for (const one of [
      'fetched',
      'signature-verified',
      'version-match',
      'measurements-available',
      'schema-validated',
    ]) {
      trueOnes.push(`${rim}-rim-${one}`);
    }
  }
  for (const name of trueOnes) claims[`x-nvidia-gpu-${name}`] = true;
  for (const chain of ['attestation-report', 'driver-rim', 'vbios-rim']) {
    claims[`x-nvidia-gpu-${chain}-cert-chain`] = GOOD_CHAIN;
  }
  return claims;
}

let key: Key;
let otherKey: Key;
let jwks: Json;
beforeAll(async () => {
  key = await generateKeyPair('ES384', { extractable: true });
  otherKey = await generateKeyPair('ES384', { extractable: true });
  const publish = async ({ publicKey }: Key, kid: string): Promise<JWK> => ({ ...(await exportJWK(publicKey)), kid });
  jwks = { keys: [await publish(key, 'k1'), await publish(otherKey, 'k2')] } as unknown as Json;
});

const sign = (claims: Claims, by = key, kid = 'k1') =>
  new CompactSign(utf8(JSON.stringify(claims))).setProtectedHeader({ alg: 'ES384', kid }).sign(by.privateKey);
const digestOf = (token: string): Json => ['DIGEST', ['SHA-256', crypto.hash('sha256', token, 'hex')]];

type Parts = {
  overall: Claims;
  devices: Record<string, Claims>;
  /** Changes tokens after the digests were made. */
  after: (tokens: Record<string, string>) => unknown;
  before: (tokens: Record<string, string>) => unknown;
};

async function judge(parts: Partial<Parts> = {}, context: Partial<NrasContext> = {}) {
  const devices = parts.devices ?? { 'GPU-0': deviceClaims('1'), 'GPU-1': deviceClaims('2') };
  const tokens: Record<string, string> = {};
  for (const [name, claims] of Object.entries(devices)) tokens[name] = await sign(claims);
  await parts.before?.(tokens);
  const submods = Object.fromEntries(Object.entries(tokens).map(([name, token]) => [name, digestOf(token)]));
  const head = { ...times, sub: 'NVIDIA-PLATFORM-ATTESTATION', 'x-nvidia-overall-att-result': true, submods };
  const overall = await sign({ ...head, ...parts.overall });
  await parts.after?.(tokens);
  const keys = parseNrasKeys(jwks);
  const answer = parseNrasAnswer(JSON.stringify([['JWT', overall], tokens]));
  return verifyNrasAnswer(answer, { keys, issuer: ISSUER, expectNonce: NONCE, anchors: [], now: NOW, ...context });
}

test('tokens without an attack are verified', async () => {
  const { verdict, checks } = await judge();
  expect({ verdict, failed: Object.entries(checks).filter(([, one]) => one.outcome === 'failed') }).toEqual({
    verdict: 'verified',
    failed: [],
  });
});

/** Puts another token in the place of the second device's. */
const second = (make: (token: string) => string | Promise<string>) => async (tokens: Record<string, string>) => {
  tokens['GPU-1'] = await make(tokens['GPU-1'] as string);
};
const two = () => ({ 'GPU-0': deviceClaims('1'), 'GPU-1': deviceClaims('2') });
const withSecond = (claims: Claims) => ({ devices: { ...two(), 'GPU-1': { ...deviceClaims('2'), ...claims } } });

describe('refused', () => {
  test.each<[string, string, Partial<Parts>, Partial<NrasContext>]>([
    ['of the staging service', 'issuer', { overall: { iss: 'https://nras.attestation-stg.nvidia.com' } }, {}],
    ['a device token of another issuer', 'issuer', withSecond({ iss: 'LOCAL_GPU_VERIFIER' }), {}],
    ['expired', 'tokensCurrent', {}, { now: NOW + 3000 }],
    ['of the future', 'tokensCurrent', {}, { now: NOW - 3000 }],
    ['a device token that expired alone', 'tokensCurrent', withSecond({ exp: NOW - 1 }), {}],
    ['that live for a day', 'tokensCurrent', { overall: { exp: NOW + 86_400 } }, {}],
    ['without times', 'tokensCurrent', { overall: { nbf: 'now' } }, {}],
    ['of another nonce', 'expectedNonce', {}, { expectNonce: new Uint8Array(32) }],
    [
      'a device token of another nonce under a good overall token',
      'oneNonce',
      withSecond({ eat_nonce: '00'.repeat(32) }),
      {},
    ],
    ['an overall result of false', 'overallResult', { overall: { 'x-nvidia-overall-att-result': false } }, {}],
    [
      'an overall result that is only text',
      'overallResult',
      { overall: { 'x-nvidia-overall-att-result': 'true' } },
      {},
    ],
    ['of another subject', 'overallResult', { overall: { sub: 'somebody' } }, {}],
    ['a device token dropped', 'deviceTokens', { after: (tokens) => Reflect.deleteProperty(tokens, 'GPU-1') }, {}],
    [
      'a device that the overall token does not name',
      'deviceTokens',
      { after: async (t) => Object.assign(t, { 'GPU-2': await sign(deviceClaims('3')) }) },
      {},
    ],
    [
      'two device tokens swapped',
      'deviceTokens',
      { after: (t) => Object.assign(t, { 'GPU-0': t['GPU-1'], 'GPU-1': t['GPU-0'] }) },
      {},
    ],
    ['a device token of another answer', 'deviceTokens', { after: second(() => sign(deviceClaims('9'))) }, {}],
    [
      'a digest in another algorithm',
      'deviceTokens',
      { overall: { submods: { 'GPU-0': ['DIGEST', ['SHA-1', 'x']], 'GPU-1': null } } },
      {},
    ],
    [
      'one device twice',
      'distinctDevices',
      { devices: { 'GPU-0': deviceClaims('1'), 'GPU-1': deviceClaims('1') } },
      {},
    ],
    ['a device without ueid', 'distinctDevices', withSecond({ ueid: null }), {}],
    ['measurements that did not match', 'deviceResults', withSecond({ measres: 'comparison-fail' }), {}],
    ['debugging on', 'deviceResults', withSecond({ dbgstat: 'enabled' }), {}],
    ['secure boot off', 'deviceResults', withSecond({ secboot: null }), {}],
    [
      'a nonce that did not match',
      'deviceResults',
      withSecond({ 'x-nvidia-gpu-attestation-report-nonce-match': false }),
      {},
    ],
    [
      'a signature that did not verify',
      'deviceResults',
      withSecond({ 'x-nvidia-gpu-driver-rim-signature-verified': false }),
      {},
    ],
    [
      'a certificate on hold',
      'deviceResults',
      withSecond({
        'x-nvidia-gpu-attestation-report-cert-chain': { ...GOOD_CHAIN, 'x-nvidia-cert-ocsp-status': 'revoked' },
      }),
      {},
    ],
    [
      'an expired manifest signer',
      'deviceResults',
      withSecond({ 'x-nvidia-gpu-driver-rim-cert-chain': { ...GOOD_CHAIN, 'x-nvidia-cert-status': 'expired' } }),
      {},
    ],
    ['error details', 'deviceResults', withSecond({ 'x-nvidia-error-details': { code: 4010 } }), {}],
    ['a check nobody knows that says false', 'deviceResults', withSecond({ 'x-nvidia-gpu-something-new': false }), {}],
    ['a claim changed after signing', 'tokenSignatures', { before: second(tampered) }, {}],
    [
      'a device token by another key of the JWKS under its own kid',
      'tokenSignatures',
      { before: second(() => sign(deviceClaims('2'), otherKey, 'k2')) },
      {},
    ],
    [
      'a kid that is not the key that signed',
      'tokenSignatures',
      { before: second(() => sign(deviceClaims('2'), otherKey, 'k1')) },
      {},
    ],
    [
      'algorithm none',
      'tokenSignatures',
      { before: second((token) => withHeader(token, { alg: 'none', kid: 'k1' })) },
      {},
    ],
    [
      'algorithm HS256',
      'tokenSignatures',
      { before: second((token) => withHeader(token, { alg: 'HS256', kid: 'k1' })) },
      {},
    ],
    [
      'a key in its own header',
      'tokenSignatures',
      { before: second((token) => withHeader(token, { alg: 'ES384', kid: 'k1', jwk: {} })) },
      {},
    ],
  ])('%s, by %s', async (_, check, parts, context) => {
    const { verdict, checks } = await judge(parts, context);
    expect({ verdict, [check]: checks[check as keyof typeof checks].outcome }).toEqual({
      verdict: 'refused',
      [check]: 'failed',
    });
  });

  test('without its signature nothing of a token is read', async () => {
    const { overall, devices } = await judge({ before: second(tampered) });
    expect([overall, devices.size]).toEqual([null, 0]);
  });

  test.each([
    ['a token of two parts', '[["JWT","a.b"],{"GPU-0":"a.b.c"}]'],
    ['no device token', '[["JWT","a.b.c"],{}]'],
    ['a name that is no device', '[["JWT","a.b.c"],{"../x":"a.b.c"}]'],
    ['one name twice', '[["JWT","a.b.c"],{"GPU-0":"a.b.c","GPU-0":"a.b.c"}]'],
    ['another shape', '{"JWT":"a.b.c"}'],
  ])('%s is malformed', (_, text) => {
    expect(() => parseNrasAnswer(text)).toThrow();
  });

  test('a JWKS with one kid twice', () => {
    const [first] = (jwks as { keys: Json[] }).keys;
    expect(() => parseNrasKeys({ keys: [first as Json, first as Json] })).toThrow('kid twice');
  });
});

function withHeader(token: string, header: Json): string {
  return [Buffer.from(JSON.stringify(header)).toString('base64url'), ...token.split('.').slice(1)].join('.');
}

function tampered(token: string): string {
  const [header, payload, signature] = token.split('.') as [string, string, string];
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Claims;
  const forged = Buffer.from(JSON.stringify({ ...claims, ueid: '77' })).toString('base64url');
  return [header, forged, signature].join('.');
}
