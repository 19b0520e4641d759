import type { DocumentState } from '../../attestation/collateral/index.ts';
import { rfc3339, type UnixSeconds } from '../../core/index.ts';
import { counted, type Paint, table } from '../output.ts';

const DAY = 86_400;

/** What `--json` prints of kept collateral. */
export function collateralDocument(documents: readonly DocumentState[]) {
  return {
    documents: documents.map(({ id, sha256, from, until, fetchedAt, isCurrent }) => ({
      id,
      sha256,
      from: rfc3339(from),
      until: rfc3339(until),
      fetchedAt: rfc3339(fetchedAt),
      current: isCurrent,
    })),
    until: documents.length === 0 ? null : rfc3339(endOf(documents)),
  };
}

/** The first end of all windows: a set is worth as much as its first document that ends. */
function endOf(documents: readonly DocumentState[]): UnixSeconds {
  return Math.min(...documents.map(({ until }) => until));
}

const shortened = (id: string) => id.replace(/[0-9a-f]{24,}/g, (digits) => `${digits.slice(0, 8)}…${digits.slice(-8)}`);

/** One line a document, what has ended first by its word; then how long all of it is good. */
export function formatDocuments(
  documents: readonly DocumentState[],
  now: UnixSeconds,
  paint: Paint,
  width: number,
): string {
  if (documents.length === 0) return 'No collateral is kept here.\n';
  const word = ({ isCurrent, until }: DocumentState) =>
    isCurrent ? `${counted(Math.floor((until - now) / DAY), 'day')} left` : until < now ? 'ENDED' : 'NOT YET VALID';
  const rows = documents.map((one) => [shortened(one.id), rfc3339(one.until), word(one)]);
  const ended = documents.filter(({ isCurrent }) => !isCurrent).length;
  const first =
    ended === 0
      ? paint.good(`${documents.length} documents, all current until ${rfc3339(endOf(documents))}`)
      : paint.warn(`${ended} of ${documents.length} documents are not current`);
  return `${first}\n${table([['document', 'until', ''], ...rows], width)}\n`;
}
