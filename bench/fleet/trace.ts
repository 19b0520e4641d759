import { type Conversation, fleet, type Pattern, requestsPerSecond, type Turn } from './patterns.ts';
import { seededRandom } from './random.ts';

/** Columns by what they are called in traces that are around (Azure's LLM inference traces, BurstGPT) and here. */
const COLUMNS = {
  at: ['arrived', 'timestamp'],
  tokensIn: ['tokens_in', 'contexttokens', 'request tokens'],
  tokensOut: ['tokens_out', 'generatedtokens', 'response tokens'],
  account: ['account'],
  session: ['session', 'session id', 'sessionid'],
} as const;
const OPTIONAL: readonly string[] = ['account', 'session'];
const TURNS_MAX = 255;

type Row = Readonly<{ at: number; tokensIn: number; tokensOut: number; account: string; session: string | null }>;

/**
 * A recorded trace as a pattern: one line a request, its columns named in the first. `arrived` is in seconds, or a date
 * and time; sizes are in tokens; `account` and `session` may be missing, then all is one account's and no prompt holds an
 * earlier one. A prompt of a session that is at least as long as the turn before with its answer is taken to begin with
 * them. Lines without an answer are left out.
 * @param options.speed how many times as fast as recorded requests come
 * @throws Error with the line of what cannot be read
 */
export function patternOfTrace(
  text: string,
  options: Readonly<{ name: string; workers: number; seed: number; speed: number }>,
): Pattern {
  const rows = rowsOf(text).filter(({ tokensIn, tokensOut }) => tokensIn > 0 && tokensOut > 0);
  if (rows.length === 0) throw new Error('the trace has no request');
  const begins = rows.reduce((least, { at }) => Math.min(least, at), Number.POSITIVE_INFINITY);
  const accounts = new Map<string, number>();
  const sessions = new Map<string, { account: number; turns: Turn[] }>();
  const conversations: Conversation[] = [];
  const sorted = rows.map((row) => ({ ...row, at: (row.at - begins) / options.speed })).sort((a, b) => a.at - b.at);
  for (const { at, tokensIn, tokensOut, account, session } of sorted) {
    if (!accounts.has(account)) accounts.set(account, accounts.size);
    const key = `${account}\n${session}`;
    let known = session === null ? undefined : sessions.get(key);
    if (known === undefined || known.turns.length >= TURNS_MAX) {
      known = { account: accounts.get(account) as number, turns: [] };
      conversations.push(known);
      if (session !== null) sessions.set(key, known);
    }
    const last = known.turns.at(-1);
    const before = last === undefined ? 0 : last.tokensIn + last.tokensOut;
    known.turns.push({ at, tokensIn, tokensOut, prefix: before <= tokensIn ? before : 0 });
  }
  const workers = fleet({ slow: 0, lying: 0, failing: 0 }, options.workers, seededRandom(options.seed));
  const mean = (of: (row: Row) => number) => rows.reduce((sum, row) => sum + of(row), 0) / rows.length;
  const [tokensIn, tokensOut] = [mean((row) => row.tokensIn), mean((row) => row.tokensOut)];
  return {
    name: 'trace',
    title: `Recorded: ${options.name}${options.speed === 1 ? '' : `, ${options.speed} times as fast`}`,
    conversations,
    workers,
    accounts: accounts.size,
    requests: rows.length,
    tokensPerSecond: requestsPerSecond(workers, tokensIn, tokensOut) * (tokensIn + tokensOut),
  };
}

function rowsOf(text: string): Row[] {
  const [head = '', ...lines] = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const names = head.split(',').map((name) => name.trim().toLowerCase());
  const place = (column: keyof typeof COLUMNS): number => {
    const at = names.findIndex((name) => (COLUMNS[column] as readonly string[]).includes(name));
    if (at < 0 && !OPTIONAL.includes(column))
      throw new Error(`the trace has no column ${COLUMNS[column].join(' or ')}`);
    return at;
  };
  const places = { at: place('at'), tokensIn: place('tokensIn'), tokensOut: place('tokensOut') };
  const [account, session] = [place('account'), place('session')];
  return lines.flatMap((line, i): Row[] => {
    if (line === '') return [];
    const cells = line.split(',').map((cell) => cell.trim());
    const where = `line ${i + 2} of the trace`;
    if (cells.length !== names.length) throw new Error(`${where} has ${cells.length} columns and not ${names.length}`);
    const tokens = (at: number): number => {
      const value = Number(cells[at]);
      if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${where} has no number of tokens`);
      return value;
    };
    return [
      {
        at: msOf(cells[places.at] as string, where),
        tokensIn: tokens(places.tokensIn),
        tokensOut: tokens(places.tokensOut),
        account: account < 0 ? '' : (cells[account] as string),
        session: session < 0 || cells[session] === '' ? null : (cells[session] as string),
      },
    ];
  });
}

/** Seconds from whenever, or a date and a time; one without a zone is in UTC, so that no clock change makes a gap. */
function msOf(cell: string, where: string): number {
  const date = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,3})?)\d*(Z|[+-]\d\d:?\d\d)?$/.exec(cell);
  const ms =
    date === null
      ? cell === ''
        ? Number.NaN
        : Number(cell) * 1000
      : Date.parse(`${date[1]}T${date[2]}${date[3] ?? 'Z'}`);
  if (!Number.isFinite(ms)) throw new Error(`${where} has no time of arrival`);
  return ms;
}
