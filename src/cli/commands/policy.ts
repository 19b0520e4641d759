import { type Command, Option } from 'commander';
import type { approve, propose, proposed } from '../policy/desk.ts';
import type { sign } from '../policy/documents.ts';
import type { RecordedOptions } from '../policy/recorded.ts';
import { addDoorOptions } from './client-options.ts';
import { whole } from './whole.ts';

type Json = { json?: boolean };

const example = (line: string) => `\nExample:\n  $ npx chrysalis policy ${line}`;

/** `chrysalis policy`: what is accepted, looked at before it comes into force. */
export function registerPolicy(program: Command): void {
  const policy = program
    .command('policy')
    .description('appraisal policies: read one in words, compare two, sign one, try one on recorded evidence');
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
  registerDesk(policy);
}

/** Policies that are proposed and approved over a router's administration. */
function registerDesk(policy: Command): void {
  const desk = (command: Command) =>
    addDoorOptions(command)
      .requiredOption('--admin <address>', 'host:port of the router’s administration (router --admin-port)')
      .option('--json', 'one JSON document on stdout');
  const signatures = 'the signatures to hand in (default: beside the policy, .approvals.json)';
  desk(policy.command('propose <file>'))
    .description('hand a router a policy that you signed as its author (role policy-author)')
    .option('--approvals <file>', signatures)
    .addHelpText('after', example('propose production-8.json --admin router.example:8446 …'))
    .action(async (file: string, options: Parameters<typeof propose>[1]) =>
      (await import('../policy/desk.ts')).propose(file, options),
    );
  desk(policy.command('proposed'))
    .description('what a router was proposed, and who has not signed it yet')
    .option('--out <file>', 'write the policy there, to read and to sign')
    .addHelpText('after', example('proposed --admin router.example:8446 --out production-8.json …'))
    .action(async (options: Parameters<typeof proposed>[0]) => (await import('../policy/desk.ts')).proposed(options));
  desk(policy.command('approve <file>'))
    .description('hand a router your signature as approver of what was proposed (role approver)')
    .option('--approvals <file>', signatures)
    .addHelpText('after', example('approve production-8.json --admin router.example:8446 …'))
    .action(async (file: string, options: Parameters<typeof approve>[1]) =>
      (await import('../policy/desk.ts')).approve(file, options),
    );
}
