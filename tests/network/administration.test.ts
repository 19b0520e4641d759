import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ed25519Key } from '#crypto';
import { type Opening, opens, parseOpenings } from '../../src/audit/index.ts';
import { openAdminDoor, rolesOf } from '../../src/cli/compose/admin-door.ts';
import { clientTls } from '../../src/cli/compose/client-tls.ts';
import { secretOf } from '../../src/cli/compose/files.ts';
import { openPolicyDesk } from '../../src/cli/compose/policy-desk.ts';
import { toHex } from '../../src/core/index.ts';
import { commitment } from '../../src/log/index.ts';
import { type AdministrationMethod, type AdministratorRole, ROLES_OF } from '../../src/router/index.ts';
import { ask, openChannel } from '../../src/rpc/ask.ts';
import {
  type AdministrationCall,
  type AdministrationLink,
  connectToAdministration,
  type RouterServer,
  serveAdministration,
} from '../../src/rpc/index.ts';
import { v1 } from '../../src/rpc/package.ts';
import { clientDoor } from '../../src/rpc/tls.ts';
import { policyText, Scene } from '../audit/scene.ts';
import { runHere } from '../cli/in-process.ts';
import { type InProcess, startInProcess } from './in-process.ts';

/** A router whose administrators have roles, by certificates that `chrysalis keys` issued. */
const folder = mkdtempSync(join(tmpdir(), 'chrysalis-admin-'));
const inFolder = (name: string) => join(folder, name);
const ACCOUNTS = { olga: 'operator', paul: 'policy-author', anna: 'approver', aude: 'auditor' } as const;
const REFUSED_ID = 'ab'.repeat(32);
const called: AdministrationCall[] = [];
let network: InProcess;
let door: Awaited<ReturnType<typeof openAdminDoor>>;
let server: RouterServer;
let address: string;

async function keys(...args: string[]): Promise<Record<string, string>> {
  const { code, out, err } = await runHere('keys', ...args, '--ca', inFolder('ca'), '--json');
  if (code !== 0) throw new Error(err);
  return JSON.parse(out) as Record<string, string>;
}
const filesOf = (name: string) => ({
  clientCertificate: inFolder(`${name}.pem`),
  clientKey: inFolder(`${name}.key.pem`),
});
const tlsOf = (name: string | null) =>
  clientTls({ routerCa: inFolder('ca/ca.pem'), ...(name === null ? {} : filesOf(name)) });
const flagsOf = (name: string) => [
  ...['--admin', address, '--router-ca', inFolder('ca/ca.pem')],
  ...['--client-certificate', inFolder(`${name}.pem`), '--client-key', inFolder(`${name}.key.pem`)],
];

async function linked<Answer>(
  name: string | null,
  use: (link: AdministrationLink) => Promise<Answer>,
): Promise<Answer> {
  const link = connectToAdministration(address, Date.now, tlsOf(name));
  try {
    return await use(link);
  } finally {
    link.close();
  }
}
/** No command asks for it: it is for tools of others. */
async function listWorkers(name: string | null): Promise<unknown> {
  const router = openChannel(clientDoor(address, tlsOf(name)), Date.now);
  try {
    return await ask(router, v1.Administration.service.ListWorkers, {}, { deadline: Date.now() + 10_000 });
  } finally {
    router.close();
  }
}
const codeOf = (name: string | null, use: Call): Promise<string> =>
  linked(name, (link) => use(link, name)).then(
    () => 'done',
    ({ code }: { code: string }) => code,
  );

