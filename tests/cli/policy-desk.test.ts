import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { ed25519Key } from '#crypto';
import {
  approvalProblems,
  encodeApprovals,
  loadPolicy,
  parseApprovals,
  policyDigest,
  signApproval,
} from '../../src/attestation/index.ts';
import { openPolicyDesk } from '../../src/cli/compose/policy-desk.ts';
import { finishHandOver } from '../../src/cli/compose/policy-shelf.ts';
import { fromUtf8, toHex, utf8 } from '../../src/core/index.ts';
import type { PolicyDesk } from '../../src/router/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-desk-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const SHIPPED = JSON.parse(
  readFileSync(resolve(import.meta.dirname, '../../attestation-policies/production-tdx.json'), 'utf8'),
) as Record<string, unknown>;
const path = join(folder, 'policy.json');
const beside = join(folder, 'policy.approvals.json');
const kept = join(folder, 'data/policy-proposal.json');
const people = { alice: 1, bob: 2, carol: 3 } as const;
const keyOf = (name: keyof typeof people | 'mallory') =>
  ed25519Key(new Uint8Array(32).fill(name === 'mallory' ? 9 : people[name]));
const options = {
  ...{ data: join(folder, 'data'), name: 'router-test', policy: path },
  policyApprovers: join(folder, 'people.json'),
};
const policyText = (number: number) => JSON.stringify({ ...SHIPPED, number });

async function signed(number: number, ...by: [Parameters<typeof keyOf>[0], 'author' | 'approver'][]) {
  const statement = { policyDigest: policyDigest(loadPolicy(policyText(number))), number, effectiveFromIndex: null };
  const signatures = await Promise.all(by.map(([name, role]) => signApproval(keyOf(name), role, statement)));
  return encodeApprovals({ statement, signatures });
}

let desk: PolicyDesk;
let inForce: number;
beforeEach(() => {
  inForce = 1;
  writeFileSync(path, policyText(1));
  for (const file of [beside, kept]) rmSync(file, { force: true });
  const keys = Object.keys(people).map((name) => [name, toHex(keyOf(name as 'alice').publicKey)]);
  writeFileSync(options.policyApprovers, JSON.stringify(Object.fromEntries(keys)));
  desk = openPolicyDesk(options, () => ({ id: String(SHIPPED.id), number: inForce })) as PolicyDesk;
});
const refusal = (work: Promise<unknown>) =>
  work.then(
    () => 'taken',
    ({ code }: { code: string }) => code,
  );

test('one proposes, another approves, and the router’s files hold it, with signatures that hold', async () => {
  expect(await refusal(desk.proposal())).toBe('NOT_FOUND');
  const first = await desk.propose(policyText(2), await signed(2, ['alice', 'author']));
  expect(first).toMatchObject({ id: SHIPPED.id, number: 2, missing: ['1 of 2 people signed it'] });
  expect(readFileSync(path, 'utf8')).toBe(policyText(1));
  expect(await desk.proposal()).toEqual(first);
  const last = await desk.approve(await signed(2, ['bob', 'approver']));
  expect(last.missing).toEqual([]);
  expect(readFileSync(path, 'utf8')).toBe(policyText(2));
  const approvers = new Map([
    ['alice', keyOf('alice').publicKey],
    ['bob', keyOf('bob').publicKey],
  ]);
  const named = { digest: policyDigest(loadPolicy(policyText(2))), number: 2 };
  expect(await approvalProblems(parseApprovals(readFileSync(beside)), named, approvers)).toEqual([]);
  expect(await refusal(desk.proposal())).toBe('NOT_FOUND');
});

test('a proposal takes the place of the one before it, signatures and all', async () => {
  await desk.propose(policyText(2), await signed(2, ['alice', 'author']));
  await desk.propose(policyText(3), await signed(3, ['carol', 'author']));
  expect(await refusal(desk.approve(await signed(2, ['bob', 'approver'])))).toBe('POLICY_INVALID');
  expect((await desk.proposal()).number).toBe(3);
});

