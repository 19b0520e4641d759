import { type Command, InvalidArgumentError, Option } from 'commander';
import { supervisedAction } from '../child.ts';
import type { RunOptions } from '../router/run.ts';

const DEFAULT_CHAIN = 'http://127.0.0.1:8081/jsonRPC';
const DRAIN_SECONDS = { most: 600, otherwise: 5 };

function count(text: string): number {
  if (!/^[1-9]$/.test(text)) throw new InvalidArgumentError('a number from 1 to 9.');
  return Number(text);
}

function seconds(text: string): number {
  const value = Number(text);
  if (!/^\d{1,7}$/.test(text) || value === 0) throw new InvalidArgumentError('a number of seconds, 1 or more.');
  return value;
}

function drainSeconds(text: string): number {
  if (!/^\d{1,3}$/.test(text) || Number(text) > DRAIN_SECONDS.most) {
    throw new InvalidArgumentError(`0 to ${DRAIN_SECONDS.most} seconds.`);
  }
  return Number(text);
}

function nanoTon(text: string): bigint {
  if (!/^[1-9]\d{0,19}$/.test(text)) throw new InvalidArgumentError('nanoTON, a whole number above 0.');
  return BigInt(text);
}

/** `chrysalis router`. */
export function registerRouter(program: Command): void {
  program
    .command('router')
    .description('run a router: admits workers whose evidence verifies, relays what it cannot read')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'port, 0 for any free one', '8443')
    .option('--tls-certificate <file>', 'meet clients and workers by TLS 1.3, with this certificate (PEM)')
    .option('--tls-key <file>', 'and its key (PEM)')
    .option('--client-ca <file>', 'know clients by certificates of this CA (PEM; chrysalis keys ca)')
    .option('--client-crl <file>', 'less those that it revoked (PEM; read again when it changes)')
    .option('--client-accounts <file>', 'accounts they may act for: {"accounts": {"name": {"channels": "any"}}}')
    .addOption(
      new Option('--client-certificates <rule>', 'whether clients need one')
        .choices(['require', 'accept'])
        .default('require'),
    )
    .option('--web-port <number>', 'a door for web pages on 127.0.0.1, over fetch; none without it')
    .option('--web-origin <origin…>', 'sites whose pages may come there, with commas: https://app.example')
    .option('--web-host <name…>', 'names that lead there, with commas, beside 127.0.0.1 and localhost')
    .option(
      '--admin-port <number>',
      'administration on 127.0.0.1, 0 for any free port; nobody is served there without it',
    )
    .option('--admin-host <address>', 'where; beyond loopback with --admin-roles alone', '127.0.0.1')
    .option('--admin-roles <file>', 'who may do what there: {"accounts": {"name": {"roles": ["operator"]}}}')
    .option('--admin-ca <file>', 'by certificates of this CA (PEM; default: --client-ca)')
    .option('--admin-crl <file>', 'less those that it revoked (PEM; default: --client-crl)')
    .option('--metrics-port <number>', 'Prometheus metrics, /healthz and /readyz on 127.0.0.1; none without it')
    .option('--traces <url>', 'OTLP/HTTP collector that gets spans of requests, without content; none without it')
    .option('--data <folder>', 'where its keys are kept, and its ledger', '.chrysalis/router')
    .option(
      '--database <url>',
      'PostgreSQL that replicas share, postgres://…; without it the ledger is a file in the data folder',
    )
    .option('--name <name>', 'its name in the transparency log', 'router-local')
    .option(
      '--chain <url,url…>',
      'toncenter version 2 JSON-RPC or liteserver://KEY@HOST:PORT; several stand in for each other',
      DEFAULT_CHAIN,
    )
    .option('--prices <file>', 'what models cost (JSON, docs/operations.md); one price for all where absent')
    .option('--chain-quorum <number>', 'so many of them must agree on a contract (default: 2 of several)', count)
    .option('--log <url,url…>', 'the transparency log; several stand by for each other', 'http://127.0.0.1:8082')
    .requiredOption('--log-token-file <file>', 'the secret with which it writes to the log')
    .requiredOption('--policy <file>', 'the appraisal policy in force')
    .option('--collateral <file>', 'the vendor’s collateral: one platform’s, or a bundle; read again when it changes')
    .option('--collateral-url <url>', 'or the service that has it: Intel’s, or a PCCS of your own')
    .option('--kds-url <url>', 'and AMD’s key distribution service, or a mirror of it (default: AMD’s)')
    .option(
      '--policy-approvers <file>',
      'Ed25519 keys of people who sign policies: {"name": hex}; production needs two of them',
    )
    .option('--policy-approvals <file>', 'their signatures (default: beside the policy, .approvals.json)')
    .option('--dangerously-allow-unapproved-policy', 'take a production policy that nobody signed')
    .option('--rim-url <url>', 'and NVIDIA’s manifest service, or a mirror of it (default: NVIDIA’s)')
    .option('--ocsp-url <url>', 'and NVIDIA’s OCSP responder, or a mirror of it (default: NVIDIA’s)')
    .option(
      '--dangerously-allow-simulated-vendor <file>',
      'roots of a simulated vendor; refused by production policies',
    )
    .option('--release-owners <file>', 'release model keys too: {"owner": {"person": hex of an Ed25519 key}}')
    .option('--release-key-file <file>', 'what their secrets at rest are encrypted under; keep it elsewhere')
    .option('--release-port <number>', 'where workers ask for keys', '8444')
    .option('--release-admin-port <number>', 'where keys are registered and revoked, on 127.0.0.1', '8445')
    .option(
      '--pool-owner <address>',
      'who takes the pool’s fee and may veto a root, workchain:hex; not the router itself',
    )
    .option('--pool-post-delay <seconds>', 'from the post of a root until workers are paid by it', seconds, 3600)
    .addOption(
      new Option('--pay-above <nanoton>', 'pay a worker once it is owed this much')
        .argParser(nanoTon)
        .default(100_000_000n, '100000000'),
    )
    .option('--settle-every <seconds>', 'between rounds: watch channels, pay workers, anchor the log', seconds, 600)
    .option(
      '--drain-seconds <seconds>',
      'how long running answers may go on after SIGTERM',
      drainSeconds,
      DRAIN_SECONDS.otherwise,
    )
    .option('--json', 'print events as JSON, one a line')
    .option('--supervised', 'stop when stdin ends')
    .addHelpText(
      'after',
      '\nExample:\n  $ npx chrysalis router --policy attestation-policies/production-tdx.json --collateral-url https://api.trustedservices.intel.com --log-token-file write-token',
    )
    .action(supervisedAction(async (options: RunOptions) => (await import('../router/run.ts')).runRouter(options)));
}
