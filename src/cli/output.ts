import { CodedError, type ErrorCode, KIND_OF_CODE } from '../core/index.ts';

/** Exit codes of every command; scripts depend on them. */
export const EXIT = { accepted: 0, refused: 1, usage: 2, unavailable: 3 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Codes whose cause is how the command was called or configured. */
const USAGE_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CONFIG_INVALID',
  'USAGE_INVALID',
  'PORT_IN_USE',
  'MODEL_MISSING',
  'MODEL_INVALID',
  'STATE_LOCKED',
]);

export function exitCodeOf(code: ErrorCode): ExitCode {
  if (USAGE_CODES.has(code)) return EXIT.usage;
  return KIND_OF_CODE[code] === 'unavailable' ? EXIT.unavailable : EXIT.refused;
}

/** What a person can do about a code, where the error itself does not say (`facts.todo`). */
const TODO_OF_CODE: Partial<Record<ErrorCode, string>> = {
  PORT_IN_USE: 'stop the other process, or start with --ports auto',
  STORAGE_FULL: 'free some space on that disk, then start again; nothing acknowledged is lost',
  MODEL_MISSING: 'give the folder of a model with --model DIR (model.onnx, tokenizer.json, config.json)',
  MODEL_INVALID: 'check the files of the model folder, or leave --model out to use the built-in one',
  STATE_LOCKED: 'stop the other network first, or give this one a folder of its own with --data DIR',
  CONFIG_INVALID: 'correct the named setting; --help shows an example',
  USAGE_INVALID: 'see --help for an example',
  DEADLINE_EXCEEDED: 'try again; if it happens again, look at the logs of the named part',
  PEER_UNREACHABLE: 'check that the named part is running, then try again',
  ROLE_REFUSED: 'ask whoever keeps the router’s --admin-roles file for that role',
  IDENTITY_REFUSED: 'show a certificate that the router knows: --client-certificate and --client-key',
  CHANNEL_STATE_INVALID: 'look at it first: chrysalis channel status',
  VOUCHER_INVALID: 'sign or fetch it again; nothing was sent and nothing is lost',
  CHAIN_FUNDS_MISSING: 'send TON to the wallet that `chrysalis keys` shows, then run this again',
  CHAIN_NETWORK_MISMATCH: 'name an endpoint of the network that the contract is made for, with --chain',
  CHAIN_UNREACHABLE:
    'check the address of the chain, or name more providers: --chain URL,URL; nothing is lost meanwhile',
  CHAIN_UNCONFIRMED: 'look at the state before trying again: chrysalis channel status, chrysalis chain status',
  CONTRACT_MISMATCH: 'send nothing there: the account is not the contract that this configuration means',
  ENDORSEMENT_UNREACHABLE: 'check the network, or give the collateral as a file',
  INVARIANT_BROKEN: 'this is a defect of Chrysalis: run again with --debug and report what it prints',
};

export function todoOf(error: CodedError): string {
  const own = error.facts.todo;
  if (typeof own === 'string') return own;
  const known = TODO_OF_CODE[error.code];
  if (known !== undefined) return known;
  return KIND_OF_CODE[error.code] === 'unavailable'
    ? 'nothing was accepted and nothing refused: try again later'
    : 'do not rely on it; the code names what was found wrong';
}

/** `code`, `message`, `facts` and `todo`: what `--json` prints and what a child process reports. */
export type ErrorDocument = Readonly<{
  code: string;
  message: string;
  facts: Readonly<Record<string, string | number>>;
  todo: string;
}>;

export function errorDocument(error: CodedError): ErrorDocument {
  return { code: error.code, message: error.message, facts: error.facts, todo: todoOf(error) };
}

const SYSTEM_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'STORAGE_FULL',
  EDQUOT: 'STORAGE_FULL',
  EADDRINUSE: 'PORT_IN_USE',
  EACCES: 'CONFIG_INVALID',
  EPERM: 'CONFIG_INVALID',
  EROFS: 'CONFIG_INVALID',
  ENOTDIR: 'CONFIG_INVALID',
  EISDIR: 'CONFIG_INVALID',
  ENOENT: 'CONFIG_INVALID',
  ECONNREFUSED: 'PEER_UNREACHABLE',
  ECONNRESET: 'PEER_UNREACHABLE',
  ENOTFOUND: 'PEER_UNREACHABLE',
};

/** Sentences for the system's own words; the path or address is added from the error. */
const SYSTEM_WORDS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EADDRINUSE: 'the port is in use',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'not a folder',
  EISDIR: 'is a folder',
  ENOENT: 'no such file or folder',
  ECONNREFUSED: 'nothing answers there',
  ECONNRESET: 'the connection was cut',
  ENOTFOUND: 'no such host',
};

/** Turns what Node throws for disks and sockets into a coded error; anything else is a bug, kept in `cause`. */
export function codedFromSystem(thrown: unknown): CodedError {
  if (thrown instanceof CodedError) return thrown;
  const from = (thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown) as {
    code?: unknown;
    path?: unknown;
    address?: unknown;
    port?: unknown;
  };
  const system = typeof from?.code === 'string' ? from.code : '';
  const code = SYSTEM_CODES[system];
  if (code === undefined) return new CodedError('INVARIANT_BROKEN', 'an internal error', { system }, { cause: thrown });
  const where = typeof from.path === 'string' ? from.path : from.port === undefined ? '' : `port ${String(from.port)}`;
  const words = SYSTEM_WORDS[system] ?? system;
  return new CodedError(code, where === '' ? words : `${words}: ${where}`, { system }, { cause: thrown });
}

