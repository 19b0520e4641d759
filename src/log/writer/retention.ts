import { sha256 } from '#crypto';
import {
  type Bytes,
  CodedError,
  fromHex,
  leafHash,
  merkleRoot,
  parseStrictJson,
  toHex,
  type UnixMs,
  utf8,
} from '../../core/index.ts';
import { type Digest, type LeafType, parseLeaf } from '../index.ts';
import { digestOf } from './blobs.ts';
import type { Log } from './log.ts';

/**
 * How long the files that entries name are kept, by type of entry. Entries themselves are never removed. What is in no
 * tier is kept for ever. @property hold nothing is removed while it is true, for a court
 */
export type RetentionPolicy = Readonly<{
  hold: boolean;
  tiers: readonly Readonly<{ name: string; types: readonly LeafType[]; days: number }>[];
}>;

/** Without these files nothing could be judged any more, or it could not be seen what was removed. */
const REMOVABLE: ReadonlySet<string> = new Set<LeafType>([
  'worker-admitted',
  'worker-rejected',
  'key-released',
  'key-refused',
  're-attested',
  'receipt-batch',
  'session-batch',
]);
const DAYS_MIN = 30;
const DAYS_MAX = 36_500;
const TIERS_MAX = 8;
const DAY_MS = 86_400_000;
const ENTRIES_READ_MAX = 4096;
/** The list of one run is a blob itself: 72 bytes a digest. */
const REMOVED_PER_RUN_MAX = 100_000;

/** `{"hold": false, "tiers": [{"name", "types", "days"}]}`. @throws CodedError CONFIG_INVALID, ENCODING_INVALID */
export function parseRetentionPolicy(text: string): RetentionPolicy {
  const invalid = (why: string) => new CodedError('CONFIG_INVALID', `retention policy: ${why}`);
  const value = parseStrictJson(text, 'retention policy') as { hold?: unknown; tiers?: unknown } | null;
  if (typeof value !== 'object' || value === null || Object.keys(value).sort().join() !== 'hold,tiers') {
    throw invalid('it has hold and tiers');
  }
  const { hold, tiers } = value;
  if (typeof hold !== 'boolean' || !Array.isArray(tiers) || tiers.length > TIERS_MAX) throw invalid('hold or tiers');
  const seen = new Set<string>();
  return {
    hold,
    tiers: tiers.map((tier: { name?: unknown; types?: unknown; days?: unknown } | null) => {
      const { name, types, days } = tier ?? {};
      if (typeof name !== 'string' || !/^[A-Za-z0-9-]{1,32}$/.test(name)) throw invalid('a tier has a name');
      if (!Number.isInteger(days) || (days as number) < DAYS_MIN || (days as number) > DAYS_MAX) {
        throw invalid(`tier ${name}: files are kept for ${DAYS_MIN} days at least`);
      }
      if (!Array.isArray(types) || types.length === 0) throw invalid(`tier ${name} names no types`);
      for (const type of types) {
        if (!REMOVABLE.has(type as string)) throw invalid(`tier ${name}: files of ${String(type)} are kept for ever`);
        if (seen.has(type as string)) throw invalid(`${String(type)} is in two tiers`);
        seen.add(type as string);
      }
      return { name, types: types as LeafType[], days: days as number };
    }),
  };
}

/** Files whose every entry is past its time, by tier: that of the entry that held it longest. */
async function expired(
  log: Log,
  policy: RetentionPolicy,
  now: UnixMs,
): Promise<ReadonlyMap<string, readonly Digest[]>> {
  const tierOf = new Map(policy.tiers.flatMap((tier) => tier.types.map((type) => [type as string, tier] as const)));
  const until = new Map<Digest, Readonly<{ at: number; tier: string }>>();
  const { size } = log.head();
  for (let from = 0; from < size; from += ENTRIES_READ_MAX) {
    for (const { entry } of await log.entries(from, Math.min(size, from + ENTRIES_READ_MAX))) {
      const { leaf, known } = parseLeaf(entry);
      const tier = known ? tierOf.get(leaf.type) : undefined;
      const at = tier === undefined ? Number.POSITIVE_INFINITY : leaf.at + tier.days * DAY_MS;
      for (const digest of leaf.blobs) {
        const before = until.get(digest);
        if (before === undefined || at > before.at) until.set(digest, { at, tier: tier?.name ?? '' });
      }
    }
  }
  const byTier = new Map<string, Digest[]>();
  for (const [digest, { at, tier }] of until) {
    if (at >= now || (await log.blobs.get(digest)) === null) continue;
    const digests = byTier.get(tier) ?? [];
    if (digests.length < REMOVED_PER_RUN_MAX) digests.push(digest);
    byTier.set(tier, digests);
  }
  return byTier;
}

/**
 * Removes what is past its time. Each run is an entry first, with the list of what goes: an auditor who misses a file
 * finds out why, and that nobody chose. @returns how many files were removed
 */
export async function runRetention(log: Log, text: string, now: UnixMs): Promise<number> {
  const policy = parseRetentionPolicy(text);
  if (policy.hold) return 0;
  let removed = 0;
  for (const [tier, digests] of await expired(log, policy, now)) {
    const sorted = [...digests].sort();
    const list = utf8(sorted.map((digest) => `${digest}\n`).join(''));
    const root: Digest = `sha256:${toHex(merkleRoot(sorted.map(leafOfDigest)))}`;
    const blobs = [list, utf8(text)];
    await log.append(
      {
        type: 'retention-run',
        src: 'log',
        subject: 'retention',
        blobs: blobs.map(digestOf),
        body: { tier, count: sorted.length, root },
      },
      { blobs, idempotencyKey: `retention:${toHex(sha256(list))}:${now}` },
    );
    for (const digest of sorted) await log.blobs.remove(digest);
    removed += sorted.length;
  }
  return removed;
}

function leafOfDigest(digest: Digest): Bytes {
  return leafHash(fromHex(digest.slice('sha256:'.length), 'digest'));
}