test('nobody approves what he wrote, or hands in another’s part', async () => {
  const author = await signed(2, ['alice', 'author']);
  expect(await refusal(desk.approve(author))).toBe('NOT_FOUND');
  const both = await signed(2, ['alice', 'author'], ['bob', 'approver']);
  for (const approvals of [
    both,
    await signed(2, ['bob', 'approver']),
    await signed(2),
    await signed(2, ['mallory', 'author']),
  ]) {
    expect(await refusal(desk.propose(policyText(2), approvals))).toBe('POLICY_INVALID');
  }
  await desk.propose(policyText(2), author);
  for (const approvals of [author, both, await signed(2), await signed(2, ['mallory', 'approver'])]) {
    expect(await refusal(desk.approve(approvals))).toBe('POLICY_INVALID');
  }
  expect(await refusal(desk.approve(await signed(2, ['alice', 'approver'])))).toBe('POLICY_INVALID');
  expect(readFileSync(path, 'utf8')).toBe(policyText(1));
});

test('what does not follow, is no policy or is signed over something else is refused', async () => {
  const one = await signed(1, ['alice', 'author']);
  expect(await refusal(desk.propose(policyText(1), one))).toBe('POLICY_INVALID');
  expect(await refusal(desk.propose(JSON.stringify({ ...SHIPPED, number: 2, id: 'other' }), one))).toBe(
    'POLICY_INVALID',
  );
  expect(await refusal(desk.propose(policyText(3), await signed(2, ['alice', 'author'])))).toBe('POLICY_INVALID');
  expect(await refusal(desk.propose('{', one))).not.toBe('taken');
  expect(await refusal(desk.propose(policyText(2), utf8('{}')))).toBe('OBJECT_MALFORMED');
  const text = fromUtf8(await signed(2, ['alice', 'author']), 'approvals');
  const other = (JSON.parse(text) as { signatures: { signature: string }[] }).signatures[0]?.signature as string;
  const broken = text.replace(other, `${other[0] === 'A' ? 'B' : 'A'}${other.slice(1)}`);
  expect(await refusal(desk.propose(policyText(2), utf8(broken)))).toBe('POLICY_INVALID');
  expect(existsSync(kept)).toBe(false);
});

test('a proposal that something newer has overtaken is not approved any more: the files do not go back', async () => {
  await desk.propose(policyText(2), await signed(2, ['alice', 'author']));
  inForce = 3;
  writeFileSync(path, policyText(3)); // by the operator's own hand
  expect(await refusal(desk.approve(await signed(2, ['bob', 'approver'])))).toBe('POLICY_INVALID');
  expect(readFileSync(path, 'utf8')).toBe(policyText(3));
});

test('two signatures that come at the same time are both kept', async () => {
  await desk.propose(policyText(2), await signed(2, ['alice', 'author']));
  const answers = await Promise.allSettled([
    desk.approve(await signed(2, ['bob', 'approver'])),
    desk.approve(await signed(2, ['carol', 'approver'])),
  ]);
  // The first was the one that was missing; by the second there is nothing proposed any more.
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  expect(readFileSync(path, 'utf8')).toBe(policyText(2));
});

test('a crash in the middle of the hand-over is made up for at the next start, and one before it changes nothing', async () => {
  await desk.propose(policyText(2), await signed(2, ['alice', 'author']));
  finishHandOver(options);
  expect(readFileSync(path, 'utf8')).toBe(policyText(1));
  const approvals = fromUtf8(await signed(2, ['alice', 'author'], ['bob', 'approver']), 'approvals');
  writeFileSync(kept, JSON.stringify({ policy: policyText(2), approvals, handedOver: true }));
  writeFileSync(beside, approvals); // it got so far
  finishHandOver(options);
  expect(readFileSync(path, 'utf8')).toBe(policyText(2));
  expect(existsSync(kept)).toBe(false);
  finishHandOver(options);
});

test('a router that names nobody who may sign has no desk', () => {
  const { policyApprovers: _, ...without } = options;
  expect(openPolicyDesk(without, () => ({ id: 'x', number: 1 }))).toBeNull();
});
