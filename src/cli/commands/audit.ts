import { type Command, InvalidArgumentError } from 'commander';
import type { ExportOptions } from '../audit/export.ts';
import type { LookOptions } from '../audit/look.ts';
import type { VerifyOptions } from '../audit/verify.ts';
import { addDoorOptions } from './client-options.ts';
import { whole } from './whole.ts';

function instant(text: string): number {
  const at = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\dT/.test(text) || Number.isNaN(at))
    throw new InvalidArgumentError('a time such as 2026-03-01T00:00:00Z.');
  return at;
}

const POLICY = [
  '--policy <file>',
  'C2SP tlog-policy: keys of the log, its witnesses and their quorum; yours, not theirs',
] as const;

/** `chrysalis audit`: carry a log away, check it without anyone, look into it. */
export function registerAudit(program: Command): void {
  const audit = program
    .command('audit')
    .description('an audit trail that you verify yourself: export a log, check it offline, look into it');
  registerExport(audit);
  registerVerify(audit);
  registerLooks(audit);
  registerPage(audit);
}

/** To have it written into the log that this was done. */
function withRecord(command: Command): Command {
  return addDoorOptions(command)
    .option(
      '--admin <address>',
      'host:port of the administration of a router of this log: an entry will say that you did this (role auditor)',
    )
    .option('--opening <file>', 'write what shows that it was you: the entry has a commitment');
}

function registerExport(audit: Command): void {
  withRecord(audit.command('export'))
    .description('write a bundle: every entry of a log from --from on, and every file they name')
    .requiredOption('--log <url>', 'where the log is served')
    .requiredOption(...POLICY)
    .requiredOption('--out <file>', 'the bundle to write, NAME.audit.tar.gz')
    .option('--from <size>', 'leave out the entries before this size of a kept cosigned checkpoint', whole, 0)
    .option('--by <who>', 'who makes it', 'unnamed')
    .option('--purpose <text>', 'what it is made for', 'audit')
    .option('--sign-as <name>', 'sign for the bundle under this name, with --key')
    .option('--key <file>', 'your Ed25519 key, NAME.secret (32 bytes in hex); made where there is none')
    .option('--timestamps <folder>', 'take along RFC 3161 time stamps over kept checkpoints, SIZE.tsr each')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      '\nExample:\n  $ npx chrysalis audit export --log http://127.0.0.1:8082 --policy .chrysalis/log-policy.txt --out march.audit.tar.gz',
    )
    .action(async (options: ExportOptions) => (await import('../audit/export.ts')).runExport(options));
}

/** What whoever checks a bundle brings along: keys, roots, bounds. */
function withTrust(command: Command): Command {
  return command
    .requiredOption(...POLICY)
    .option('--approvers <file>', 'Ed25519 keys of people who may approve policies: {"name": hex}')
    .option('--signers <file>', 'Ed25519 keys with which entries may be signed: {"name": hex}')
    .option('--exporter <vkey...>', 'keys of those who may make bundles: one of them must have signed for this one')
    .option(
      '--tsa-roots <file>',
      'PEM: roots, or certificates, of the authorities whose RFC 3161 time stamps you believe',
    )
    .option('--chain <url>', 'look at the anchors on this chain (toncenter API); everything else stays offline')
    .option('--anchor <file>', 'configuration of the log’s anchor contract, as JSON')
    .option(
      '--pack <name...>',
      'show in the report what the checks say to a regime: nist-800-53-au, hipaa, soc2, dora, ai-act, gdpr',
    )
    .option('--max-unpacked-bytes <number>', 'refuse bundles that unpack to more', whole)
    .option(
      '--dangerously-allow-simulated-vendor <file>',
      'accept evidence of this simulated vendor where a development policy did',
    )
    .option('--json', 'the report as one JSON document on stdout');
}

