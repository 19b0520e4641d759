import type { Command } from 'commander';
import type { DoctorFlags } from '../host/run.ts';

/** `chrysalis host`: the machine under a worker. */
export function registerHost(program: Command): void {
  const host = program.command('host').description('the machine that is to run workers');
  host
    .command('doctor')
    .description('is this host ready for TDX or SEV-SNP, and its GPUs: each check, and what to do; changes nothing')
    .option('--root <folder>', 'a recorded host instead: its files, and what commands printed in commands/NAME.txt')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Exit codes: 0 ready, 1 not ready, 2 usage, 3 could not find out (as root it sees more).

Example:
  $ npx chrysalis host doctor
  $ npx chrysalis host doctor --root ./recorded-host --json`,
    )
    .action(async (flags: DoctorFlags) => (await import('../host/run.ts')).doctor(flags));
}
