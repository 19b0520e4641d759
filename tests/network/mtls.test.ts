import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addressOfTerms } from '../../src/chain/index.ts';
import { clientTls, type RouterDoorOptions } from '../../src/cli/compose/client-tls.ts';
import { accountsOf } from '../../src/cli/compose/router-tls.ts';
import { createAuthority, openAuthority } from '../../src/cli/keys/authority.ts';
import { type Bytes, parsePem } from '../../src/core/index.ts';
import { createIdentities } from '../../src/router/index.ts';
import { connectToRouter } from '../../src/rpc/index.ts';
import { connect } from '../../src/sdk/index.ts';
import { runHere } from '../cli/in-process.ts';
import { type InProcess, startInProcess } from './in-process.ts';

/** A router that knows its clients, by certificates that `chrysalis keys` issued. */
const folder = mkdtempSync(join(tmpdir(), 'chrysalis-mtls-'));
const inFolder = (name: string) => join(folder, name);
const DAY_MS = 86_400_000;
let network: InProcess;
/** What the router reads at this moment. */
let now = () => Date.now();
let crl: Bytes;
let accounts = accountsOf(
  '{"accounts": {"alice": {"channels": "any"}, "bob": {"channels": []}, "carol": {"channels": "any"}}}',
);
let anonymous = false;
const serials = new Map<string, string>();

const block = (file: string, label: 'CERTIFICATE' | 'X509 CRL') =>
  parsePem(readFileSync(inFolder(file), 'utf8'), label, 1)[0] as Bytes;
async function keys(...args: string[]): Promise<Record<string, string>> {
  const { code, out, err } = await runHere('keys', ...args, '--ca', inFolder('ca'), '--json');
  if (code !== 0) throw new Error(err);
  return JSON.parse(out) as Record<string, string>;
}
async function issue(name: string, ...more: string[]): Promise<void> {
  const { serial } = await keys('issue', '--account', name, '--out', folder, ...more);
  serials.set(name, serial as string);
}
const door = (files: RouterDoorOptions) => clientTls({ routerCa: inFolder('ca/ca.pem'), ...files });
const withKey = (name: string) =>
  door({ clientCertificate: inFolder(`${name}.pem`), clientKey: inFolder(`${name}.key.pem`) });

