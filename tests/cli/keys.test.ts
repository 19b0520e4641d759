import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { accountsOf, openRouterTls } from '../../src/cli/compose/router-tls.ts';
import { requestedKey } from '../../src/cli/keys/request.ts';
import { type Bytes, CodedError, parsePem } from '../../src/core/index.ts';
import { createIdentities } from '../../src/router/index.ts';
import { runHere } from './in-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-ca-'));
const inFolder = (name: string) => join(folder, name);
const keys = (...args: string[]) => runHere('keys', ...args, '--ca', inFolder('ca'));
const block = (file: string, label: 'CERTIFICATE' | 'X509 CRL') =>
  parsePem(readFileSync(inFolder(file), 'utf8'), label, 1)[0] as Bytes;

/** Signing requests as `openssl req` makes them; null where this machine has no openssl. */
function signingRequest(...newkey: string[]): string | null {
  const args = ['req', '-new', '-nodes', '-subj', '/CN=mallory', '-keyout', inFolder('own.key'), '-newkey', ...newkey];
  try {
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw thrown;
  }
}
const P256 = ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];

beforeAll(async () => {
  expect((await keys('ca')).code).toBe(0);
  expect((await keys('issue', '--account', 'alice', '--out', folder)).code).toBe(0);
  expect((await keys('issue', '--server', 'router.example,10.0.0.1', '--out', folder)).code).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const identities = () =>
  createIdentities({
    authority: block('ca/ca.pem', 'CERTIFICATE'),
    revocations: () => block('ca/crl.pem', 'X509 CRL'),
    accounts: () => accountsOf('{"accounts": {"alice": {"channels": "any"}, "carol": {"channels": "any"}}}'),
    anonymous: false,
    now: Date.now,
  });

test('keys are their owner’s alone to read, and a CA is not overwritten', async () => {
  for (const file of ['ca/ca.key.pem', 'alice.key.pem', 'router.example.key.pem']) {
    expect(statSync(inFolder(file)).mode & 0o077, file).toBe(0);
  }
  expect(await keys('ca')).toMatchObject({ code: 2, err: expect.stringContaining('holds a CA already') });
});

test('an account’s certificate names it; a router’s, or a CA’s, is no client’s', () => {
  const { admit } = identities();
  expect(admit(block('alice.pem', 'CERTIFICATE'), null)).toBe('alice');
  const refusedFor = (check: string) => expect.objectContaining({ code: 'IDENTITY_REFUSED', facts: { check } });
  expect(() => admit(block('router.example.pem', 'CERTIFICATE'), null)).toThrow(refusedFor('usage'));
  expect(() => admit(block('ca/ca.pem', 'CERTIFICATE'), null)).toThrow(refusedFor('usage'));
});

test('a certificate with any byte changed is refused', () => {
  const { admit } = identities();
  const good = block('alice.pem', 'CERTIFICATE');
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
      const bad = good.slice();
      bad[at] = (bad[at] as number) ^ by;
      expect(() => admit(bad, null)).toThrow(expect.objectContaining({ code: 'IDENTITY_REFUSED' }));
    }),
    { numRuns: 300 },
  );
  for (let length = 0; length < good.length; length += 7) {
    expect(() => admit(good.subarray(0, length), null)).toThrow(expect.objectContaining({ code: 'IDENTITY_REFUSED' }));
  }
});

test('a list signed by another CA is no list', async () => {
  expect((await runHere('keys', 'ca', '--ca', inFolder('other'))).code).toBe(0);
  const { admit } = createIdentities({
    authority: block('ca/ca.pem', 'CERTIFICATE'),
    revocations: () => block('other/crl.pem', 'X509 CRL'),
    accounts: () => new Map([['alice', { channels: 'any' }]]),
    anonymous: true,
    now: Date.now,
  });
  expect(() => admit(block('alice.pem', 'CERTIFICATE'), null)).toThrow(
    expect.objectContaining({ code: 'IDENTITY_UNKNOWN' }),
  );
});

