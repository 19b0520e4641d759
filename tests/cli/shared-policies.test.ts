import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { ed25519Key } from '#crypto';
import { encodeApprovals, loadPolicy, policyDigest, signApproval } from '../../src/attestation/index.ts';
import { openPolicyDesk } from '../../src/cli/compose/policy-desk.ts';
import { encodeProposal } from '../../src/cli/compose/policy-shelf.ts';
import { sharePolicies } from '../../src/cli/compose/shared-policies.ts';
import { type Bytes, equalBytes, toHex } from '../../src/core/index.ts';

/** Policies of replicas that share a database; the database is a table here, over PostgreSQL it is in tests/network/replicas.test.ts. */
const folder = mkdtempSync(join(tmpdir(), 'chrysalis-shared-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const SHIPPED = JSON.parse(
  readFileSync(resolve(import.meta.dirname, '../../attestation-policies/production-tdx.json'), 'utf8'),
) as Record<string, unknown>;
const NAMES = ['alice', 'bob', 'carol', 'mallory'] as const;
type Name = (typeof NAMES)[number];
const keyOf = (name: Name) => ed25519Key(new Uint8Array(32).fill(NAMES.indexOf(name) + 1));
const policyText = (number: number, id = SHIPPED.id) => JSON.stringify({ ...SHIPPED, number, id });

async function signed(text: string, ...by: [Name, 'author' | 'approver'][]): Promise<Bytes> {
  const policy = loadPolicy(text);
  const statement = { policyDigest: policyDigest(policy), number: policy.number, effectiveFromIndex: null };
  const signatures = await Promise.all(by.map(([name, role]) => signApproval(keyOf(name), role, statement)));
  return encodeApprovals({ statement, signatures });
}
const byAlice = (number: number) => signed(policyText(number), ['alice', 'author']);
const byBob = (number: number) => signed(policyText(number), ['bob', 'approver']);

let settings: Map<string, Bytes>;
let between: () => Promise<void>;
const ledger = {
  setting: async (name: string) => settings.get(name) ?? null,
  putSetting: async (name: string, from: Uint8Array | null, to: Uint8Array) => {
    await between();
    const now = settings.get(name) ?? null;
    const isFrom = now === null ? from === null : from !== null && equalBytes(now, from);
    if (isFrom || now === null) settings.set(name, Uint8Array.from(to));
    return settings.get(name) as Bytes;
  },
};

const closing: (() => void)[] = [];
function replica(name: string, people: readonly Name[] = ['alice', 'bob', 'carol']) {
  const at = (file: string) => join(folder, name, file);
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(at('policy.json'), policyText(1));
  rmSync(at('policy.approvals.json'), { force: true });
  const keys = people.map((one) => [one, toHex(keyOf(one).publicKey)]);
  writeFileSync(at('people.json'), JSON.stringify(Object.fromEntries(keys)));
  const options = { data: at('data'), name, policy: at('policy.json'), policyApprovers: at('people.json') };
  const problems: string[] = [];
  const shared = sharePolicies(ledger, options, (problem) => problems.push(problem));
  closing.push(shared.close);
  const desk = openPolicyDesk(options, () => loadPolicy(readFileSync(at('policy.json'), 'utf8')), shared)!;
  const number = () => loadPolicy(readFileSync(at('policy.json'), 'utf8')).number;
  return { desk, shared, number, problems, at };
}
beforeEach(() => {
  settings = new Map();
  between = async () => undefined;
});
afterEach(() => {
  for (const close of closing.splice(0)) close();
});
const refusal = (work: Promise<unknown>) =>
  work.then(
    () => 'taken',
    ({ code }: { code: string }) => code,
  );

test('proposed at one, read and approved at another: each replica’s own files come to hold it', async () => {
  const [a, b] = [replica('a'), replica('b')];
  expect((await a.desk.propose(policyText(2), await byAlice(2))).missing).toEqual(['1 of 2 people signed it']);
  expect((await b.desk.proposal()).number).toBe(2);
  expect((await b.desk.approve(await byBob(2))).missing).toEqual([]);
  expect(b.number()).toBe(2);
  await expect.poll(a.number, { timeout: 20_000 }).toBe(2); // by itself
  expect(readFileSync(a.at('policy.approvals.json'))).toEqual(readFileSync(b.at('policy.approvals.json')));
  for (const { desk } of [a, b]) expect(await refusal(desk.proposal())).toBe('NOT_FOUND');
  // Nothing that all signed may be proposed anew, or gone back behind; the next one may.
  for (const number of [1, 2]) {
    expect(await refusal(a.desk.propose(policyText(number), await byAlice(number)))).toBe('POLICY_INVALID');
  }
  expect((await a.desk.propose(policyText(3), await byAlice(3))).number).toBe(3);
  expect([...a.problems, ...b.problems]).toEqual([]);
});

test('a replica that was away takes over what all signed meanwhile, also behind a newer proposal', async () => {
  const [a, b] = [replica('a'), replica('b')];
  await a.desk.propose(policyText(2), await byAlice(2));
  await b.desk.approve(await byBob(2));
  await b.desk.propose(policyText(3), await byAlice(3));
  const late = replica('late');
  await late.shared.take();
  expect(late.number()).toBe(2);
  expect((await late.desk.proposal()).number).toBe(3);
});

test('what a replica’s own files hold counts beside what the database has: the newer of both, and of one number one policy', async () => {
  const [a, b] = [replica('a'), replica('b')];
  await a.desk.propose(policyText(2), await byAlice(2));
  await a.desk.approve(await byBob(2));
  writeFileSync(b.at('policy.json'), policyText(4)); // by its operator's own hand
  for (const number of [3, 4]) {
    expect(await refusal(b.desk.propose(policyText(number), await byAlice(number)))).toBe('POLICY_INVALID');
  }
  await b.shared.take();
  expect([b.number(), b.problems]).toEqual([4, []]);
  const c = replica('c');
  const other = JSON.stringify({
    ...SHIPPED,
    number: 2,
    tdx: { ...(SHIPPED.tdx as object), tcbEvaluationDataNumberMin: 1 },
  });
  writeFileSync(c.at('policy.json'), other);
  await c.shared.take();
  expect(readFileSync(c.at('policy.json'), 'utf8')).toBe(other);
  expect(c.problems).toEqual([expect.stringContaining('POLICY_INVALID')]);
});

test('a crash between the two files is made up for', async () => {
  const [a, b] = [replica('a'), replica('b')];
  await a.desk.propose(policyText(2), await byAlice(2));
  await a.desk.approve(await byBob(2));
  writeFileSync(b.at('policy.approvals.json'), readFileSync(a.at('policy.approvals.json')));
  await b.shared.take();
  expect(b.number()).toBe(2);
});

test('what stands in the database counts by its signatures alone, under each replica’s own list of people', async () => {
  const a = replica('a');
  const strict = replica('strict', ['alice', 'carol']);
  const put = async (text: string, approvals: Bytes) => {
    settings.set('policy-approved', encodeProposal({ text, approvals }));
    await a.shared.take();
  };
  await put(policyText(2), await byAlice(2));
  await put(policyText(3), await signed(policyText(3), ['alice', 'author'], ['mallory', 'approver']));
  await put(policyText(4), await signed(policyText(5), ['alice', 'author'], ['bob', 'approver']));
  const other = policyText(6, 'other');
  await put(other, await signed(other, ['alice', 'author'], ['bob', 'approver']));
  settings.set('policy-approved', new Uint8Array([1, 2, 3]));
  await a.shared.take();
  expect(a.number()).toBe(1);
  expect(existsSync(a.at('policy.approvals.json'))).toBe(false);
  expect(a.problems).toHaveLength(5);
  // Said once, and taken as soon as whoever signed is on the list.
  await put(policyText(7), await signed(policyText(7), ['alice', 'author'], ['bob', 'approver']));
  for (let i = 0; i < 3; i++) await strict.shared.take();
  expect([a.number(), strict.number(), strict.problems.length]).toEqual([7, 1, 1]);
  writeFileSync(strict.at('people.json'), readFileSync(a.at('people.json')));
  await strict.shared.take();
  expect(strict.number()).toBe(7);
});

test('replicas that are told at the same time lose no signature, and what was decided on an older state is decided again', async () => {
  const [a, b] = [replica('a'), replica('b')];
  await a.desk.propose(policyText(2), await byAlice(2));
  let calls = 0;
  between = async () => {
    if (calls++ > 0) return;
    await b.desk.propose(policyText(3), await byAlice(3)); // comes between reading and writing at a
  };
  expect((await a.desk.propose(policyText(4), await byAlice(4))).number).toBe(4);
  expect((await b.desk.proposal()).number).toBe(4);
  const answers = await Promise.allSettled([
    a.desk.approve(await byBob(4)),
    b.desk.approve(await signed(policyText(4), ['carol', 'approver'])),
  ]);
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(Math.max(a.number(), b.number())).toBe(4);
  // Somebody who writes without end is not waited for.
  let turn = 0;
  between = async () => {
    settings.set('policy-proposed', encodeProposal({ text: policyText(50 + ++turn), approvals: await byAlice(50) }));
  };
  expect(await refusal(a.desk.propose(policyText(5), await byAlice(5)))).toBe('ROUTER_BUSY');
});
