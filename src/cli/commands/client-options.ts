import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { CodedError } from '../../core/index.ts';
import type { RouterDoorOptions } from '../compose/client-tls.ts';
import { codedFromSystem } from '../output.ts';
import { DEVELOPMENT_POLICY } from '../paths.ts';

/** Options of every command that is a client of a router. */
export type ClientOptions = RouterDoorOptions & {
  data: string;
  router: string;
  chain?: string;
  logPolicy?: string;
  dangerouslyAllowUnwitnessedLog?: string;
  policy: string;
  collateral?: string;
  collateralUrl?: string;
  kdsUrl?: string;
  rimUrl?: string;
  ocspUrl?: string;
  dangerouslyAllowSimulatedVendor?: string;
  prefixCache?: boolean;
};

/** How a command meets its router. */
export function addDoorOptions(command: Command): Command {
  return command
    .option('--router-ca <file>', 'meet the router by TLS: the CA that its certificate is of (PEM)')
    .option('--client-certificate <file>', 'and show this certificate (PEM), where the router knows its clients')
    .option('--client-key <file>', 'with its key (PEM)')
    .option('--client-pkcs12 <file>', 'or show the certificate of this bundle')
    .option('--client-passphrase-file <file>', 'whose passphrase is in this file');
}

export function addClientOptions(command: Command): Command {
  return addDoorOptions(
    command.option('--router <host:port,…>', 'the router to ask, or replicas of it; none is trusted', '127.0.0.1:8443'),
  )
    .option('--chain <url>', 'toncenter-shaped HTTP API of the chain that settles')
    .option('--log-policy <file>', 'C2SP tlog-policy: keys of the transparency log, its witnesses and their quorum')
    .option('--dangerously-allow-unwitnessed-log <vkey>', 'pin this key of a log that no witness watches')
    .option('--no-prefix-cache', 'tell nobody that two prompts begin alike: each is computed anew')
    .option('--policy <file>', 'what a worker must be before anything is sent to it', DEVELOPMENT_POLICY)
    .option(
      '--collateral <file>',
      'the vendor’s collateral, instead of what the router sends: one platform’s, or a bundle',
    )
    .option('--collateral-url <url>', 'or the service that has it: Intel’s, or a PCCS of your own')
    .option('--kds-url <url>', 'and AMD’s key distribution service, or a mirror of it (default: AMD’s)')
    .option('--rim-url <url>', 'and NVIDIA’s manifest service, or a mirror of it (default: NVIDIA’s)')
    .option('--ocsp-url <url>', 'and NVIDIA’s OCSP responder, or a mirror of it (default: NVIDIA’s)')
    .option(
      '--dangerously-allow-simulated-vendor <file>',
      'accept evidence of this simulated vendor, which proves nothing about a machine',
    );
}

/** `development-simulated #1`: what people call a policy. @throws CodedError CONFIG_INVALID */
export function policyName(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    throw codedFromSystem(thrown);
  }
  try {
    const { id, number } = JSON.parse(text) as { id: unknown; number: unknown };
    if (typeof id === 'string' && typeof number === 'number') return `${id} #${number}`;
  } catch {
    // said below
  }
  throw new CodedError('CONFIG_INVALID', `${path} is not a policy`);
}
