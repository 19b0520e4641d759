import { asCodedError, type Clock } from '../core/index.ts';
import { printable } from './output.ts';

/** Everything that a line may say beside its time, level and event: what is not here does not compile. */
type Field = 'account' | 'code' | 'count' | 'message' | 'method' | 'what';
export type LogFields = Readonly<Partial<Record<Field, string | number | null>>>;
export type Level = 'info' | 'warn' | 'error';

/** One line of what a process did. @param event a fixed word or two, by which lines are found */
export type Logger = (level: Level, event: string, fields?: LogFields) => void;

const VALUE_MAX = 500;
const HIDDEN = '[redacted]';
/** What must not be in a line whoever put it there: keys, tokens, passwords, and anything long enough to be sealed. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*-----[\s\S]*?(-----END [A-Z ]*-----|$)/g, HIDDEN],
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, `$1${HIDDEN}@`],
  [/\b(Bearer|Basic)\s+\S+/gi, `$1 ${HIDDEN}`],
  [/\b(password|passphrase|secret|token|api[_-]?key)(["']?\s*[=:]\s*["']?)[^\s"',;]+/gi, `$1$2${HIDDEN}`],
  [/\bsk-[\w-]{8,}/g, HIDDEN],
  // A digest or a public key has 64 digits; a private key with its public half, a quote or a frame has more.
  [/[A-Za-z0-9+/_-]{80,}={0,2}/g, HIDDEN],
];

/** A value as it may stand in a log: one line, no secret that can be told by its looks, no more than 500 characters. */
export function redacted(value: string): string {
  let text = value.toWellFormed();
  for (const [pattern, instead] of SECRETS) text = text.replace(pattern, instead);
  text = printable(text).replace(/\s+/g, ' ').trim();
  return text.length <= VALUE_MAX ? text : `${text.slice(0, VALUE_MAX - 1)}…`;
}

/**
 * Structured logs: with `json` one object a line (`at` RFC 3339 UTC, `level`, `event`, fields), else the same as text.
 * @param deps.write to stderr: stdout is for documents and events
 */
export function createLogger(deps: Readonly<{ json: boolean; write: (line: string) => void; now: Clock }>): Logger {
  return (level, event, fields = {}) => {
    const given = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
    const safe = given.map(([name, value]) => [name, typeof value === 'string' ? redacted(value) : value] as const);
    const at = new Date(deps.now()).toISOString();
    if (deps.json) {
      deps.write(`${JSON.stringify({ at, level, event, ...Object.fromEntries(safe) })}\n`);
      return;
    }
    const words = safe.map(([name, value]) => `${name}=${typeof value === 'string' ? JSON.stringify(value) : value}`);
    deps.write(`${[at, level, event, ...words].join(' ')}\n`);
  };
}

/** What went wrong, by code and message: causes may hold what others sent. */
export function faultOf(error: unknown): Pick<LogFields, 'code' | 'message'> {
  const { code, message } = asCodedError(error);
  return { code, message };
}