beforeAll(async () => {
  await keys('ca', '--name', 'Example Ltd');
  await keys('issue', '--server', '127.0.0.1,localhost', '--out', folder);
  for (const name of ['alice', 'bob', 'dave', 'eve']) await issue(name);
  const { writeFileSync } = await import('node:fs');
  writeFileSync(inFolder('passphrase'), 'correct horse battery\n');
  await issue('carol', '--pkcs12', '--passphrase-file', inFolder('passphrase'));
  crl = block('ca/crl.pem', 'X509 CRL');
  const identities = createIdentities({
    authority: block('ca/ca.pem', 'CERTIFICATE'),
    revocations: () => crl,
    accounts: () => accounts,
    get anonymous() {
      return anonymous;
    },
    now: () => now(),
  });
  const tls = {
    key: readFileSync(inFolder('127.0.0.1.key.pem')),
    certificate: readFileSync(inFolder('127.0.0.1.pem')),
    clientAuthority: readFileSync(inFolder('ca/ca.pem')),
  };
  network = await startInProcess({
    door: { router: { tls, identities }, worker: door({})!, client: withKey('alice')! },
  });
}, 60_000);
afterAll(async () => {
  await network.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What a client of this door hears when it asks for the models. */
async function heard(tls: Parameters<typeof connectToRouter>[2]): Promise<string> {
  const transport = connectToRouter(network.address, Date.now, tls);
  try {
    return await transport.listModels({ deadline: Date.now() + 10_000 }).then(
      (models) => `${models.length} model`,
      (error: { code: string; message: string }) => `${error.code} ${error.message}`,
    );
  } finally {
    transport.close();
  }
}

const codesOf = async (asks: readonly Promise<unknown>[]) =>
  (await Promise.allSettled(asks)).map((ask) => (ask.status === 'rejected' ? ask.reason.code : 'answered'));

test('an account asks and pays over mTLS; the worker has no certificate and is admitted by its evidence', async () => {
  const session = await connect({
    router: network.address,
    tls: withKey('alice')!,
    policy: readFileSync(join(import.meta.dirname, '../../attestation-policies/development-simulated.json'), 'utf8'),
    logPolicy: network.logPolicyText,
    trustAnchors: network.anchors,
    payments: network.payments(),
  });
  const answer = await session.ask('one two three');
  expect(answer.text).toBe('one two three ');
  expect((await session.payment())?.receipts).toBe(1);
  await session.close();
});

test('an RSA key in a PKCS#12 bundle opens the same door, and only with its passphrase', async () => {
  const bundle = { clientPkcs12: inFolder('carol.p12'), clientPassphraseFile: inFolder('passphrase') };
  expect(await heard(door(bundle))).toBe('1 model');
  expect(() =>
    connectToRouter(network.address, Date.now, { ...door(bundle)!, passphrase: 'another passphrase' }),
  ).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});

test('without a certificate, or with one that names no known account: refused', async () => {
  expect(await heard(door({}))).toMatch(/^IDENTITY_REFUSED .*there is none/);
  expect(await heard(withKey('dave'))).toMatch(/^IDENTITY_REFUSED .*account is not known/);
});

const nothing = new Uint8Array(0);
async function inferNothing(transport: ReturnType<typeof connectToRouter>): Promise<void> {
  const open = { header: nothing, authorization: nothing, commit: nothing, candidates: [], hello: nothing };
  for await (const _ of transport.infer(open, [], { deadline: Date.now() + 10_000 }));
}

test('without a certificate nothing that clients use is answered, inference last of all', async () => {
  const transport = connectToRouter(network.address, Date.now, door({}));
  const call = { deadline: Date.now() + 10_000 };
  const infer = () => inferNothing(transport);
  const asks = [
    transport.listModels(call),
    transport.getOffers(nothing, 1, call),
    transport.getEvidence(nothing, call),
    transport.getAdmission(nothing, call),
    transport.getReceiptProof(nothing, call),
    transport.getTerms(call),
    transport.getChannel(`0:${'0'.repeat(64)}`, call),
    infer(),
  ];
  expect(await codesOf(asks)).toEqual(asks.map(() => 'IDENTITY_REFUSED'));
  transport.close();
});

test('a channel of another account is refused, whatever is asked of it', async () => {
  const terms = network.payments().terms;
  const channel = addressOfTerms(terms).raw;
  const transport = connectToRouter(network.address, Date.now, withKey('bob'));
  const call = { deadline: Date.now() + 10_000 };
  const bytes = (length: number) => new Uint8Array(length);
  const asks = [
    transport.getChannel(channel, call),
    transport.requestClaim(channel, call),
    transport.delegate(
      { channel: terms, sessionKey: bytes(32), limit: 1n, notAfter: Date.now() + 60_000, signature: bytes(64) },
      call,
    ),
    transport.submitVoucher(
      { channel, cumulative: 1n, receipts: bytes(32), newReceiptDigests: [], signature: bytes(64) },
      call,
    ),
  ];
  expect(await codesOf(asks)).toEqual(asks.map(() => 'CHANNEL_REFUSED'));
  expect((await transport.listModels(call)).length).toBe(1);
  transport.close();
});

test('revoked: refused on a connection that is open, as soon as the router has the list', async () => {
  const transport = connectToRouter(network.address, Date.now, withKey('eve'));
  accounts = new Map([...accounts, ['eve', { channels: 'any' }]]);
  const call = { deadline: Date.now() + 10_000 };
  expect((await transport.listModels(call)).length).toBe(1);
  // After it another stream stands ready, which the router has let in.
  await expect(inferNothing(transport)).rejects.toMatchObject({ code: 'OBJECT_MALFORMED' });
  await keys('revoke', serials.get('eve') as string);
  crl = block('ca/crl.pem', 'X509 CRL');
  await expect(transport.listModels(call)).rejects.toMatchObject({ code: 'IDENTITY_REFUSED', message: /revoked/ });
  await expect(inferNothing(transport)).rejects.toMatchObject({ code: 'IDENTITY_REFUSED', message: /revoked/ });
  expect(await heard(withKey('alice'))).toBe('1 model');
  transport.close();
});

test('expired, and not yet good: refused; a list that has ended: could not find out', async () => {
  const real = now;
  now = () => Date.now() + 91 * DAY_MS;
  expect(await heard(withKey('alice'))).toMatch(/^IDENTITY_REFUSED .*not current/);
  now = () => Date.now() - DAY_MS;
  expect(await heard(withKey('alice'))).toMatch(/^IDENTITY_REFUSED .*not current/);
  now = () => Date.now() + 8 * DAY_MS;
  expect(await heard(withKey('alice'))).toMatch(/^IDENTITY_UNKNOWN/);
  now = real;
  expect(await heard(withKey('alice'))).toBe('1 model');
});

test('a certificate that had ended when the connection was made is refused', async () => {
  const late = await openAuthority(inFolder('ca'), Date.now() - 100 * DAY_MS);
  const { webcrypto } = await import('node:crypto');
  const { derOf, EC_KEYS, pemOf, publicKeyInfo } = await import('../../src/cli/keys/x509.ts');
  const { privateKey, publicKey } = await webcrypto.subtle.generateKey(EC_KEYS, true, ['sign', 'verify']);
  const { certificate } = await late.issue({ kind: 'account', account: 'alice' }, await publicKeyInfo(publicKey), 90);
  const key = new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', privateKey));
  const tls = {
    ...door({}),
    certificate: Buffer.from(pemOf('CERTIFICATE', derOf(certificate))),
    key: Buffer.from(pemOf('PRIVATE KEY', key)),
  };
  expect(await heard(tls)).toMatch(/^IDENTITY_REFUSED/);
});

/** Of another CA with the same name. */
const stranger = {
  clientCertificate: inFolder('stranger/alice.pem'),
  clientKey: inFolder('stranger/alice.key.pem'),
};

test('another CA of the same name: its clients are refused, and its routers are not met', async () => {
  const other = inFolder('other');
  await createAuthority(other, 'Example Ltd', 3650, Date.now());
  const { code } = await runHere('keys', 'issue', '--ca', other, '--account', 'alice', '--out', inFolder('stranger'));
  expect(code).toBe(0);
  expect(await heard(door(stranger))).toMatch(/^IDENTITY_REFUSED/);
  expect(await heard(clientTls({ routerCa: join(other, 'ca.pem') }))).toMatch(/^ROUTER_UNREACHABLE/);
  expect(await heard(undefined)).toMatch(/^ROUTER_UNREACHABLE/);
});

test('a router that accepts certificates without needing them serves both, and never takes a bad one for a good one', async () => {
  anonymous = true;
  expect(await heard(door({}))).toBe('1 model');
  expect(await heard(withKey('alice'))).toBe('1 model');
  expect(await heard(withKey('eve'))).toMatch(/^IDENTITY_REFUSED .*revoked/);
  expect(await heard(door(stranger))).toMatch(/^IDENTITY_REFUSED .*another CA issued it/);
  anonymous = false;
});
