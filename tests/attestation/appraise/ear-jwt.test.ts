import { CompactSign, importJWK } from 'jose';
import { expect, test } from 'vitest';
import { createEarSigner, type EarClaims, earOf, verifyEar } from '../../../src/attestation/index.ts';
import { developmentWith, fill, judge, NOW } from './scene.ts';

const seconds = Math.floor(NOW / 1000);
const good: EarClaims = { eat_profile: 'tag:github.com,2023:veraison/ear', iat: seconds, exp: seconds + 60 };
const signer = await createEarSigner(fill(1, 32));
const [key] = signer.keys.keys;
const token = await signer.sign(good);
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const [head, body, signature] = token.split('.') as [string, string, string];

/** Signed by the very key, under another header. */
async function signedUnder(changes: object): Promise<string> {
  const secret = await importJWK({ ...key, d: Buffer.from(fill(1, 32)).toString('base64url') }, 'EdDSA');
  const header = { alg: 'EdDSA', kid: key?.kid ?? '', typ: 'eat+jwt', ...changes };
  return new CompactSign(Buffer.from(JSON.stringify(good))).setProtectedHeader(header).sign(secret);
}

test('an appraisal goes out signed and comes back as it was', async () => {
  const appraisal = await judge();
  const claims = earOf(appraisal, developmentWith({}), NOW);
  expect(appraisal.status).toBe('affirming');
  expect(await verifyEar(await signer.sign(claims), signer.keys, NOW)).toEqual(claims);
  expect(claims).toMatchObject({ submods: { cpu: { 'ear.status': 'affirming' } } });
});

test('the key is public, named by its thumbprint, the same for the same seed and for no other', async () => {
  expect(Object.keys(key ?? {}).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
  expect((await createEarSigner(fill(1, 32))).keys).toEqual(signer.keys);
  expect((await createEarSigner(fill(2, 32))).keys.keys[0]?.kid).not.toBe(key?.kid);
});

const other = await createEarSigner(fill(2, 32));
test.each([
  ['another verifier’s', await other.sign(good), 'EVIDENCE_SIGNATURE_INVALID'],
  ['changed claims', `${head}.${base64url({ ...good, iat: 0 })}.${signature}`, 'EVIDENCE_SIGNATURE_INVALID'],
  ['no signature', `${base64url({ alg: 'none', typ: 'eat+jwt' })}.${body}.`, 'EVIDENCE_SIGNATURE_INVALID'],
  ['a type of something else', await signedUnder({ typ: 'JWT' }), 'EVIDENCE_SIGNATURE_INVALID'],
  ['a key that it brings along', await signedUnder({ kid: 'mine', jwk: key }), 'EVIDENCE_SIGNATURE_INVALID'],
  ['no token', 'result', 'EVIDENCE_SIGNATURE_INVALID'],
  ['expired', await signer.sign({ ...good, exp: seconds }), 'EVIDENCE_STALE'],
  ['of the future', await signer.sign({ ...good, iat: seconds + 61, exp: seconds + 90 }), 'EVIDENCE_STALE'],
  ['without an end', await signer.sign({ ...good, exp: null }), 'EVIDENCE_MALFORMED'],
  ['another profile', await signer.sign({ ...good, eat_profile: 'other' }), 'EVIDENCE_MALFORMED'],
  ['too long', await signer.sign({ ...good, x: 'x'.repeat(300_000) }), 'EVIDENCE_MALFORMED'],
])('a result is refused: %s', async (_, presented, code) => {
  await expect(verifyEar(presented, signer.keys, NOW)).rejects.toMatchObject({ code });
});
