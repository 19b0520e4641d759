import { type Command, Option } from 'commander';
import type { sign } from '../policy/documents.ts';
import type { RecordedOptions } from '../policy/recorded.ts';
import { whole } from './whole.ts';

type Json = { json?: boolean };

/** `chrysalis policy`: what is accepted, looked at before it comes into force. */
export function registerPolicy(program: Command): void {
  const policy = program
    .command('policy')
    .description('appraisal policies: read one in words, compare two, sign one, try one on recorded evidence');
  const example = (line: string) => `\nExample:\n  $ npx chrysalis policy ${line}`;
  policy
    .command('lint <file>')
    .description('whether it is a policy, what it leaves open, and with --approvers whether two people signed it')
    .option('--approvers <file>', 'Ed25519 keys of people who may sign policies: {"name": hex}')
    .option('--approvals <file>', 'their signatures (default: beside the policy, .approvals.json)')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', `${example('lint production.json --approvers people.json')}`)
    .action(async (file: string, options: Json) => {
      process.exitCode = await (await import('../policy/documents.ts')).lint(file, options);
    });
  policy
    .command('diff <before> <after>')
    .description('what changed, and to which side; exit code 1 where anything may have become weaker')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', example('diff production-1.json production-2.json'))
    .action(async (before: string, after: string, options: Json) => {
      process.exitCode = (await import('../policy/documents.ts')).diff(before, after, options);
    });
  policy
    .command('explain <file>')
    .description('what it accepts, in words')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', example('explain attestation-policies/production-tdx-h100.json'))
    .action(async (file: string, options: Json) => (await import('../policy/documents.ts')).explain(file, options));
  policy
    .command('sign <file>')
    .description('sign it; one person is its author, another its approver')
    .requiredOption('--as <name>', 'your name in the list of approvers')
    .addOption(new Option('--role <role>', 'what you answer for').choices(['author', 'approver']).makeOptionMandatory())
    .option(
      '--keys <folder>',
      'folder with your key, policy-NAME.secret; made where there is none',
      '.chrysalis/people',
    )
    .option('--approvals <file>', 'where signatures are kept (default: beside the policy, .approvals.json)')
    .option('--effective-from-index <n>', 'it comes into force once the log has this many entries', whole)
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', example('sign production.json --as alice --role author'))
    .action(async (file: string, options: Parameters<typeof sign>[1]) =>
      (await import('../policy/documents.ts')).sign(file, options),
    );
  policy
    .command('test <file>')
    .description('who would drop out: the policy over recorded evidence of a log, each judged at its own instant')
    .option('--log <url>', 'a log that is served')
    .option('--bundle <file>', 'or one that was carried away')
    .requiredOption('--log-policy <file>', 'C2SP tlog-policy: keys of the log, its witnesses and their quorum')
    .option('--dangerously-allow-simulated-vendor <file>', 'judge evidence of this simulated vendor too')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', example('test next.json --bundle march.audit.tar.gz --log-policy log-policy.txt'))
    .action(async (file: string, options: RecordedOptions) => {
      process.exitCode = await (await import('../policy/recorded.ts')).testRecorded(file, options);
    });
}
