import { Argument, type Command, InvalidArgumentError } from 'commander';
import { CodedError } from '../../core/index.ts';

type Options = Readonly<{
  endpoint: string;
  data: string;
  owner: string;
  guardian: string;
  timelock: number;
  params: string;
  json?: boolean;
}>;

/** For its storage: a thousand images take some 0.05 TON to add and 0.13 a year. */
const REGISTRY_VALUE = 300_000_000n;
const DAY_SECONDS = 86_400;

function timelock(text: string): number {
  const seconds = Number(text);
  if (!/^\d{1,7}$/.test(text) || seconds < DAY_SECONDS || seconds > 30 * DAY_SECONDS) {
    throw new InvalidArgumentError('24 hours to 30 days, in seconds.');
  }
  return seconds;
}

async function deployRegistry(options: Options): Promise<void> {
  const [{ ContractCaller, registryAddress, registryInit, voucherChannel: rawAddress }, { openChain }, files, core] =
    await Promise.all([
      import('../../chain/index.ts'),
      import('../compose/chain.ts'),
      import('../compose/files.ts'),
      import('../../core/index.ts'),
    ]);
  const params = core.fromHex(options.params, 'params');
  if (options.owner === options.guardian) {
    throw new CodedError('USAGE_INVALID', 'owner and guardian are two: the one adds, the other takes away');
  }
  const chain = await openChain(options.endpoint, files.secretOf(options.data, 'wallet'));
  const config = {
    network: chain.network,
    owner: rawAddress(options.owner),
    guardian: rawAddress(options.guardian),
    timelockSeconds: options.timelock,
    params,
  };
  const init = registryInit(config);
  await chain.fund(2n * REGISTRY_VALUE);
  await new ContractCaller(chain.caller).deploy('registry', chain.wallet, init, REGISTRY_VALUE);
  const address = registryAddress(config).toRawString();
  if (options.json === true) console.log(JSON.stringify({ contract: 'registry', network: chain.network, address }));
  else console.log(`registry   ${address}   network ${chain.network}`);
}

/** `chrysalis chain deploy registry`. */
export function registerRegistryDeployment(chain: Command, defaultEndpoint: string): void {
  chain
    .command('deploy')
    .description('deploy a contract that no part deploys by itself')
    .addArgument(
      new Argument('<contract>', 'pools, log anchors and channels are deployed by who uses them').choices(['registry']),
    )
    .requiredOption('--owner <address>', 'the multisig that proposes, workchain:hex')
    .requiredOption('--guardian <address>', 'who may revoke at once, workchain:hex')
    .requiredOption('--params <hex>', 'SHA-256 of the policy document in force')
    .option('--timelock <seconds>', 'from a proposal until it can be executed', timelock, 2 * DAY_SECONDS)
    .option('--endpoint <url>', 'toncenter version 2 JSON-RPC', defaultEndpoint)
    .option('--data <folder>', 'where the wallet’s key is that pays for it', '.chrysalis/registry')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExample:\n  $ npx chrysalis chain deploy registry --owner 0:… --guardian 0:… --params $(sha256sum policy.json | cut -c1-64)',
    )
    .action((_: string, options: Options) => deployRegistry(options));
}
