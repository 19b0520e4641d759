import type { Json } from '../../core/index.ts';

export type PolicyChange = Readonly<{
  path: string;
  before: Json | undefined;
  after: Json | undefined;
  /** What it does to those who rely on the policy; `unknown` where this version has no rule for the field. */
  effect: 'weaker' | 'stronger' | 'neutral' | 'unknown';
}>;

/** Lists whose items forbid or demand; in every other list an item allows. */
const FORBIDDING = /(?:^|\.)[a-zA-Z]*[dD]enied$|^rules$/;
/** A larger value allows more. */
const UPPER_BOUND = /Max$|^session\.candidatesMax$/;
/** A larger value demands more. */
const LOWER_BOUND = /Min$|(?:^|\.)least[A-Z]/;
/** Words in order, the most demanding first. */
const WORD_ORDERS: readonly (readonly string[])[] = [
  ['required', 'when-known', 'not-required'],
  ['require', 'prefer', 'allow', 'off'],
  ['refuse', 'accept'],
  ['refuse', 'allow'],
  ['production', 'development'],
];
/** What names a policy, not what it demands. */
const NAMES: ReadonlySet<string> = new Set(['number', 'id', 'version']);

type Record_ = { readonly [name: string]: Json | undefined };
const isRecord = (value: Json | undefined): value is Record_ =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const textOf = (value: Json | undefined) => JSON.stringify(value) ?? '';

/** Every difference between two policy documents, with what it does. Works on JSON, whatever fields a version has. */
export function diffPolicies(before: Json, after: Json, path = ''): PolicyChange[] {
  if (textOf(before) === textOf(after)) return [];
  if (isRecord(before) && isRecord(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return names.flatMap((name) => {
      const at = path === '' ? name : `${path}.${name}`;
      const [old, now] = [before[name], after[name]];
      if (old === undefined || now === undefined) return [change(at, old, now, 'unknown')];
      return diffPolicies(old, now, at);
    });
  }
  if (Array.isArray(before) && Array.isArray(after)) return diffLists(before, after, path);
  return [change(path, before, after, effectOf(path, before, after))];
}

function change(
  path: string,
  before: Json | undefined,
  after: Json | undefined,
  effect: PolicyChange['effect'],
): PolicyChange {
  return { path, before, after, effect: NAMES.has(path) ? 'neutral' : effect };
}

function diffLists(before: readonly Json[], after: readonly Json[], path: string): PolicyChange[] {
  const old = new Set(before.map(textOf));
  const now = new Set(after.map(textOf));
  const forbids = FORBIDDING.test(path);
  const ends = changedEnds(before, after, path);
  const isTold = (item: Json) => ends.some((one) => one.before === item || one.after === item);
  const added = after.filter((item) => !old.has(textOf(item)) && !isTold(item));
  const removed = before.filter((item) => !now.has(textOf(item)) && !isTold(item));
  return [
    ...ends,
    ...added.map((item) => change(path, undefined, item, forbids ? 'stronger' : 'weaker')),
    ...removed.map((item) => change(path, item, undefined, forbids ? 'weaker' : 'stronger')),
  ];
}

/** Items that are the same but for when they stop being accepted. */
function changedEnds(before: readonly Json[], after: readonly Json[], path: string): PolicyChange[] {
  const endOf = (item: Json) => {
    const end = isRecord(item) ? item.acceptedUntil : undefined;
    return typeof end === 'string' ? Date.parse(end) : Number.POSITIVE_INFINITY;
  };
  const restOf = (item: Json) => (isRecord(item) ? textOf({ ...item, acceptedUntil: null }) : textOf(item));
  return before.flatMap((was) => {
    const is = after.find((item) => restOf(item) === restOf(was));
    if (is === undefined || endOf(is) === endOf(was)) return [];
    return [change(path, was, is, endOf(is) > endOf(was) ? 'weaker' : 'stronger')];
  });
}

function effectOf(path: string, before: Json | undefined, after: Json | undefined): PolicyChange['effect'] {
  if (typeof before === 'number' && typeof after === 'number') {
    if (UPPER_BOUND.test(path)) return after > before ? 'weaker' : 'stronger';
    if (LOWER_BOUND.test(path)) return after < before ? 'weaker' : 'stronger';
    return 'unknown';
  }
  // A rule that is null takes nothing of its kind.
  if (before === null || after === null) return before === null ? 'weaker' : 'stronger';
  if (LOWER_BOUND.test(path) && isVersion(before) && isVersion(after)) {
    return compareVersions(after, before) < 0 ? 'weaker' : 'stronger';
  }
  // A list became "any", or the other way round.
  if (after === 'any') return 'weaker';
  if (before === 'any') return 'stronger';
  if (typeof before === 'boolean' || typeof after === 'boolean') return 'unknown';
  for (const order of WORD_ORDERS) {
    const [from, to] = [order.indexOf(before as string), order.indexOf(after as string)];
    if (from >= 0 && to >= 0) return to > from ? 'weaker' : 'stronger';
  }
  return 'unknown';
}

const isVersion = (value: Json | undefined): value is string =>
  typeof value === 'string' && /^[0-9A-F]{1,5}(\.[0-9A-F]{1,5})+$/.test(value);

/** Part by part; decimal and hexadecimal numbers alike, for parts of one length have one order as text. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) =>
    text
      .split('.')
      .map((part) => part.padStart(5, '0'))
      .join('.'),
  ) as [string, string];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The changes for the worse, and those that a person must judge. */
export function weakenings(changes: readonly PolicyChange[]): readonly PolicyChange[] {
  return changes.filter(({ effect }) => effect === 'weaker' || effect === 'unknown');
}
