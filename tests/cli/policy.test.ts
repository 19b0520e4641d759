import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ed25519Key } from '#crypto';
import { diffPolicies, loadPolicy } from '../../src/attestation/index.ts';
import { secretOf } from '../../src/cli/compose/files.ts';
import { followPolicy } from '../../src/cli/compose/policy-in-force.ts';
import { approvalsPath, diff, explain, lint, sign } from '../../src/cli/policy/documents.ts';
import { type Json, toBase64, toHex } from '../../src/core/index.ts';
import { encodeLeaf, formatCheckpoint, type LeafDraft } from '../../src/log/index.ts';
import type { LogPort } from '../../src/router/index.ts';
import { fill } from '../attestation/appraise/scene.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-policy-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const shipped = (id: string) => resolve(import.meta.dirname, `../../attestation-policies/${id}.json`);
const PRESETS = [
  'production-tdx',
  'production-sev-snp',
  'production-tdx-h100',
  'production-snp-h100',
  'production-tdx-h100-strict',
];

let printed = '';
beforeEach(() => {
  printed = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  return () => vi.restoreAllMocks();
});

const path = join(folder, 'policy.json');
const keys = join(folder, 'people');
const people = join(folder, 'people.json');
type Document = { [field: string]: Json };
const document = () => JSON.parse(readFileSync(shipped('production-tdx-h100'), 'utf8')) as Document;
const put = (to: string, change: Document = {}) => {
  const draft = `${to}.draft`;
  writeFileSync(draft, JSON.stringify({ ...document(), ...change }));
  renameSync(draft, to);
};
const signAs = (as: string, role: 'author' | 'approver') => sign(path, { as, role, keys, json: true });

beforeEach(() => {
  put(path);
  rmSync(approvalsPath(path), { force: true });
  const named = ['alice', 'bob'].map((name) => [name, toHex(ed25519Key(secretOf(keys, `policy-${name}`)).publicKey)]);
  writeFileSync(people, JSON.stringify(Object.fromEntries(named)));
});

describe('policies that ship', () => {
  test.each([...PRESETS, 'development-simulated'])('%s loads under its own name and is explained', (id) => {
    expect(loadPolicy(readFileSync(shipped(id), 'utf8')).id).toBe(id);
    explain(shipped(id), {});
    expect(printed).toContain(id);
    expect(printed).toContain('GPU evidence');
  });

  test.each(['production-tdx-h100', 'production-snp-h100', 'production-tdx-h100-strict'])(
    '%s demands GPU evidence',
    (id) => {
      expect(loadPolicy(readFileSync(shipped(id), 'utf8')).gpu).toMatchObject({
        evidence: 'required',
        revocation: 'require',
      });
    },
  );

  test('the strict one is nowhere weaker than the plain one', () => {
    const read = (id: string) => JSON.parse(readFileSync(shipped(id), 'utf8')) as Json;
    const changes = diffPolicies(read('production-tdx-h100'), read('production-tdx-h100-strict'));
    expect(changes.length).toBeGreaterThan(8);
    expect(new Set(changes.map(({ effect }) => effect))).toEqual(new Set(['neutral', 'stronger']));
  });
});

