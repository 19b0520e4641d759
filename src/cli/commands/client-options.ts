import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { CodedError } from '../../core/index.ts';
import { codedFromSystem } from '../output.ts';
import { DEVELOPMENT_POLICY } from '../paths.ts';

/** Options of every command that is a client of a router. */
export type ClientOptions = {
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
};

export function addClientOptions(command: Command): Command {
  return command
    .option('--router <host:port>', 'the router to ask; it is not trusted', '127.0.0.1:8443')
    .option('--chain <url>', 'toncenter-shaped HTTP API of the chain that settles')
    .option('--log-policy <file>', 'C2SP tlog-policy: keys of the transparency log, its witnesses and their quorum')
    .option('--dangerously-allow-unwitnessed-log <vkey>', 'pin this key of a log that no witness watches')
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
