import { type Command, InvalidArgumentError } from 'commander';
import { supervisedAction } from '../child.ts';
import type { MirrorOptions } from '../log/mirror.ts';
import type { MonitorOptions } from '../log/monitor.ts';
import type { PushOptions } from '../log/push.ts';
import type { ServeOptions } from '../log/serve.ts';
import type { WitnessOptions } from '../log/witness.ts';

const DEFAULT_PORT = 8082;
const DEFAULT_WITNESS_PORT = 8083;
const DEFAULT_ORIGIN = 'local.chrysalis/log';

function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new InvalidArgumentError('a port is a number from 0 to 65535.');
  return port;
}

function secondsNumber(text: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) throw new InvalidArgumentError('a number of seconds from 1.');
  return Number(text);
}

async function checkBatch(): Promise<void> {
  const { answerBatch } = await import('../log-check/batch.ts');
  for await (const line of answerBatch(process.stdin)) {
    if (!process.stdout.write(`${line}\n`)) await new Promise((resolve) => process.stdout.once('drain', resolve));
  }
}

/** `chrysalis log`: keep a log, watch one, check what one gave. */
export function registerLog(program: Command): void {
  const log = program.command('log').description('the transparency log: serve it, witness it, check what it gave you');
  registerServe(log);
  registerWitness(log);
  registerMirror(log);
  registerPush(log);
  registerMonitor(log);
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

function registerServe(log: Command): void {
  log
    .command('serve')
    .description('keep a log and serve it as C2SP tlog-tiles')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'port, 0 for any free one', portNumber, DEFAULT_PORT)
    .option('--data <folder>', 'where its key is kept, and its tiles and lock store', '.chrysalis/log')
    .option(
      '--database <url>',
      'PostgreSQL for all but the key: several processes with one key stand by for each other',
    )
    .option('--origin <name>', 'what its checkpoints say they are of: its URL without scheme', DEFAULT_ORIGIN)
    .option('--policy <file>', 'C2SP tlog-policy: its own key, witnesses with URLs, and the quorum that must cosign')
    .option('--retention <file>', 'how long archived files are kept, by type of entry (JSON); for ever without it')
    .option('--token-file <file>', 'secret that appending asks for (default: append.token in the data folder)')
    .option('--json', 'print events as JSON, one a line')
    .option('--supervised', 'stop when stdin ends')
    .addHelpText(
      'after',
      '\nExample:\n  $ npx chrysalis log serve --port 8082 --origin log.example/1 --policy log-policy.txt',
    )
    .action(supervisedAction(async (options: ServeOptions) => (await import('../log/serve.ts')).serveLog(options)));
}

function registerWitness(log: Command): void {
  log
    .command('witness')
    .summary('watch logs: cosign only heads that extend every head seen before')
    .description(
      'A witness (C2SP tlog-witness). It remembers, on disk, the newest head of each log and cosigns what extends it; what does not is refused, and two heads of one size are kept as evidence. Run it where the operator of the log has no say.',
    )
    .requiredOption('--name <name>', 'name of this witness: a URL without scheme')
    .requiredOption('--log <vkey...>', 'verifier keys of the logs to watch')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'port, 0 for any free one', portNumber, DEFAULT_WITNESS_PORT)
    .option('--data <folder>', 'where its key and memory are kept', '.chrysalis/witness')
    .option('--post-quantum', 'cosign with ML-DSA-44 too (3.3 kB a line)')
    .option('--json', 'print events as JSON, one a line')
    .option('--supervised', 'stop when stdin ends')
    .addHelpText(
      'after',
      '\nExample:\n  $ npx chrysalis log witness --name witness.example/w1 --log log.example/1+2f0d1c3a+AZ…',
    )
    .action(
      supervisedAction(async (options: WitnessOptions) => (await import('../log/witness.ts')).runWitness(options)),
    );
}