describe('diff', () => {
  const before = {
    gpu: {
      evidence: 'required',
      architectures: { HOPPER: { driverMin: '550.127.05', vbiosMin: '96.00.9F.00.01' }, BLACKWELL: null },
      devicesDenied: ['aa'],
      gpusMax: 8,
      modes: ['spt'],
      revocation: 'require',
    },
    tdx: { host: { smt: 'refuse' }, platforms: [] },
  };
  const changed = (change: (to: typeof before) => void) => {
    const after = structuredClone(before);
    change(after);
    return diffPolicies(before as Json, after as Json).map(({ path: at, effect }) => `${effect} ${at}`);
  };
  test.each<[string, (to: typeof before) => void]>([
    ['gpu.evidence', (to) => Object.assign(to.gpu, { evidence: 'not-required' })],
    [
      'gpu.architectures.HOPPER.driverMin',
      (to) => Object.assign(to.gpu.architectures.HOPPER, { driverMin: '550.99.9' }),
    ],
    [
      'gpu.architectures.HOPPER.vbiosMin',
      (to) => Object.assign(to.gpu.architectures.HOPPER, { vbiosMin: '96.00.74.00.0A' }),
    ],
    [
      'gpu.architectures.BLACKWELL',
      (to) => Object.assign(to.gpu.architectures, { BLACKWELL: { driverMin: '1.0', vbiosMin: '0' } }),
    ],
    ['gpu.devicesDenied', (to) => Object.assign(to.gpu, { devicesDenied: [] })],
    ['gpu.gpusMax', (to) => Object.assign(to.gpu, { gpusMax: 16 })],
    ['gpu.modes', (to) => Object.assign(to.gpu, { modes: ['spt', 'unstated'] })],
    ['gpu.revocation', (to) => Object.assign(to.gpu, { revocation: 'prefer' })],
    ['tdx.host.smt', (to) => Object.assign(to.tdx.host, { smt: 'allow' })],
    ['tdx.platforms', (to) => Object.assign(to.tdx, { platforms: 'any' })],
  ])('%s made weaker is said to be weaker, and the other way round stronger', (at, change) => {
    expect(changed(change)).toEqual([`weaker ${at}`]);
    const after = structuredClone(before);
    change(after);
    expect(diffPolicies(after as Json, before as Json).map(({ effect }) => effect)).toEqual(['stronger']);
  });

  test('an image that is accepted for longer is weaker, for less long stronger; another one beside it is weaker', () => {
    const image = { name: 'old', mrTd: 'aa' };
    const at = (acceptedUntil?: string) => ({
      tdx: { images: [{ ...image, ...(acceptedUntil ? { acceptedUntil } : {}) }] },
    });
    const effects = (from: object, to: object) => diffPolicies(from as Json, to as Json).map(({ effect }) => effect);
    const [early, late] = ['2026-03-01T00:00:00Z', '2026-04-01T00:00:00Z'];
    expect(effects(at(early), at(late))).toEqual(['weaker']);
    expect(effects(at(late), at(early))).toEqual(['stronger']);
    expect(effects(at(), at(late))).toEqual(['stronger']);
    expect(effects(at(late), at())).toEqual(['weaker']);
    expect(effects(at(late), { tdx: { images: [...at(late).tdx.images, { name: 'new', mrTd: 'bb' }] } })).toEqual([
      'weaker',
    ]);
    expect(effects(at(early), { tdx: { images: [] } })).toEqual(['stronger']);
  });

  test('exit code 1 where anything is weaker, 0 where nothing is', () => {
    const weaker = join(folder, 'weaker.json');
    put(weaker, { number: 2, session: { leastMode: 0, candidatesMax: 3 } });
    expect(diff(path, weaker, {})).toBe(1);
    expect(printed).toMatch(/weaker +session\.leastMode +1 → 0/);
    expect(diff(weaker, path, {})).toBe(0);
  });
});

describe('signatures', () => {
  const approved = () => lint(path, { approvers: people, json: true });

  test('an author and another person: approved; anything less is not', async () => {
    expect(await approved()).toBe(1);
    await signAs('alice', 'author');
    expect(await approved()).toBe(1);
    await signAs('bob', 'approver');
    expect(await approved()).toBe(0);
    put(path, { number: 2 });
    expect(await approved()).toBe(1);
  });

  test('two approvers, two names of one person, or people nobody knows do not do', async () => {
    await signAs('alice', 'approver');
    await signAs('bob', 'approver');
    expect(await approved()).toBe(1);
    rmSync(approvalsPath(path));
    copyFileSync(join(keys, 'policy-alice.secret'), join(keys, 'policy-eve.secret'));
    const named = { ...JSON.parse(readFileSync(people, 'utf8')) } as Record<string, string>;
    writeFileSync(people, JSON.stringify({ ...named, eve: named.alice }));
    await signAs('alice', 'author');
    await signAs('eve', 'approver');
    expect(await approved()).toBe(1);
    rmSync(approvalsPath(path));
    await signAs('alice', 'author');
    await signAs('mallory', 'approver');
    expect(await approved()).toBe(1);
  });

  test('they are of one statement: another digest or index is not signed beside it', async () => {
    await signAs('alice', 'author');
    const bob = { as: 'bob', role: 'approver', keys, json: true } as const;
    await expect(sign(path, { ...bob, effectiveFromIndex: 7 })).rejects.toMatchObject({ code: 'USAGE_INVALID' });
    put(path, { number: 2 });
    await expect(sign(path, bob)).rejects.toMatchObject({ code: 'USAGE_INVALID' });
  });

  test('a second author is told to sign as its approver', async () => {
    await signAs('alice', 'author');
    await expect(signAs('bob', 'author')).rejects.toMatchObject({ code: 'USAGE_INVALID' });
  });
});

