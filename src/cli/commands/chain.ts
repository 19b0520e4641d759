import { randomBytes } from 'node:crypto';
import { type Command, InvalidArgumentError } from 'commander';
import { aborted, announce, stopSignal, supervisedAction } from '../child.ts';
import { registerRegistryDeployment } from './chain-deploy.ts';
import { registerContractReader } from './chain-show.ts';

const DEFAULT_PORT = 8081;

function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new InvalidArgumentError('a port is a number from 0 to 65535.');
  return port;
}

type DevOptions = Readonly<{ port: number; data: string; json?: boolean; supervised?: boolean }>;

async function runDevelopmentChain(options: DevOptions): Promise<void> {
  const { startDevelopmentChain } = await import('../../chain/index.ts');
  const stop = stopSignal(options);
  const chain = await startDevelopmentChain({
    dataDirectory: options.data,
    port: options.port,
    clock: Date.now,
    randomness: (length) => Uint8Array.from(randomBytes(length)),
  });
  if (options.json === true) {
    announce({ event: 'ready', url: chain.url, port: chain.port, network: chain.network });
  } else {
    console.log(`development chain   ${chain.url}   network ${chain.network}, data in ${options.data}`);
    console.log('Not TON: its money is free and worth nothing. Ctrl-C stops it; what it acknowledged is kept.');
  }
  await aborted(stop);
  await chain.close();
  if (options.json === true) announce({ event: 'stopped' });
}

/** `chrysalis chain dev`, `status`, `show` and `deploy`. */
export function registerChain(program: Command): void {
  const chain = program.command('chain').description('the blockchain that settles: a development chain, its status');
  chain
    .command('dev')
    .description('run a development chain: TON’s transaction executor behind toncenter’s HTTP interface')
    .option('--port <number>', 'port on 127.0.0.1, 0 for any free one', portNumber, DEFAULT_PORT)
    .option('--data <folder>', 'where its state is kept', '.chrysalis/chain')
    .option('--json', 'print events as JSON, one a line')
    .option('--supervised', 'stop when stdin ends')
    .addHelpText('after', '\nExample:\n  $ npx chrysalis chain dev --port 8081 --data .chrysalis/chain')
    .action(supervisedAction(runDevelopmentChain));
  chain
    .command('status')
    .description('ask an endpoint which network it serves and what its newest block is')
    .option(
      '--endpoint <url>',
      'toncenter version 2 JSON-RPC, or liteserver://KEY@HOST:PORT',
      `http://127.0.0.1:${DEFAULT_PORT}/jsonRPC`,
    )
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  $ npx chrysalis chain status --endpoint http://127.0.0.1:8081/jsonRPC')
    .action(async (options: Readonly<{ endpoint: string; json?: boolean }>) => {
      const { DEVELOPMENT_NETWORK } = await import('../../chain/index.ts');
      const { chainEndpoint } = await import('../compose/chain.ts');
      const { toHex } = await import('../../core/index.ts');
      const endpoint = chainEndpoint(options.endpoint);
      const network = await endpoint.network();
      const { seqno, rootHash } = await endpoint.head();
      const status = { endpoint: options.endpoint, network, development: network === DEVELOPMENT_NETWORK };
      if (options.json === true) {
        console.log(JSON.stringify({ ...status, seqno, rootHash: toHex(rootHash) }));
        return;
      }
      console.log(`network    ${network}${status.development ? ' (development: its money is worth nothing)' : ''}`);
      console.log(`block      ${seqno}`);
      console.log(`root hash  ${toHex(rootHash)}`);
    });
  registerContractReader(chain, `http://127.0.0.1:${DEFAULT_PORT}/jsonRPC`);
  registerRegistryDeployment(chain, `http://127.0.0.1:${DEFAULT_PORT}/jsonRPC`);
}