/** Whether to colour: a terminal, and nobody said no (`NO_COLOR`, `CI`, `--no-color`). */
export function wantsColour(
  stream: Readonly<{ isTTY?: boolean }>,
  env: Readonly<Record<string, string | undefined>>,
  flag = true,
): boolean {
  return flag && stream.isTTY === true && !env.NO_COLOR && !env.CI && env.TERM !== 'dumb';
}

export type Paint = Readonly<{
  good(text: string): string;
  bad(text: string): string;
  warn(text: string): string;
  dim(text: string): string;
  strong(text: string): string;
}>;

const ESCAPE = String.fromCharCode(27);

export function painter(colour: boolean): Paint {
  const style = (code: number) => (text: string) => (colour ? `${ESCAPE}[${code}m${text}${ESCAPE}[0m` : text);
  return { good: style(32), bad: style(31), warn: style(33), dim: style(2), strong: style(1) };
}

/**
 * Takes the control characters out of text that came from elsewhere (a model's answer, a worker's name), so that it
 * cannot move the cursor, recolour the verdict above it or set a window title. Line feeds and tabs stay.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '\ufffd');
}

/** Cuts `text` into lines of at most `width` columns at white space; words longer than a line are cut. */
export function wrap(text: string, width: number): string[] {
  const columns = Math.max(8, width);
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(/ +/)) {
      let rest = word;
      if (line !== '' && line.length + 1 + rest.length > columns) {
        lines.push(line);
        line = '';
      }
      while (rest.length > columns) {
        lines.push(rest.slice(0, columns));
        rest = rest.slice(columns);
      }
      line = line === '' ? rest : `${line} ${rest}`;
    }
    lines.push(line);
  }
  return lines;
}

/** `label` in a column of its own, `text` wrapped beside it. */
export function labelled(label: string, text: string, width: number, indent = 2, labelWidth = 10): string {
  const left = ' '.repeat(indent);
  const lines = wrap(text, width - indent - labelWidth);
  return lines.map((line, at) => `${left}${(at === 0 ? label : '').padEnd(labelWidth)}${line}`).join('\n');
}

/** Rows in columns; the last column wraps so that no line is wider than `width`. */
export function table(rows: readonly (readonly string[])[], width: number, indent = 2): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  if (columns === 0) return '';
  const widths = Array.from({ length: columns - 1 }, (_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const left = indent + widths.reduce((sum, one) => sum + one + 2, 0);
  return rows
    .map((row) => {
      const head = ' '.repeat(indent) + widths.map((one, at) => `${(row[at] ?? '').padEnd(one)}  `).join('');
      const last = wrap(row[columns - 1] ?? '', width - left);
      return last
        .map((line, at) => (at === 0 ? head : ' '.repeat(left)) + line)
        .map((line) => line.trimEnd())
        .join('\n');
    })
    .join('\n');
}

/** nanoTON as TON, without trailing zeros: 21000n is `0.000021`. */
export function ton(nano: bigint): string {
  const sign = nano < 0n ? '-' : '';
  const size = nano < 0n ? -nano : nano;
  const fraction = (size % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  return `${sign}${size / 1_000_000_000n}${fraction === '' ? '' : `.${fraction}`}`;
}

/** `1 entry`, `2 entries`, `0 entries`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

export type ErrorSink = Readonly<{
  out(text: string): void;
  err(text: string): void;
  width: number;
  paint: Paint;
}>;

/**
 * What happened, why, what to do, with the code at the end; on stderr, and as `{"error":…}` on stdout for `--json`.
 * The stack is shown for `--debug` alone.
 */
export function printError(
  thrown: unknown,
  sink: ErrorSink,
  options: Readonly<{ json?: boolean; debug?: boolean }>,
): ExitCode {
  const error = codedFromSystem(thrown);
  if (options.json === true) sink.out(`${JSON.stringify({ error: errorDocument(error) })}\n`);
  const why = typeof error.facts.why === 'string' ? error.facts.why : '';
  const lines = [`${sink.paint.bad('✗')} ${printable(error.message)}`];
  if (why !== '') lines.push(labelled('why', printable(why), sink.width, 2, 12));
  // Of an answer that failed: for what had come of it.
  if (typeof error.facts.paid === 'string') {
    lines.push(labelled('paid', `${ton(BigInt(error.facts.paid))} TON (${error.facts.receipts})`, sink.width, 2, 12));
  }
  lines.push(labelled('what to do', printable(todoOf(error)), sink.width, 2, 12));
  lines.push(labelled('code', error.code, sink.width, 2, 12));
  sink.err(`${lines.join('\n')}\n`);
  if (options.debug === true) {
    for (let at: unknown = error; at instanceof Error; at = at.cause) sink.err(`${at.stack ?? String(at)}\n`);
  }
  return exitCodeOf(error.code);
}

/** The process's own streams. */
export function processSink(colour = true): ErrorSink {
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    width: Math.min(process.stderr.columns ?? 100, 120),
    paint: painter(wantsColour(process.stderr, process.env, colour)),
  };
}