describe('a production policy at a router', () => {
  /** A log of one writer that only keeps what is appended. */
  function keepingLog() {
    const entries: { leaf: LeafDraft; blobs: readonly Uint8Array[] }[] = [];
    const port = {
      append: async (leaf: LeafDraft, options: { blobs: readonly Uint8Array[] }) => {
        entries.push({ leaf, blobs: options.blobs });
        return { index: entries.length - 1 };
      },
      proof: async () => '',
      checkpoint: async () => {
        const root = fill(1, 32);
        const text = formatCheckpoint({ origin: 'log.test', size: entries.length, root, extensions: [] });
        return `${text}\n\u2014 log.test ${toBase64(fill(1, 68))}\n`;
      },
      entry: async (index: number) => {
        const { leaf } = entries[index] as (typeof entries)[0];
        return encodeLeaf({ v: 1, sig: [], blobs: [], ...leaf, at: 1, prev: null } as never);
      },
    };
    return { entries, log: port as unknown as LogPort };
  }
  const options = () => ({
    policy: path,
    data: mkdtempSync(join(folder, 'data-')),
    name: 'r',
    policyApprovers: people,
  });
  const signBoth = async () => {
    rmSync(approvalsPath(path), { force: true });
    await signAs('alice', 'author');
    await signAs('bob', 'approver');
  };

  test('does not start unsigned, single-signed, or without the keys of those who sign', async () => {
    const { log, entries } = keepingLog();
    await expect(followPolicy(log, options(), () => undefined)).rejects.toMatchObject({ code: 'POLICY_INVALID' });
    await signAs('alice', 'author');
    await expect(followPolicy(log, options(), () => undefined)).rejects.toMatchObject({ code: 'POLICY_INVALID' });
    await signAs('bob', 'approver');
    const { policyApprovers: _, ...without } = options();
    await expect(followPolicy(log, without, () => undefined)).rejects.toMatchObject({ code: 'USAGE_INVALID' });
    expect(entries).toHaveLength(0);
  });

  test('is published with its signatures, and no other takes its place but a signed, higher one', async () => {
    const { log, entries } = keepingLog();
    await signBoth();
    const problems: string[] = [];
    const followed = await followPolicy(log, options(), (problem) => problems.push(problem));
    expect(entries[0]?.blobs).toHaveLength(2);
    const number = () => followed.current().policy.number;
    const refused = async (change: () => void | Promise<void>) => {
      const count = problems.length;
      await change();
      await expect.poll(() => problems.length, { timeout: 5_000 }).toBe(count + 1);
      expect(number()).toBe(1);
    };
    await refused(() => put(path, { number: 2 })); // unsigned: the signatures are of number 1
    await refused(() => writeFileSync(path, '{"version":1')); // malformed
    await refused(() => put(path, { number: 2, surprise: true }));
    await refused(() => put(path, { number: 1, models: ['00'.repeat(32)] })); // changed without a new number
    writeFileSync(`${path}.next`, JSON.stringify({ ...document(), number: 3 }));
    rmSync(approvalsPath(path));
    const next = { as: 'alice', role: 'author', keys, approvals: approvalsPath(path), json: true } as const;
    await sign(`${path}.next`, next);
    await sign(`${path}.next`, { ...next, as: 'bob', role: 'approver' });
    renameSync(`${path}.next`, path);
    await expect.poll(number, { timeout: 5_000 }).toBe(3);
    expect(problems).toHaveLength(4);
    followed.close();
  });

  test('comes into force once its log has the entries it was signed for, and not before', async () => {
    const { log, entries } = keepingLog();
    await signBoth();
    const problems: string[] = [];
    const same = options();
    const followed = await followPolicy(log, same, (problem) => problems.push(problem));
    const later = `${path}.next`;
    writeFileSync(later, JSON.stringify({ ...document(), number: 2 }));
    rmSync(approvalsPath(path));
    const next = { keys, approvals: approvalsPath(path), json: true, effectiveFromIndex: 3 } as const;
    await sign(later, { ...next, as: 'alice', role: 'author' });
    await sign(later, { ...next, as: 'bob', role: 'approver' });
    renameSync(later, path);
    await expect.poll(() => problems, { timeout: 5_000 }).toEqual([expect.stringContaining('NOT_YET_EFFECTIVE')]);
    await expect(followPolicy(log, same, () => undefined)).rejects.toMatchObject({ code: 'POLICY_NOT_YET_EFFECTIVE' });
    expect(followed.current().policy.number).toBe(1);
    const [first] = entries;
    entries.push(first as never, first as never);
    await expect.poll(() => followed.current().policy.number, { timeout: 5_000 }).toBe(2);
    expect(entries[3]?.leaf.body).toMatchObject({ number: 2, effectiveFromIndex: 3 });
    expect(problems).toHaveLength(1);
    followed.close();
  });

  test('is not rolled back by a restart either', async () => {
    const { log } = keepingLog();
    const same = options();
    put(path, { number: 5 });
    await signBoth();
    (await followPolicy(log, same, () => undefined)).close();
    (await followPolicy(log, same, () => undefined)).close();
    put(path, { number: 4 });
    await signBoth();
    await expect(followPolicy(log, same, () => undefined)).rejects.toMatchObject({
      code: 'POLICY_INVALID',
      message: expect.stringContaining('does not follow #5'),
    });
  });
});
