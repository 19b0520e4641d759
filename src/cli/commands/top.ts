import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { CodedError } from '../../core/index.ts';
import type { RouterDoorOptions } from '../compose/client-tls.ts';
import { addDoorOptions } from './client-options.ts';

type Options = RouterDoorOptions &
  Readonly<{
    data: string;
    admin?: string;
    interval: number;
    once?: boolean;
    json?: boolean;
    color: boolean;
  }>;

const INTERVAL_SECONDS = { least: 0.2, most: 60 };

function interval(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value < INTERVAL_SECONDS.least || value > INTERVAL_SECONDS.most) {
    throw new InvalidArgumentError(`seconds, from ${INTERVAL_SECONDS.least} to ${INTERVAL_SECONDS.most}.`);
  }
  return value;
}

/** `chrysalis top`: how a router stands, live. */
export function registerTop(program: Command): void {
  addDoorOptions(program.command('top'))
    .summary('workers, queues and rates of a router, live')
    .description(
      'How a router stands: its workers, what waits, what it does a second. Finds the network of `chrysalis up` in its folder; another router is named by --admin. Where the output is no terminal it prints once.',
    )
    .option('--data <folder>', 'folder of the network’s state', process.env.CHRYSALIS_DATA ?? '.chrysalis')
    .option('--admin <address>', 'host:port of another router’s administration (router --admin-port)')
    .option('--interval <seconds>', 'how often it asks', interval, 1)
    .option('--once', 'print what one interval shows, then leave')
    .option('--json', 'the same as one JSON document on stdout')
    .addHelpText(
      'after',
      `
Keys: q quit, s sort by the next column, r reverse, / filter, escape no filter, space pause, arrows and page keys scroll.

Example:
  $ npx chrysalis top
  $ npx chrysalis top --admin 127.0.0.1:8446 --json`,
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals() as Options;
      const [{ runTop }, { clientTls }] = await Promise.all([
        import('../top/run.ts'),
        import('../compose/client-tls.ts'),
      ]);
      process.exitCode = await runTop({
        address: options.admin ?? addressIn(options.data),
        tls: clientTls(options),
        intervalMs: 1000 * options.interval,
        once: options.once === true,
        json: options.json === true,
        color: options.color,
      });
    });
}

/** Where the router of the network in this folder is administered. @throws CodedError CONFIG_INVALID */
function addressIn(folder: string): string {
  const path = join(folder, 'network.json');
  const todo = 'start one with npx chrysalis up, or name a router with --admin HOST:PORT (router --admin-port)';
  if (!existsSync(path)) throw new CodedError('CONFIG_INVALID', `no network has run in ${folder}`, { todo });
  const { admin } = JSON.parse(readFileSync(path, 'utf8')) as { admin?: unknown };
  if (typeof admin !== 'string' || admin === '') {
    throw new CodedError('CONFIG_INVALID', `${path} names no administration: it is of an older version`, { todo });
  }
  return admin;
}
