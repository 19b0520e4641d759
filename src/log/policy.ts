import { CodedError } from '../core/index.ts';
import type { VerifiedCheckpoint } from './checkpoint.ts';
import { KEY_TYPE, parseVkey, type VerifierKey } from './note.ts';

/** C2SP tlog-policy: which logs count, which witnesses, and how many of them must have cosigned. */
export type LogPolicy = Readonly<{
  logs: readonly Readonly<{ key: VerifierKey; url: string | null }>[];
  witnesses: ReadonlyMap<string, Readonly<{ key: VerifierKey; url: string | null }>>;
  /** Members are names of witnesses or of groups defined before. */
  groups: ReadonlyMap<string, Readonly<{ threshold: number; members: readonly string[] }>>;
  /** A witness's or group's name, or null: no cosignature is needed. */
  quorum: string | null;
}>;

const POLICY_CHARACTERS_MAX = 256 * 1024;
const ITEMS_MAX = 1024;
const RESERVED: ReadonlySet<string> = new Set(['all', 'any', 'none']);

type Draft = {
  logs: { key: VerifierKey; url: string | null }[];
  witnesses: Map<string, { key: VerifierKey; url: string | null }>;
  groups: Map<string, { threshold: number; members: readonly string[] }>;
  grouped: Set<string>;
  keys: Set<string>;
  quorum: string | null | undefined;
};

const malformed = (line: number, why: string) =>
  new CodedError('LOG_POLICY_MALFORMED', `policy line ${line}: ${why}`, { line });

/**
 * Strict: comments on lines of their own, no key twice, each name defined once and before its use, in one group at
 * most, exactly one quorum.
 * @throws CodedError LOG_POLICY_MALFORMED, LOG_KEY_INVALID, ENCODING_INVALID
 */
export function parseLogPolicy(text: string): LogPolicy {
  if (text.length > POLICY_CHARACTERS_MAX) throw malformed(0, 'too large');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a policy is lines of printable text
  if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text) || !text.isWellFormed()) throw malformed(0, 'not plain text');
  const draft: Draft = {
    logs: [],
    witnesses: new Map(),
    groups: new Map(),
    grouped: new Set(),
    keys: new Set(),
    quorum: undefined,
  };
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    if (i > ITEMS_MAX) throw malformed(i + 1, 'too many lines');
    const [keyword = '', ...words] = line.trim().split(/[ \t]+/);
    const read = Object.hasOwn(LINES, keyword) ? LINES[keyword] : undefined;
    if (read === undefined) throw malformed(i + 1, 'starts with no known word');
    read(draft, words, i + 1);
  }
  if (draft.quorum === undefined) throw malformed(0, 'no quorum');
  return { logs: draft.logs, witnesses: draft.witnesses, groups: draft.groups, quorum: draft.quorum };
}

const LINES: Readonly<Record<string, (draft: Draft, words: readonly string[], line: number) => void>> = {
  log(draft, [vkey, url, ...more], line) {
    if (vkey === undefined || more.length > 0) throw malformed(line, 'log <vkey> [url]');
    draft.logs.push({ key: newKey(draft, vkey, line), url: urlOf(url, line) });
  },
  witness(draft, [name, vkey, url, ...more], line) {
    if (name === undefined || vkey === undefined || more.length > 0)
      throw malformed(line, 'witness <name> <vkey> [url]');
    requireNewName(draft, name, line);
    draft.witnesses.set(name, { key: newKey(draft, vkey, line), url: urlOf(url, line) });
  },
  group(draft, [name, count, ...members], line) {
    if (name === undefined || count === undefined || members.length === 0) {
      throw malformed(line, 'group <name> all|any|<number> <member>…');
    }
    requireNewName(draft, name, line);
    for (const member of members) {
      if (!isDefined(draft, member)) throw malformed(line, 'a member that is not defined before');
      if (draft.grouped.has(member)) throw malformed(line, 'a member that is in a group already');
      draft.grouped.add(member);
    }
    draft.groups.set(name, { threshold: thresholdOf(count, members.length, line), members });
  },
  quorum(draft, [name, ...more], line) {
    if (name === undefined || more.length > 0) throw malformed(line, 'quorum <name>|none');
    if (draft.quorum !== undefined) throw malformed(line, 'a second quorum');
    if (name !== 'none' && !isDefined(draft, name)) throw malformed(line, 'a quorum that is not defined before');
    draft.quorum = name === 'none' ? null : name;
  },
};

function isDefined(draft: Draft, name: string): boolean {
  return draft.witnesses.has(name) || draft.groups.has(name);
}

function requireNewName(draft: Draft, name: string, line: number): void {
  if (RESERVED.has(name) || name.startsWith('#')) throw malformed(line, 'a name that is a word of the format');
  if (isDefined(draft, name)) throw malformed(line, 'a name that is taken');
}

function newKey(draft: Draft, vkey: string, line: number): VerifierKey {
  const key = parseVkey(vkey);
  const same = String(key.publicKey);
  if (draft.keys.has(same)) throw malformed(line, 'a key that is there already');
  draft.keys.add(same);
  return key;
}

function urlOf(url: string | undefined, line: number): string | null {
  if (url === undefined) return null;
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) throw malformed(line, 'not an http or https URL');
  return url;
}

function thresholdOf(count: string, members: number, line: number): number {
  if (count === 'all') return members;
  if (count === 'any') return 1;
  const threshold = /^[1-9][0-9]{0,3}$/.test(count) ? Number(count) : 0;
  if (threshold < 1 || threshold > members) throw malformed(line, 'a group of no possible number of members');
  return threshold;
}

/** Keys with which a checkpoint is to be verified under the policy. */
export function keysOfPolicy(policy: LogPolicy): readonly VerifierKey[] {
  return [...policy.logs.map(({ key }) => key), ...[...policy.witnesses.values()].map(({ key }) => key)];
}

/**
 * Did a log of the policy sign the checkpoint, under its own origin, and did the quorum cosign it? A key of a plain
 * signature (type 0x01) is no cosigner's: it tells no time and no one promised consistency with it.
 * @param checkpoint verified with {@link keysOfPolicy}
 */
export function policyHolds(policy: LogPolicy, { checkpoint, verified }: VerifiedCheckpoint): boolean {
  const signed = (key: VerifierKey) => verified.some(({ name, keyId }) => name === key.name && keyId === key.keyId);
  if (!policy.logs.some(({ key }) => key.name === checkpoint.origin && signed(key))) return false;
  return metBy(policy, (name) => {
    const key = policy.witnesses.get(name)?.key;
    return key !== undefined && key.type !== KEY_TYPE.ed25519 && signed(key);
  });
}

/** Whether the quorum is met by the witnesses, given by name, that `has` answers true for. */
export function metBy(policy: LogPolicy, has: (witness: string) => boolean): boolean {
  const met = (name: string): boolean => {
    if (policy.witnesses.has(name)) return has(name);
    const group = policy.groups.get(name);
    return group !== undefined && group.members.filter(met).length >= group.threshold;
  };
  return policy.quorum === null || met(policy.quorum);
}
