import fc from 'fast-check';
import { base64url, calculateJwkThumbprint, GeneralSign, generalVerify, importJWK } from 'jose';
import { describe, expect, test } from 'vitest';
import { ed25519Key } from '#crypto';
import {
  approvalProblems,
  approverKid,
  encodeApprovals,
  parseApprovals,
  signApproval,
} from '../../../src/attestation/index.ts';
import { CodedError, fromUtf8, type Json, utf8 } from '../../../src/core/index.ts';
import { fill } from './scene.ts';

const seeds = { alice: fill(31, 32), bob: fill(32, 32) };
const [alice, bob] = [ed25519Key(seeds.alice), ed25519Key(seeds.bob)];
const approvers = new Map([
  ['alice', alice.publicKey],
  ['bob', bob.publicKey],
]);
const policy = { digest: fill(5, 32), number: 7 };
const statement = { policyDigest: policy.digest, number: policy.number, effectiveFromIndex: 40 };
const signatures = [await signApproval(alice, 'author', statement), await signApproval(bob, 'approver', statement)];
const honest = encodeApprovals({ statement, signatures });

type Jws = { payload: string; signatures: Record<string, Json>[] } & Record<string, Json>;
const text = (value: unknown) => base64url.encode(typeof value === 'string' ? value : JSON.stringify(value));
const problems = async (bytes: Uint8Array) => approvalProblems(parseApprovals(bytes), policy, approvers);
const jwkOf = (name: keyof typeof seeds) => {
  const x = base64url.encode(name === 'alice' ? alice.publicKey : bob.publicKey);
  return { kty: 'OKP', crv: 'Ed25519', x } as const;
};
const header = {
  alg: 'EdDSA',
  kid: approverKid(alice.publicKey),
  role: 'author',
  typ: 'chrysalis-policy-approval+jws',
};

test('an author and an approver, each with a key of their own', async () => {
  expect(await problems(honest)).toEqual([]);
  expect(parseApprovals(honest)).toEqual({ statement, signatures });
});

test('it is a JWS: another library takes ours, and we take what it signs', async () => {
  for (const [place, name] of (['alice', 'bob'] as const).entries()) {
    const jws = JSON.parse(fromUtf8(honest)) as Jws;
    const one = { payload: jws.payload, signatures: [jws.signatures[place] as { signature: string }] };
    const { payload } = await generalVerify(one, await importJWK(jwkOf(name), 'EdDSA'), { algorithms: ['EdDSA'] });
    expect(base64url.encode(payload)).toBe(jws.payload);
    expect(parseApprovals(honest).signatures[place]?.kid).toBe(await calculateJwkThumbprint(jwkOf(name)));
  }
  const made = new GeneralSign(base64url.decode((JSON.parse(fromUtf8(honest)) as Jws).payload));
  for (const [name, role] of [
    ['alice', 'author'],
    ['bob', 'approver'],
  ] as const) {
    const key = await importJWK({ ...jwkOf(name), d: base64url.encode(seeds[name]) }, 'EdDSA');
    const kid = await calculateJwkThumbprint(jwkOf(name));
    made.addSignature(key).setProtectedHeader({ typ: header.typ, role, kid, alg: 'EdDSA' });
  }
  expect(await problems(utf8(JSON.stringify(await made.sign())))).toEqual([]);
});

