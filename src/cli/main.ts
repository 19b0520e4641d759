#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { registerAudit } from './commands/audit.ts';
import { registerChain } from './commands/chain.ts';
import { registerChannel } from './commands/channel.ts';
import { registerChat } from './commands/chat.ts';
import { registerCollateral } from './commands/collateral.ts';
import { registerGateway } from './commands/gateway.ts';
import { registerHost } from './commands/host.ts';
import { registerImage } from './commands/image.ts';
import { registerImport } from './commands/import.ts';
import { registerKeys } from './commands/keys.ts';
import { registerLog } from './commands/log.ts';
import { registerPolicy } from './commands/policy.ts';
import { registerRelease } from './commands/release.ts';
import { registerRouter } from './commands/router.ts';
import { registerTop } from './commands/top.ts';
import { registerUp } from './commands/up.ts';
import { registerVerify } from './commands/verify.ts';
import { registerWorker } from './commands/worker.ts';
import { EXIT, printError, processSink } from './output.ts';
import { VERSION } from './version.ts';

const REGISTRATIONS: readonly ((program: Command) => void)[] = [
  registerUp,
  registerRouter,
  registerTop,
  registerWorker,
  registerRelease,
  registerGateway,
  registerChat,
  registerVerify,
  registerPolicy,
  registerCollateral,
  registerHost,
  registerImage,
  registerLog,
  registerImport,
  registerAudit,
  registerChain,
  registerChannel,
  registerKeys,
];

/** The whole command line; the heavy modules of a command are loaded by its action. */
export function createProgram(): Command {
  const program = new Command('chrysalis')
    .description('AI inference only on machines that prove what they are.')
    .version(VERSION, '--version', 'print the version')
    .option('--debug', 'show internal errors with their stack')
    .option('--no-color', 'no colours (also NO_COLOR, CI)')
    .helpCommand(false)
    .showHelpAfterError('(--help shows an example)')
    .exitOverride();
  for (const register of REGISTRATIONS) register(program);
  for (const command of program.commands) overrideExit(command);
  program.addHelpText(
    'after',
    `
Exit codes: 0 accepted, 1 refused, 2 usage or configuration, 3 could not find out.

Example:
  $ npx chrysalis up              start the local network and send a first request
  $ npx chrysalis COMMAND --help  more of one command`,
  );
  return program;
}

/** Throws instead of exiting, for subcommands of subcommands too. */
function overrideExit(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) overrideExit(child);
}

/** Runs a command and leaves its exit code in `process.exitCode`; whatever it throws is printed. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = createProgram();
  try {
    await program.parseAsync(argv);
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      // commander has already said what was wrong; its own exit code for that is 1, which means "refused" here
      process.exitCode = thrown.exitCode === 0 ? EXIT.accepted : EXIT.usage;
      return;
    }
    const json = argv.includes('--json');
    const debug = argv.includes('--debug');
    process.exitCode = printError(thrown, processSink(!argv.includes('--no-color')), { json, debug });
  }
}

// A reader that went away (`| head`) is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.accepted);
});

if (import.meta.main) await main(process.argv);
