import { type Bytes, CodedError, type Randomness, toHex, type UnixMs, utf8 } from '../core/index.ts';
import { commitment, type LeafDraft, parseCheckpoint, parseNote } from '../log/index.ts';
import { createCountedEntries } from './counted-entries.ts';
import { perMinute } from './per-minute.ts';
import type { LogPort } from './ports.ts';

export const REVIEW_VERDICTS = ['verified', 'refused', 'incomplete'] as const;
export type ReviewVerdict = (typeof REVIEW_VERDICTS)[number];

/** @property manifestSha256 32 bytes @property from of entries [from, size) */
export type ExportMade = Readonly<{ manifestSha256: Bytes; from: number; size: number }>;
export type ReviewMade = Readonly<{ manifestSha256: Bytes; size: number; verdict: ReviewVerdict }>;
/** The entry, and what opens its commitment to who it was; null where nobody was asked who he is. */
export type AuditRecord = Readonly<{ index: number; opening: Readonly<{ account: string; salt: Bytes }> | null }>;

export type AuditRecords = Readonly<{
  /** @throws CodedError AUDIT_RANGE_INVALID, TOO_MANY_REQUESTS */
  recordExport(made: ExportMade, account: string | null): Promise<AuditRecord>;
  /** @throws CodedError AUDIT_RANGE_INVALID, TOO_MANY_REQUESTS */
  recordReview(made: ReviewMade, account: string | null): Promise<AuditRecord>;
  /** Somebody asked the administration for something. @param code of the refusal; null where it was done */
  accessed(method: string, code: string | null): void;
}>;

const SALT_BYTES = 32;
/** People do this; who writes more than they could is writing the log full. */
const PER_MINUTE_MAX = 10;
const ACCESS_MS = 3_600_000;

/** Who took the log away, who looked through it, and how often the router was asked, as entries: in the next bundle they stand. */
export function createAuditRecords(
  deps: Readonly<{ log: LogPort; source: string; now: () => UnixMs; randomness: Randomness }>,
): AuditRecords & Readonly<{ close(): Promise<void> }> {
  const { log, source: src } = deps;
  const limit = perMinute(PER_MINUTE_MAX);
  const access = createCountedEntries<'access'>(deps, ACCESS_MS, ({ words: calls, ...counted }) => ({
    ...{ type: 'access', src, subject: `access:${src}` },
    body: { ...counted, calls },
  }));

  const requireSize = async (from: number, size: number): Promise<void> => {
    const newest = parseCheckpoint(parseNote(utf8(await log.checkpoint())).text).size;
    if (from <= size && size > 0 && size <= newest) return;
    throw new CodedError('AUDIT_RANGE_INVALID', `the log has ${newest} entries`, { from, size });
  };
  const record = async (
    account: string | null,
    draft: (by: `c1:${string}` | null) => LeafDraft<'export'> | LeafDraft<'review'>,
  ): Promise<AuditRecord> => {
    if (!limit.take(deps.now())) throw new CodedError('TOO_MANY_REQUESTS', `at most ${PER_MINUTE_MAX} a minute`);
    const salt = Uint8Array.from(deps.randomness(SALT_BYTES));
    const { index } = await log.append(draft(account === null ? null : commitment(salt, account)));
    return { index, opening: account === null ? null : { account, salt } };
  };
  const subject = `audits:${src}`;

  return {
    accessed: (method, code) => access.count(code === null ? method : `${method} ${code}`),
    close: access.close,
    async recordExport({ manifestSha256, from, size }, account) {
      await requireSize(from, size);
      const bundle = digestText(manifestSha256);
      return record(account, (by) => ({ type: 'export', src, subject, body: { bundle, from, size, by } }));
    },
    async recordReview({ manifestSha256, size, verdict }, account) {
      await requireSize(0, size);
      if (!REVIEW_VERDICTS.includes(verdict)) {
        throw new CodedError('AUDIT_RANGE_INVALID', `a review comes to ${REVIEW_VERDICTS.join(', ')}`);
      }
      const bundle = digestText(manifestSha256);
      return record(account, (by) => ({ type: 'review', src, subject, body: { bundle, size, verdict, by } }));
    },
  };
}

function digestText(sha256: Bytes): `sha256:${string}` {
  if (sha256.length === 32) return `sha256:${toHex(sha256)}`;
  throw new CodedError('AUDIT_RANGE_INVALID', 'the digest of a manifest has 32 bytes');
}
