import type { Command } from 'commander';
import type { ImportLedgerOptions, ImportLogOptions } from '../import/run.ts';

/** `chrysalis import`: from one process with its own files to several over PostgreSQL. */
export function registerImport(program: Command): void {
  const group = program
    .command('import')
    .description('carry an embedded router or log over into PostgreSQL, once; stop it first');
  const database = ['--database <url>', 'an empty PostgreSQL database, postgres://…; password in PGPASSWORD'] as const;
  group
    .command('ledger')
    .description(
      'channels, receipts, vouchers, batches, pay and prices of a router; the log hears whom it had admitted',
    )
    .requiredOption(...database)
    .option('--data <folder>', 'the router’s data folder', '.chrysalis/router')
    .option('--name <name>', 'its name in the transparency log', 'router-local')
    .option('--log <url>', 'that log', 'http://127.0.0.1:8082')
    .requiredOption('--log-token-file <file>', 'the secret with which it writes to the log')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      '\nExample:\n  $ npx chrysalis import ledger --database postgres://chrysalis@db/chrysalis --log-token-file write-token',
    )
    .action(async (options: ImportLedgerOptions) => (await import('../import/run.ts')).runImportLedger(options));
  group
    .command('log')
    .description('head, tiles, archived files and cosigned checkpoints of a log; its key stays a file')
    .requiredOption(...database)
    .option('--data <folder>', 'the log’s data folder', '.chrysalis/log')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  $ npx chrysalis import log --database postgres://chrysalis@db/chrysalis')
    .action(async (options: ImportLogOptions) => (await import('../import/run.ts')).runImportLog(options));
}