test('a signing request gives its key and nothing else: the name is the issuer’s to say', async (context) => {
  const request = signingRequest(...P256);
  if (request === null) return context.skip('no openssl on this machine');
  writeFileSync(inFolder('carol.csr'), request);
  expect((await keys('issue', '--account', 'carol', '--csr', inFolder('carol.csr'), '--out', folder)).code).toBe(0);
  expect(identities().admit(block('carol.pem', 'CERTIFICATE'), null)).toBe('carol');
  // The key that stayed with whoever asked fits it.
  createSecureContext({ cert: readFileSync(inFolder('carol.pem')), key: readFileSync(inFolder('own.key')) });
  const body = Buffer.from(request.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
  body[body.indexOf('mallory')] = 'M'.charCodeAt(0);
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${body.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  const refused = (pem: string, why: RegExp) =>
    expect(requestedKey(pem)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(why) });
  await refused(forged, /not signed with the key/);
  await refused(signingRequest('rsa:1024') as string, /RSA of 2048/);
  await refused('a request', /is not one/);
  await refused('-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n', /cannot be read/);
});

test('a bundle opens with its passphrase in Node, and in openssl where there is one', async () => {
  writeFileSync(inFolder('passphrase'), 'correct horse battery\n');
  const issued = await keys(
    ...['issue', '--account', 'dave', '--pkcs12', '--passphrase-file', inFolder('passphrase'), '--out', folder],
  );
  expect(issued.code).toBe(0);
  const pfx = readFileSync(inFolder('dave.p12'));
  expect(() => createSecureContext({ pfx, passphrase: 'correct horse battery' })).not.toThrow();
  expect(() => createSecureContext({ pfx, passphrase: 'correct horse batterz' })).toThrow();
  if (signingRequest(...P256) === null) return;
  const shown = execFileSync(
    'openssl',
    ['pkcs12', '-in', inFolder('dave.p12'), '-passin', `file:${inFolder('passphrase')}`, '-nokeys'],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  expect(shown.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
});

test('a router follows the list and the accounts: who is revoked is out without a restart', async () => {
  writeFileSync(inFolder('accounts.json'), '{"accounts": {"frank": {"channels": "any"}}}');
  const issued = await keys('issue', '--account', 'frank', '--out', folder, '--json');
  const { serial } = JSON.parse(issued.out) as { serial: string };
  const problems: string[] = [];
  const door = await openRouterTls(
    {
      tlsCertificate: inFolder('router.example.pem'),
      tlsKey: inFolder('router.example.key.pem'),
      clientCa: inFolder('ca/ca.pem'),
      clientCrl: inFolder('ca/crl.pem'),
      clientAccounts: inFolder('accounts.json'),
      clientCertificates: 'require',
    },
    (problem) => problems.push(problem),
  );
  const admitted = () => door.identities?.admit(block('frank.pem', 'CERTIFICATE'), null);
  expect(admitted()).toBe('frank');
  expect((await keys('revoke', serial)).code).toBe(0);
  await expect.poll(() => thrownBy(admitted), { timeout: 20_000, interval: 100 }).toBe('IDENTITY_REFUSED revoked');
  // A list that cannot be read leaves the one before in force, and says so.
  writeFileSync(inFolder('ca/crl.pem'), 'nothing');
  await expect.poll(() => problems.length, { timeout: 20_000, interval: 100 }).toBe(1);
  expect(thrownBy(admitted)).toBe('IDENTITY_REFUSED revoked');
  expect((await keys('crl')).code).toBe(0);
  door.close();
});

function thrownBy(run: () => unknown): string {
  try {
    return String(run());
  } catch (thrown) {
    const { code, facts } = thrown as CodedError;
    return `${code} ${facts.check}`;
  }
}

test('what does not go together is said before anything is issued', async () => {
  writeFileSync(inFolder('short'), 'short\n');
  const wrong: [string[], string][] = [
    [['issue'], 'give --account or --server'],
    [['issue', '--account', 'a b'], 'an account is named'],
    [['issue', '--account', 'a', '--pkcs12'], '--passphrase-file'],
    [['issue', '--account', 'a', '--pkcs12', '--passphrase-file', inFolder('short')], 'at least 12'],
    [['issue', '--account', 'a', '--days', '0'], 'days'],
    [['revoke', 'ffff'], 'issued no certificate'],
  ];
  for (const [args, why] of wrong) {
    const { code, err } = await keys(...args);
    expect(code, args.join(' ')).not.toBe(0);
    expect(err).toContain(why);
  }
  const files = { tlsCertificate: inFolder('router.example.pem'), clientCa: inFolder('ca/ca.pem') };
  const rule = { clientCertificates: 'require' } as const;
  const report = () => undefined;
  await expect(openRouterTls({ ...files, ...rule }, report)).rejects.toMatchObject({ code: 'USAGE_INVALID' });
  const withKey = { ...files, tlsKey: inFolder('router.example.key.pem'), ...rule };
  await expect(openRouterTls(withKey, report)).rejects.toMatchObject({ code: 'USAGE_INVALID' });
  for (const text of ['{}', '{"accounts": {"A": {"channels": "any"}}}', '{"accounts": {"a": {"channels": ["x"]}}}']) {
    expect(() => accountsOf(text), text).toThrow(CodedError);
  }
});