/** One call of each method: a method that is not here does not compile. What it answers to somebody who may ask. */
type Call = (link: AdministrationLink, name: string | null) => Promise<unknown>;
const CALLS: Readonly<Record<AdministrationMethod, [Call, string]>> = {
  ListWorkers: [(_, name) => listWorkers(name), 'done'],
  GetStatus: [(link) => link.status(), 'done'],
  GetPolicy: [(link) => link.policy(), 'done'],
  GetProposal: [(link) => link.proposal(), 'NOT_FOUND'],
  ProposePolicy: [(link) => link.propose('{}', new Uint8Array(0)), 'POLICY_INVALID'],
  ApprovePolicy: [(link) => link.approve(new Uint8Array(0)), 'NOT_FOUND'],
  RecordExport: [
    (link) => link.recordExport({ manifestSha256: new Uint8Array(32), from: 9, size: 3 }),
    'AUDIT_RANGE_INVALID',
  ],
  RecordReview: [
    (link) => link.recordReview({ manifestSha256: new Uint8Array(32), size: 1e9, verdict: 'verified' }),
    'AUDIT_RANGE_INVALID',
  ],
  DrainWorker: [(link) => link.drainWorker(Buffer.from(REFUSED_ID, 'hex'), 'a test'), 'NOT_FOUND'],
};

/** Paul writes policies, Anna approves them: each with a key of her own beside the certificate. */
function deskOptions() {
  const named = ['paul', 'anna'].map((name) => [
    name,
    toHex(ed25519Key(secretOf(inFolder('people'), `policy-${name}`)).publicKey),
  ]);
  writeFileSync(inFolder('people.json'), JSON.stringify(Object.fromEntries(named)));
  const policy = inFolder('policy.json');
  return { data: inFolder('data'), name: 'router-test', policy, policyApprovers: inFolder('people.json') };
}

beforeAll(async () => {
  await keys('ca', '--name', 'Example Ltd');
  await keys('issue', '--server', '127.0.0.1', '--out', folder);
  for (const name of [...Object.keys(ACCOUNTS), 'nora', 'rosa'])
    await keys('issue', '--account', name, '--out', folder);
  const accounts = Object.fromEntries(Object.entries(ACCOUNTS).map(([name, role]) => [name, { roles: [role] }]));
  writeFileSync(inFolder('roles.json'), JSON.stringify({ accounts: { ...accounts, rosa: { roles: [] } } }));
  network = await startInProcess();
  const options = {
    ...{ adminHost: '127.0.0.1', adminRoles: inFolder('roles.json'), clientCertificates: 'require' as const },
    ...{ tlsCertificate: inFolder('127.0.0.1.pem'), tlsKey: inFolder('127.0.0.1.key.pem') },
    ...{ adminCa: inFolder('ca/ca.pem'), adminCrl: inFolder('ca/crl.pem') },
  };
  door = await openAdminDoor(options, () => undefined);
  const called_ = (call: AdministrationCall) => void called.push(call);
  const policies = openPolicyDesk(deskOptions(), () => ({ id: 'production-tdx', number: 1 }));
  server = await serveAdministration(network.router, { ...door, policies, port: 0, now: Date.now, called: called_ });
  address = `127.0.0.1:${server.port}`;
}, 60_000);

afterAll(async () => {
  await server?.close(0);
  door?.close();
  await network?.close();
  rmSync(folder, { recursive: true, force: true });
});

test('each method answers its roles and refuses every other one', async () => {
  const seen = new Set<string>();
  for (const [method, [call, answer]] of Object.entries(CALLS)) {
    const roles: readonly AdministratorRole[] = ROLES_OF[method as AdministrationMethod];
    for (const [name, role] of Object.entries(ACCOUNTS)) {
      const expected = roles.includes(role) ? answer : 'ROLE_REFUSED';
      expect(await codeOf(name, call), `${method} as ${role}`).toBe(expected);
      seen.add(expected);
    }
    expect(await codeOf('rosa', call), `${method} without a role`).toBe('ROLE_REFUSED');
    expect(await codeOf('nora', call), `${method} by somebody unknown`).toBe('IDENTITY_REFUSED');
    expect(await codeOf(null, call), `${method} without a certificate`).toBe('IDENTITY_REFUSED');
  }
  expect([...seen].sort()).toEqual(['AUDIT_RANGE_INVALID', 'NOT_FOUND', 'POLICY_INVALID', 'ROLE_REFUSED', 'done']);
}, 30_000);