function registerMirror(log: Command): void {
  log
    .command('mirror')
    .summary('keep a checked copy of somebody else’s log')
    .description(
      'Copies every tile, entry and archived file, each only after it was checked against a head that the quorum cosigned, and serves them. With --name it cosigns what it holds.',
    )
    .requiredOption('--from <url>', 'the log to copy')
    .requiredOption('--policy <file>', 'C2SP tlog-policy: keys of the log, its witnesses and their quorum')
    .option('--name <name>', 'cosign what is held, under this name, and let others give entries (C2SP tlog-mirror)')
    .option('--port <number>', 'port on 127.0.0.1, 0 for any free one', portNumber, 0)
    .option('--data <folder>', 'where the copy is kept', '.chrysalis/mirror')
    .option('--interval <seconds>', 'how often to look for more', secondsNumber, 10)
    .option('--once', 'copy what there is, then stop')
    .option('--json', 'print events as JSON, one a line')
    .option('--supervised', 'stop when stdin ends')
    .addHelpText(
      'after',
      '\nExample:\n  $ npx chrysalis log mirror --from http://127.0.0.1:8082 --policy .chrysalis/log-policy.txt --once',
    )
    .action(supervisedAction(async (options: MirrorOptions) => (await import('../log/mirror.ts')).runMirror(options)));
}

function registerPush(log: Command): void {
  log
    .command('push')
    .summary('give a log to a mirror that does not come for it')
    .description(
      'C2SP tlog-mirror: brings the newest checkpoint and the entries that the mirror lacks, each with the proof that it belongs there, and checks the cosignature by which the mirror says that it holds them all.',
    )
    .requiredOption('--log <url>', 'the log')
    .requiredOption('--to <url>', 'where the mirror takes entries')
    .requiredOption('--policy <file>', 'C2SP tlog-policy: keys of the log, its witnesses and their quorum')
    .requiredOption('--mirror-key <vkey>', 'the mirror’s own key')
    .option('--interval <seconds>', 'how often to look for more', secondsNumber, 10)
    .option('--once', 'bring what there is, then stop')
    .option('--json', 'print events as JSON, one a line')
    .option('--supervised', 'stop when stdin ends')
    .addHelpText(
      'after',
      '\nExample:\n  $ npx chrysalis log push --log http://127.0.0.1:8082 --to https://mirror.example --policy log-policy.txt --mirror-key mirror.example/m1+…',
    )
    .action(supervisedAction(async (options: PushOptions) => (await import('../log/push.ts')).runPush(options)));
}

function registerMonitor(log: Command): void {
  log
    .command('monitor')
    .summary('follow a log, look at every entry, say what is wrong')
    .description(
      'Reads every entry, makes every appraisal again, compares heads with what witnesses, mirrors and clients saw (rules M1 to M13). Findings go to stdout and to --webhook; proof that the log told two stories is written to equivocation.json in the data folder. With --once exits 0 without errors, 1 with one, 3 where the log could not be asked.',
    )
    .requiredOption('--log <url>', 'the log to follow')
    .requiredOption('--policy <file>', 'C2SP tlog-policy: keys of the log, its witnesses and their quorum')
    .option('--chain <url>', 'look at the log’s anchor on this chain too')
    .option('--anchor <file>', 'configuration of that anchor contract, as JSON')
    .option('--mirror <url...>', 'copies of the log to compare with')
    .option('--gossip <folder>', 'checkpoints that clients saw, one a file: heads/ in the folder of a gateway')
    .option('--approvers <file>', 'Ed25519 keys of people who may approve policies: {"name": hex}')
    .option('--signers <file>', 'Ed25519 keys with which entries may be signed: {"name": hex}')
    .option('--collateral <file>', 'today’s collateral: would those who are in be let in today?')
    .option('--collateral-url <url>', 'or the service that has it')
    .option('--data <folder>', 'where the head seen last is kept', '.chrysalis/monitor')
    .option('--interval <seconds>', 'how often to look', secondsNumber, 10)
    .option('--webhook <url>', 'where findings are posted as JSON')
    .option('--dangerously-allow-simulated-vendor <file>', 'accept evidence of this simulated vendor')
    .option('--once', 'look once, then stop')
    .option('--json', 'findings as JSON Lines')
    .option('--supervised', 'stop when stdin ends')
    .addHelpText(
      'after',
      '\nExample:\n  $ npx chrysalis log monitor --log http://127.0.0.1:8082 --policy .chrysalis/log-policy.txt --once',
    )
    .action(
      supervisedAction(async (options: MonitorOptions) => {
        process.exitCode = await (await import('../log/monitor.ts')).runMonitor(options);
      }),
    );
}
