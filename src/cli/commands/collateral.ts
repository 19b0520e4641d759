import { type Command, Option } from 'commander';
import type { BundleFlags, FetchFlags, ShowFlags } from '../collateral/run.ts';
import { addTrustAnchor, addVendorOptions } from './vendor-options.ts';

/** `chrysalis collateral`: what vendors say about platforms, fetched, kept and looked at. */
export function registerCollateral(program: Command): void {
  const collateral = program
    .command('collateral')
    .description('vendors’ collateral: fetch it for a platform, keep it as a bundle for use offline, see when it ends');
  addVendorOptions(
    collateral
      .command('fetch [evidence...]')
      .description('fetch what this evidence is verified with; without evidence, what the bundle holds and is due'),
  )
    .addOption(new Option('--kind <kind>', 'what the files are').choices(['tdx-quote', 'snp-report', 'nvidia-devices']))
    .option('--fmspc <hex>', 'or name an Intel platform, 12 hexadecimal digits')
    .addOption(new Option('--ca <ca>', 'and its PCK CA').choices(['platform', 'processor']).default('platform'))
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Exit codes: 0 all current, 1 refused, 2 usage, 3 it can't be had.

Example:
  $ npx chrysalis collateral fetch --kind tdx-quote quote.bin --bundle collateral-bundle.json
  $ npx chrysalis verify --kind tdx-quote quote.bin --collateral collateral-bundle.json`,
    )
    .action(async (files: string[], flags: FetchFlags) => (await import('../collateral/run.ts')).fetch(files, flags));
  addTrustAnchor(
    collateral
      .command('show <file>')
      .description('what a bundle, or a single set of Intel’s, holds, verified, and when it ends'),
  )
    .option('--at <time>', 'as of this time, RFC 3339 (default: now)')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Exit codes: 0 all current, 1 not genuine, 2 usage, 3 something in it has ended.

Example:
  $ npx chrysalis collateral show collateral-bundle.json`,
    )
    .action(async (file: string, flags: ShowFlags) => (await import('../collateral/run.ts')).show(file, flags));
  addTrustAnchor(
    collateral
      .command('bundle <file...>')
      .description('put bundles, and single sets of Intel’s, together: each document verified, the newest kept'),
  )
    .requiredOption('--out <file>', 'the bundle to write')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Exit codes: 0 all current, 1 not genuine (nothing is written), 2 usage, 3 something in it has ended.

Example:
  $ npx chrysalis collateral bundle site-a.json site-b.json --out collateral-bundle.json`,
    )
    .action(async (files: string[], flags: BundleFlags) => (await import('../collateral/run.ts')).bundle(files, flags));
}
