import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { CodedError } from '../../core/index.ts';
import { DEVELOPMENT_POLICY } from '../paths.ts';
import { addDoorOptions, type ClientOptions } from './client-options.ts';

type ChatOptions = Partial<ClientOptions> & { data: string; message?: string; json?: boolean; color: boolean };

/** `chrysalis chat`: talk to a verified worker from a terminal. */
export function registerChat(program: Command): void {
  const command = program.command('chat');
  addDoorOptions(command)
    .summary('talk to a verified worker')
    .description(
      'A conversation in the terminal; nothing leaves this process before the worker was verified. Finds the network of `chrysalis up` in its folder; another router is named by options. /why, /receipt, /quit.',
    )
    .option('--data <folder>', 'folder of the network’s state', process.env.CHRYSALIS_DATA ?? '.chrysalis')
    .option('--router <host:port>', 'another router')
    .option('--chain <url>', 'its chain')
    .option('--log-policy <file>', 'keys of its log, its witnesses and their quorum')
    .option('--dangerously-allow-unwitnessed-log <vkey>', 'the key of its log, which no witness watches')
    .option('--policy <file>', 'what a worker must be')
    .option('--collateral <file>', 'the vendor’s collateral, instead of what the router sends')
    .option('--collateral-url <url>', 'or the service that has it')
    .option('--dangerously-allow-simulated-vendor <file>', 'accept evidence of this simulated vendor')
    .option('--no-prefix-cache', 'tell nobody that two prompts begin alike: each is computed anew')
    .option('--message <text>', 'ask this, print the answer, leave')
    .option('--json', 'with --message: one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  $ npx chrysalis chat --message "Write one sentence about the sea."')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals() as ChatOptions;
      if (options.json === true && options.message === undefined) {
        throw new CodedError('USAGE_INVALID', '--json needs --message');
      }
      const [{ createClientFromOptions }, { runChat }] = await Promise.all([
        import('../compose/client.ts'),
        import('../chat/run.ts'),
      ]);
      const client = await createClientFromOptions(clientOptions(options));
      try {
        process.exitCode = await runChat(client, options);
      } finally {
        await client.close();
      }
    });
}

/** What was given, else what the network in this folder wrote down when it started. @throws CodedError CONFIG_INVALID */
function clientOptions(options: ChatOptions): ClientOptions {
  const data = join(options.data, 'chat');
  if (options.router !== undefined) {
    return {
      ...options,
      data,
      router: options.router,
      policy: options.policy ?? DEVELOPMENT_POLICY,
    };
  }
  const path = join(options.data, 'network.json');
  if (!existsSync(path)) {
    const todo = 'start one with npx chrysalis up, or name a router with --router and --log-policy';
    throw new CodedError('CONFIG_INVALID', `no network has run in ${options.data}`, { todo });
  }
  const found = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>;
  const { router, chain, logPolicy, policy, simulatedVendor } = found;
  if (!router || !chain || !logPolicy || !policy || !simulatedVendor) {
    throw new CodedError('CONFIG_INVALID', `${path} is not what chrysalis up writes`);
  }
  return { ...options, data, router, chain, logPolicy, policy, dangerouslyAllowSimulatedVendor: simulatedVendor };
}
