import { Argument, type Command } from 'commander';
import type { ContractName } from '../../chain/index.ts';
import { CodedError } from '../../core/index.ts';

type Options = Readonly<{ config: string; endpoint: string; json?: boolean }>;

const NAMES = ['channel', 'channel-j', 'court', 'log-anchor', 'pool', 'registry', 'stake'];
const LABEL_WIDTH = 12;

async function show(name: ContractName, options: Options): Promise<void> {
  const [{ ContractCaller, contractInit, addressOfInit, readContract }, { chainEndpoint }, files, contracts, output] =
    await Promise.all([
      import('../../chain/index.ts'),
      import('../compose/chain.ts'),
      import('../compose/files.ts'),
      import('../chain/contract-file.ts'),
      import('../output.ts'),
    ]);
  const endpoint = chainEndpoint(options.endpoint);
  const network = await endpoint.network();
  const config = contracts.parseContractFile(name, files.readText(options.config), network);
  const caller = new ContractCaller({ endpoint, network, clock: Date.now, randomness: files.systemRandomness });
  const view = await readContract(caller, name, config);
  endpoint.close();
  const address = addressOfInit(contractInit(name, config)).toRawString();
  if (view === null) {
    throw new CodedError('CHAIN_REFUSED', `there is no ${name} at ${address} on network ${network}`, {
      todo: 'check the configuration field by field: each of them is part of the address',
    });
  }
  const { balance, seqno, at, state } = view;
  if (options.json === true) {
    const facts = { contract: name, network, address, balance, seqno, at, state };
    console.log(JSON.stringify(contracts.plain(facts)));
    return;
  }
  const line = (label: string, text: string) => console.log(`${label.padEnd(LABEL_WIDTH)} ${text}`);
  line(name, `${address}   network ${network}`);
  line('holds', `${output.ton(balance)} TON at block ${seqno}, ${new Date(at * 1000).toISOString()}`);
  for (const [field, value] of Object.entries(contracts.plain(state) as Record<string, unknown>)) {
    line(field, typeof value === 'object' ? JSON.stringify(value) : String(value));
  }
}

/** `chrysalis chain show`. */
export function registerContractReader(chain: Command, defaultEndpoint: string): void {
  chain
    .command('show')
    .description('read a contract: its address is computed from the configuration, and the account must be it')
    .addArgument(new Argument('<contract>').choices(NAMES))
    .requiredOption('--config <file>', 'JSON of its configuration, as the router prints its pool’s and anchor’s')
    .option('--endpoint <url,url…>', 'toncenter version 2 JSON-RPC, or liteserver://KEY@HOST:PORT', defaultEndpoint)
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  $ npx chrysalis chain show registry --config registry.json')
    .action(show);
}