test('`audit verify --admin` has a review written, and keeps what opens it', async () => {
  const scene = new Scene();
  await scene.open();
  await scene.checkpoint();
  writeFileSync(inFolder('one.audit.tar.gz'), await scene.bundle());
  writeFileSync(inFolder('log-policy.txt'), policyText);
  const args = ['audit', 'verify', inFolder('one.audit.tar.gz'), '--policy', inFolder('log-policy.txt')];
  const opening = inFolder('opening.jsonl');
  expect((await runHere(...args, '--opening', opening)).code).toBe(2);
  expect((await runHere(...args, ...flagsOf('olga'), '--json')).code).toBe(1);
  const before = (await network.entries()).length;
  const { code, out } = await runHere(...args, ...flagsOf('aude'), '--opening', opening);
  expect([code, out]).toEqual([0, expect.stringMatching(/VERIFIED.*logged +entry \d+ says so/s)]);
  const [one] = parseOpenings(readFileSync(opening, 'utf8'));
  const entry = (await network.entries())[one?.index ?? -1];
  expect([one?.index ?? 0, entry?.type, one?.value]).toEqual([expect.any(Number), 'review', 'aude']);
  expect(one?.index).toBeGreaterThanOrEqual(before);
  expect(opens(entry?.body as never, one as Opening)).toBe(true);
}, 30_000);

test('who took the log away, and who looked through it, stands in the log as a commitment that opens', async () => {
  const size = (await network.entries()).length;
  const manifestSha256 = new Uint8Array(32).fill(7);
  const made = await linked('aude', (link) => link.recordExport({ manifestSha256, from: 1, size }));
  const seen = await linked('aude', (link) => link.recordReview({ manifestSha256, size, verdict: 'incomplete' }));
  const entries = await network.entries();
  const bundle = `sha256:${'07'.repeat(32)}`;
  expect(entries[made.index]).toMatchObject({ type: 'export', body: { bundle, from: 1, size } });
  expect(entries[seen.index]).toMatchObject({ type: 'review', body: { bundle, size, verdict: 'incomplete' } });
  for (const { index, opening } of [made, seen]) {
    expect(opening?.account).toBe('aude');
    expect(entries[index]?.body.by).toBe(commitment(opening?.salt as Uint8Array, 'aude'));
    expect(JSON.stringify(entries[index])).not.toContain('aude');
  }
  expect(await network.audit()).toEqual([]);
  // Nobody writes the log full, and nothing is written of what is not there.
  const more = () => linked('aude', (link) => link.recordReview({ manifestSha256, size, verdict: 'verified' }));
  const codes = await Promise.all(
    Array.from({ length: 25 }, () =>
      more().then(
        () => 'done',
        ({ code }) => code,
      ),
    ),
  );
  expect(codes).toContain('TOO_MANY_REQUESTS');
  const wrong = { manifestSha256: manifestSha256.subarray(1), from: 0, size };
  expect(await codeOf('aude', (link) => link.recordExport(wrong))).toBe('AUDIT_RANGE_INVALID');
}, 30_000);

test('in clear nobody is answered', async () => {
  const link = connectToAdministration(address, Date.now);
  await expect(link.status(5_000)).rejects.toMatchObject({ code: 'ROUTER_UNREACHABLE' });
  link.close();
});

test('a role that was taken and a certificate that was revoked count from the next call on', async () => {
  const status = (link: AdministrationLink) => link.status();
  await keys('issue', '--account', 'aude', '--out', inFolder('again'));
  const { serial } = await keys('issue', '--account', 'paul', '--out', folder);
  expect(await codeOf('paul', status)).toBe('done');
  await keys('revoke', serial as string);
  await expect.poll(() => codeOf('paul', status), { timeout: 20_000, interval: 200 }).toBe('IDENTITY_REFUSED');
  const file = JSON.parse(readFileSync(inFolder('roles.json'), 'utf8'));
  delete file.accounts.aude;
  writeFileSync(inFolder('roles.json'), JSON.stringify(file));
  await expect.poll(() => codeOf('aude', status), { timeout: 20_000, interval: 200 }).toBe('IDENTITY_REFUSED');
  expect(await codeOf('anna', status)).toBe('done');
}, 60_000);