function registerVerify(audit: Command): void {
  const verify = audit
    .command('verify <bundle>')
    .summary('check a bundle offline, each appraisal at the instant it was made')
    .description(
      'Checks V1 to V18: files, signatures, completeness, times, policies, every appraisal made again with the collateral of its day, batches, anchors. No clock, and no network but for --chain and --admin. Exits 0 where all passed, 1 where one failed, 2 where the bundle cannot be used, 3 where something could not be looked at.',
    );
  withRecord(withTrust(verify))
    .option('--report <file>', 'write a report for people (HTML, one file)')
    .option('--oscal <file>', 'write OSCAL assessment results')
    .option('--csv <file>', 'write the entries as a table')
    .option('--jsonl <file>', 'write the entries as JSON Lines')
    .addHelpText(
      'after',
      '\nExample:\n  $ npx chrysalis audit verify march.audit.tar.gz --policy log-policy.txt --report march.html',
    )
    .action(async (bundle: string, options: VerifyOptions) => {
      process.exitCode = await (await import('../audit/verify.ts')).runVerify(bundle, options);
    });
  const report = audit
    .command('report <bundle>')
    .summary('check a bundle like verify, and write every report of it into a folder')
    .description(
      'Checks like `audit verify`, and writes report.html, verdict.json, oscal.json, entries.csv and entries.jsonl. The same bundle gives the same files. Exit codes as of verify: a report of a refused bundle says so.',
    );
  withTrust(report)
    .requiredOption('--out <folder>', 'where to write; made where it does not exist')
    .addHelpText(
      'after',
      '\nExample:\n  $ npx chrysalis audit report march.audit.tar.gz --policy log-policy.txt --out march --pack soc2',
    )
    .action(async (bundle: string, options: VerifyOptions & { out: string }) => {
      process.exitCode = await (await import('../audit/verify.ts')).runReport(bundle, options);
    });
}

function registerLooks(audit: Command): void {
  const look = (command: string, description: string, example: string) =>
    audit
      .command(command)
      .description(description)
      .option('--log <url>', 'a log that is served')
      .option('--bundle <file>', 'or one that was carried away')
      .requiredOption(...POLICY)
      .option('--json', 'one JSON document on stdout')
      .addHelpText(
        'after',
        `\nExample:\n  $ npx chrysalis audit ${example} --bundle march.audit.tar.gz --policy log-policy.txt`,
      );
  look('show <index>', 'show one entry, proven to be in the log', 'show 4').action(
    async (index: string, options: LookOptions) => (await import('../audit/look.ts')).runShow(whole(index), options),
  );
  look('prove <index>', 'print the .tlog-proof of one entry', 'prove 4').action(
    async (index: string, options: LookOptions) => (await import('../audit/look.ts')).runProve(whole(index), options),
  );
  look('state', 'who was in at a time, and under which policy', 'state --at 2026-03-01T00:00:00Z')
    .requiredOption('--at <time>', 'RFC 3339', instant)
    .action(async (options: LookOptions & { at: number }) =>
      (await import('../audit/look.ts')).runState(options.at, options),
    );
  look(
    'diff-policy <a> <b>',
    'what changed between two published policies, and to which side',
    'diff-policy 1 9',
  ).action(async (a: string, b: string, options: LookOptions) =>
    (await import('../audit/look.ts')).runDiffPolicy(whole(a), whole(b), options),
  );
  look(
    'disclose <channel>',
    'show an auditor which session records are of one channel: prints openings, for whoever holds the router’s secret',
    'disclose 0:… --secret .chrysalis/router/sessions.secret',
  )
    .requiredOption('--secret <file>', 'sessions.secret in the router’s folder')
    .action(async (channel: string, options: LookOptions & { secret: string }) =>
      (await import('../audit/look.ts')).runDisclose(channel, options),
    );
  look(
    'open <openings>',
    'check values against the commitments in entries: JSON Lines of index, record (of a batch), field, salt, value',
    'open openings.jsonl',
  ).action(async (openings: string, options: LookOptions) => {
    process.exitCode = await (await import('../audit/look.ts')).runOpen(openings, options);
  });
}

function registerPage(audit: Command): void {
  audit
    .command('page')
    .description(
      'write the auditor’s console, one HTML file that asks for nothing: open it from your disk, drop a bundle into it',
    )
    .option('--out <file>', 'the file to write', 'auditor.html')
    .addHelpText('after', '\nExample:\n  $ npx chrysalis audit page --out auditor.html')
    .action(async ({ out }: { out: string }) => {
      const [{ consolePage }, { writeDurably }, { CodedError }] = await Promise.all([
        import('../log/console.ts'),
        import('../compose/files.ts'),
        import('../../core/index.ts'),
      ]);
      const page = await consolePage();
      if (page === null) throw new CodedError('CONFIG_INVALID', 'the console is not built and cannot be built here');
      writeDurably(out, page.html);
      console.log(out);
    });
}
