import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import { CodedError } from '../../core/index.ts';
import type { Log } from '../../log/writer/index.ts';
import { aborted, announce, stopSignal, supervisedAction } from '../child.ts';

const DEFAULT_PORT = 8082;
const DEFAULT_ORIGIN = 'local.chrysalis/log';
/** A log that says nothing for longer than this has an outage to explain (audit-log-design section 2, `heartbeat`). */
const HEARTBEAT_MS = 60_000;

function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new InvalidArgumentError('a port is a number from 0 to 65535.');
  return port;
}

type ServeOptions = Readonly<{
  port: number;
  data: string;
  origin: string;
  tokenFile?: string;
  json?: boolean;
  supervised?: boolean;
}>;

function readToken(path: string): string {
  const token = readFileSync(path, 'utf8').trim();
  if (!/^[\x21-\x7e]{32,256}$/.test(token)) throw new CodedError('CONFIG_INVALID', 'the token file holds no token');
  return token;
}

/** Appends a heartbeat when a minute passed without an entry. */
function startHeartbeat(log: Log): () => void {
  let last = log.head().size;
  const timer = setInterval(() => {
    const { size } = log.head();
    const quiet = size === last;
    last = size;
    if (!quiet) return;
    log
      .append({ type: 'heartbeat', src: 'log', subject: 'log', body: { queueDepth: log.queued() } })
      .then((appended) => {
        last = appended.size;
      })
      .catch(() => {}); // a log that cannot write answers through `failed`
  }, HEARTBEAT_MS);
  return () => clearInterval(timer);
}

async function serveLog(options: ServeOptions): Promise<void> {
  const { openAppendToken, openLog, startLogServer } = await import('../../log/writer/index.ts');
  const stop = stopSignal(options);
  const randomness = (length: number) => Uint8Array.from(randomBytes(length));
  const log = await openLog({ directory: options.data, origin: options.origin, randomness, clock: Date.now });
  try {
    const token =
      options.tokenFile === undefined ? await openAppendToken(options.data, randomness) : readToken(options.tokenFile);
    const server = await startLogServer({ log, port: options.port, token });
    const { size } = log.head();
    if (options.json === true) {
      announce({ event: 'ready', url: server.url, vkey: log.vkey, origin: log.origin, size });
    } else {
      console.log(`transparency log   ${server.url}   origin ${log.origin}, ${size} entries, data in ${options.data}`);
      console.log(`log key            ${log.vkey}`);
    }
    const stopHeartbeat = startHeartbeat(log);
    const failure = await Promise.race([aborted(stop).then(() => null), log.failed]);
    stopHeartbeat();
    await server.close();
    if (failure !== null) throw failure;
  } finally {
    await log.close();
  }
  if (options.json === true) announce({ event: 'stopped' });
}

async function checkBatch(): Promise<void> {
  const { answerBatch } = await import('../log-check/batch.ts');
  for await (const line of answerBatch(process.stdin)) {
    if (!process.stdout.write(`${line}\n`)) await new Promise((resolve) => process.stdout.once('drain', resolve));
  }
}

/** `chrysalis log serve` and `chrysalis log check`. */
export function registerLog(program: Command): void {
  const log = program.command('log').description('the transparency log: serve it, check what it gave you');
  log
    .command('serve')
    .description('keep a log and serve it as C2SP tlog-tiles')
    .option('--port <number>', 'port on 127.0.0.1, 0 for any free one', portNumber, DEFAULT_PORT)
    .option('--data <folder>', 'where its tiles, lock store and key are kept', '.chrysalis/log')
    .option('--origin <name>', 'what its checkpoints say they are of: its URL without scheme', DEFAULT_ORIGIN)
    .option('--token-file <file>', 'secret that appending asks for (default: append.token in the data folder)')
    .option('--json', 'print events as JSON, one a line')
    .option('--supervised', 'stop when stdin ends')
    .addHelpText(
      'after',
      '\nExample:\n  $ npx chrysalis log serve --port 8082 --data .chrysalis/log --origin log.example/1',
    )
    .action(supervisedAction(serveLog));
  log
    .command('check')
    .description('check proofs, checkpoints, tiles and notes: one JSON question per line in, one answer per line out')
    .requiredOption('--batch', 'read questions from stdin')
    .option('--json', 'answers are JSON in any case')
    .addHelpText(
      'after',
      `
Example:
  $ echo '{"id":"a","op":"tile-path","level":"0","index":"1234067","width":"256"}' | npx chrysalis log check --batch`,
    )
    .action(checkBatch);
}