test('the commands show a certificate: `top` for an auditor, `worker drain` for an operator alone', async () => {
  const top = await runHere('top', ...flagsOf('anna'), '--json', '--interval', '0.2');
  expect(JSON.parse(top.out)).toMatchObject({ router: 'router-test', workers: [{ name: 'worker-0' }] });
  const nobody = await runHere('top', ...flagsOf('rosa'), '--json');
  expect(nobody.code).toBe(1);
  expect(JSON.parse(nobody.out).error).toMatchObject({
    code: 'ROLE_REFUSED',
    todo: expect.stringContaining('--admin-roles'),
  });
  const [row] = network.router.listWorkers();
  const id = Buffer.from(row!.workerId).toString('hex');
  expect((await runHere('worker', 'drain', id, ...flagsOf('anna'))).code).toBe(1);
  expect(network.router.listWorkers()[0]?.state).toBe('admitted');
  expect((await runHere('worker', 'drain', id, ...flagsOf('olga'))).code).toBe(0);
  expect(called.filter(({ method, code }) => method === 'DrainWorker' && code === null)).toEqual([
    { account: 'olga', method: 'DrainWorker', code: null },
  ]);
  const evicted = async () => (await network.entries()).find(({ type }) => type === 'evicted')?.body;
  await expect.poll(evicted, { timeout: 20_000 }).toMatchObject({ cause: 'operator', by: 'router-test' });
}, 60_000);

test('a policy is proposed by its author, read and approved by another, each over the wire', async () => {
  const text = readFileSync(join(import.meta.dirname, '../../attestation-policies/production-tdx.json'), 'utf8');
  const next = JSON.stringify({ ...JSON.parse(text), number: 2 });
  const [draft, copy] = [inFolder('draft/next.json'), inFolder('copy/next.json')];
  mkdirSync(inFolder('draft'));
  writeFileSync(draft, next);
  const run = async (...args: string[]) => {
    const { code, out } = await runHere('policy', ...args, '--json');
    return { code, said: JSON.parse(out) };
  };
  const sign = (file: string, name: string, role: string) =>
    run('sign', file, '--as', name, '--role', role, '--keys', inFolder('people'));
  await sign(draft, 'paul', 'author');
  expect((await run('propose', draft, ...flagsOf('olga'))).said.error.code).toBe('ROLE_REFUSED');
  await keys('issue', '--account', 'paul', '--out', folder);
  expect((await run('propose', draft, ...flagsOf('paul'))).said).toMatchObject({ number: 2, handedOver: false });
  expect((await run('proposed', ...flagsOf('anna'), '--out', copy)).said.missing).toHaveLength(1);
  expect(readFileSync(copy, 'utf8')).toBe(next);
  await sign(copy, 'anna', 'approver');
  expect((await run('approve', copy, ...flagsOf('paul'))).said.error.code).toBe('ROLE_REFUSED');
  expect((await run('approve', copy, ...flagsOf('anna'))).said).toMatchObject({ number: 2, handedOver: true });
  expect(readFileSync(inFolder('policy.json'), 'utf8')).toBe(next);
}, 30_000);

test('options that do not go together, and files that are none, start nothing', async () => {
  const at = (more: object) =>
    openAdminDoor({ adminHost: '127.0.0.1', clientCertificates: 'require', ...more }, () => undefined).then(
      () => 'opened',
      ({ code }: { code: string }) => code,
    );
  expect(await at({})).toBe('opened');
  expect(await at({ adminHost: '0.0.0.0' })).toBe('USAGE_INVALID');
  expect(await at({ adminHost: 'router.example' })).toBe('USAGE_INVALID');
  expect(await at({ adminRoles: inFolder('roles.json') })).toBe('USAGE_INVALID');
  expect(await at({ adminCa: inFolder('ca/ca.pem') })).toBe('USAGE_INVALID');
  for (const text of ['{}', '{"accounts": []}', '{"accounts": {"A": {"roles": []}}}', '{"accounts": {"a": {}}}', '{']) {
    expect(() => rolesOf(text), text).toThrow();
  }
  expect(() => rolesOf('{"accounts": {"a": {"roles": ["root"]}}}')).toThrow(/operator, policy-author/);
});