describe('malformed', () => {
  const first = (change: Record<string, Json>) => (jws: Jws) => Object.assign(jws.signatures[0] as object, change);
  const protectedAs = (value: unknown) => first({ protected: text(value) });
  const payloadAs = (value: unknown) => (jws: Jws) => Object.assign(jws, { payload: text(value) });
  const said = { effectiveFromIndex: 40, number: 7, policyDigest: `sha256:${'05'.repeat(32)}` };
  test.each<[string, (jws: Jws) => unknown]>([
    ['algorithm none', protectedAs({ ...header, alg: 'none' })],
    ['another algorithm', protectedAs({ ...header, alg: 'HS256' })],
    ['another name of the algorithm', protectedAs({ ...header, alg: 'Ed25519' })],
    ['another type', protectedAs({ ...header, typ: 'JWT' })],
    ['no type', protectedAs({ alg: header.alg, kid: header.kid, role: header.role })],
    ['crit', protectedAs({ ...header, crit: ['b64'], b64: false })],
    ['an embedded key', protectedAs({ ...header, jwk: jwkOf('alice') })],
    ['an address of keys', protectedAs({ ...header, jku: 'https://keys.test' })],
    ['a header nobody knows', protectedAs({ ...header, surprise: 1 })],
    ['a header twice', protectedAs(`{"role":"approver",${JSON.stringify(header).slice(1)}`)],
    ['another role', protectedAs({ ...header, role: 'reader' })],
    ['an unprotected header', first({ header: { kid: header.kid } })],
    ['padding', (jws) => Object.assign(jws, { payload: `${jws.payload}=` })],
    ['standard base64', first({ signature: '+'.repeat(86) })],
    ['slack bits', first({ signature: `${'A'.repeat(85)}B` })],
    ['a short signature', first({ signature: text('short') })],
    ['another member', (jws) => Object.assign(jws, { comment: '' })],
    ['the flattened form', (jws) => Object.assign(jws, jws.signatures[0], { signatures: undefined })],
    ['too many signatures', (jws) => Object.assign(jws, { signatures: Array(17).fill(jws.signatures[0]) })],
    ['a statement in another form', payloadAs(JSON.stringify(said, null, 1))],
    ['a statement with more', payloadAs({ ...said, surprise: 1 })],
    ['a statement without its index', payloadAs({ number: 7, policyDigest: said.policyDigest })],
    ['a negative index', payloadAs({ ...said, effectiveFromIndex: -1 })],
    ['a fraction of an index', payloadAs({ ...said, effectiveFromIndex: 0.5 })],
  ])('%s', (_, change) => {
    const jws = JSON.parse(fromUtf8(honest)) as Jws;
    change(jws);
    expect(() => parseApprovals(utf8(JSON.stringify(jws)))).toThrow(CodedError);
  });
});

describe('refused', () => {
  const of = async (...signed: Awaited<ReturnType<typeof signApproval>>[]) =>
    problems(encodeApprovals({ statement, signatures: signed }));
  const [author, approver] = signatures as [(typeof signatures)[0], (typeof signatures)[0]];
  test('nobody, one person, one person in both roles, two in one role, a stranger', async () => {
    expect(await of()).toEqual(['0 of 2 people signed it']);
    expect(await of(author)).toEqual(['1 of 2 people signed it']);
    expect(await of(author, await signApproval(alice, 'approver', statement))).toContain('alice signed twice');
    expect(await of(approver, await signApproval(alice, 'approver', statement))).toEqual([
      'nobody signed it as its author',
    ]);
    const stranger = await signApproval(ed25519Key(fill(33, 32)), 'approver', statement);
    expect(await of(author, stranger)).toEqual(['1 of 2 people signed it']);
  });

  test('one person under two names is one person', async () => {
    const both = encodeApprovals({ statement, signatures: [author, await signApproval(alice, 'approver', statement)] });
    const named = new Map([...approvers, ['eve', alice.publicKey] as const]);
    expect(await approvalProblems(parseApprovals(both), policy, named)).toContain('1 of 2 people signed it');
  });

  test('a signature of another key, in another role, or of another statement', async () => {
    const forged = 'the signature of bob does not hold';
    expect(await of(author, { ...approver, signature: author.signature })).toContain(forged);
    const asAuthor = await signApproval(bob, 'author', statement);
    expect(await of(author, { ...approver, signature: asAuthor.signature })).toContain(forged);
    expect(await of(author, await signApproval(bob, 'approver', { ...statement, effectiveFromIndex: 0 }))).toContain(
      forged,
    );
  });

  test('signatures of another policy or number', async () => {
    const read = parseApprovals(honest);
    for (const other of [
      { ...policy, number: 8 },
      { ...policy, digest: fill(6, 32) },
    ]) {
      expect(await approvalProblems(read, other, approvers)).toEqual(['the signatures are of another policy, #7']);
    }
  });
});

test('no byte of it can change unseen', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(honest.length - 2), fc.integer({ min: 1, max: 255 }), async (at, by) => {
      const changed = Uint8Array.from(honest);
      changed[at] = (changed[at] as number) ^ by;
      const found = await problems(changed).catch((thrown: unknown) => {
        expect(thrown).toBeInstanceOf(CodedError);
        return ['malformed'];
      });
      expect(found).not.toEqual([]);
    }),
    { numRuns: 300 },
  );
});
