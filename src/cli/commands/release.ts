import { type Command, InvalidArgumentError } from 'commander';
import { supervisedAction } from '../child.ts';
import type { RegisterOptions, RevokeOptions, SealOptions, ServeOptions } from '../release/run.ts';

const load = () => import('../release/run.ts');
const example = (line: string) => `\nExample:\n  $ npx chrysalis release ${line}`;
const ADMIN = '127.0.0.1:8445';

function count(text: string): number {
  if (!/^[1-9]$/.test(text)) throw new InvalidArgumentError('a number from 1 to 9.');
  return Number(text);
}

/** `chrysalis release`: model keys, for workers whose evidence satisfies their owner's policy. */
export function registerRelease(program: Command): void {
  const release = program
    .command('release')
    .description('model keys for workers whose evidence satisfies the owner’s policy, and for nobody else');
  registerServe(release);
  release
    .command('register <secret>')
    .description('register a secret, or its successor, under a policy that two of its owner’s people signed')
    .requiredOption('--owner <name>', 'whose it is, as the service knows its owners')
    .requiredOption('--policy <file>', 'the appraisal policy that evidence has to satisfy')
    .option('--approvals <file>', 'signatures under it (default: beside the policy, .approvals.json)')
    .requiredOption('--key-file <file>', 'the secret, 32 bytes in hexadecimal; drawn where there is no file')
    .option('--admin <address>', 'the service’s address for owners', ADMIN)
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', example('register llama-key --owner acme --policy acme.json --key-file llama.key'))
    .action(async (name: string, options: RegisterOptions) => (await load()).register(name, options));
  release
    .command('revoke [secret]')
    .description('from now on nobody is given this secret, or any under this policy')
    .option('--policy <file>', 'a policy, or its digest: all secrets under it, and none is registered under it again')
    .option('--admin <address>', 'the service’s address for owners', ADMIN)
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', example('revoke llama-key'))
    .action(async (name: string | undefined, options: RevokeOptions) => (await load()).revoke(name, options));
  release
    .command('list')
    .description('which secrets are released, under which policies, and how often they were')
    .option('--admin <address>', 'the service’s address for owners', ADMIN)
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', example('list --json'))
    .action(async (options: { admin: string; json?: boolean }) => (await load()).list(options));
  release
    .command('seal <model>')
    .description('encrypt a model’s folder; a worker opens it with the released key, in memory')
    .requiredOption('--out <folder>', 'where the sealed model goes; empty or not there yet')
    .requiredOption('--secret <name>', 'name under which its key is released')
    .requiredOption('--key-file <file>', 'its key, 32 bytes in hexadecimal; drawn where there is no file')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', example('seal ./llama --out ./llama-sealed --secret llama-key --key-file llama.key'))
    .action(async (model: string, options: SealOptions) => (await load()).seal(model, options));
}

function registerServe(release: Command): void {
  release
    .command('serve')
    .description('run a release service of your own; a router can do the same beside its work (--release-owners)')
    .requiredOption('--owners <file>', 'owners and their people: {"owner": {"person": hex of an Ed25519 key}}')
    .requiredOption('--key-file <file>', 'what secrets at rest are encrypted under; drawn where there is no file')
    .option('--host <address>', 'address to listen on for workers', '127.0.0.1')
    .option('--port <number>', 'port for workers, 0 for any free one', '8444')
    .option('--admin-port <number>', 'port for owners, on 127.0.0.1', '8445')
    .option('--data <folder>', 'where encrypted secrets are kept', '.chrysalis/release')
    .option('--name <name>', 'its name in the transparency log', 'release-local')
    .option('--chain <url,url…>', 'toncenter version 2 JSON-RPC', 'http://127.0.0.1:8081/jsonRPC')
    .option('--chain-quorum <number>', 'so many of them must agree', count, 1)
    .option('--log <url>', 'the transparency log', 'http://127.0.0.1:8082')
    .requiredOption('--log-token-file <file>', 'the secret with which it writes to the log')
    .option('--collateral <file>', 'the vendor’s collateral: one platform’s, or a bundle; read again when it changes')
    .option('--collateral-url <url>', 'or the service that has it: Intel’s, or a PCCS of your own')
    .option('--kds-url <url>', 'and AMD’s key distribution service, or a mirror of it (default: AMD’s)')
    .option('--rim-url <url>', 'and NVIDIA’s manifest service, or a mirror of it (default: NVIDIA’s)')
    .option('--ocsp-url <url>', 'and NVIDIA’s OCSP responder, or a mirror of it (default: NVIDIA’s)')
    .option(
      '--dangerously-allow-simulated-vendor <file>',
      'roots of a simulated vendor; production policies take no secret’s evidence from it',
    )
    .option('--json', 'print events as JSON, one a line')
    .option('--supervised', 'stop when stdin ends')
    .addHelpText(
      'after',
      example(
        'serve --owners owners.json --key-file /keys/release.key --log-token-file write-token --collateral-url https://api.trustedservices.intel.com',
      ),
    )
    .action(supervisedAction<ServeOptions>(async (options) => (await load()).serve(options)));
}
