import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';

type Options = Readonly<{ data: string; network: string; json?: boolean }>;

/** What a secret of this name in a folder is for. */
const PURPOSES: Readonly<Record<string, string>> = {
  wallet: 'signs transfers of the wallet and nothing else',
  channel: 'signs the vouchers and delegations of payment channels',
  dispatch: 'signs the router’s dispatches to workers',
  voucher: 'signs the pool’s vouchers to workers',
};

async function show(options: Options): Promise<void> {
  const [{ ed25519Key }, { walletAddress }, { toHex }, { secretOf }] = await Promise.all([
    import('#crypto'),
    import('../../chain/index.ts'),
    import('../../core/index.ts'),
    import('../compose/files.ts'),
  ]);
  const found = Object.keys(PURPOSES).filter((name) => existsSync(join(options.data, `${name}.secret`)));
  const keys = found.map((name) => {
    const { publicKey } = ed25519Key(secretOf(options.data, name));
    const address = name === 'wallet' ? walletAddress(publicKey, Number(options.network)).toRawString() : null;
    return { name, purpose: PURPOSES[name], publicKey: toHex(publicKey), ...(address === null ? {} : { address }) };
  });
  if (options.json === true) {
    console.log(JSON.stringify({ data: options.data, keys }));
    return;
  }
  if (keys.length === 0) console.log(`no keys in ${options.data}: they are made by the first command that needs them`);
  for (const { name, purpose, publicKey, address } of keys) {
    console.log(`${name.padEnd(9)} ${publicKey}   ${purpose}`);
    if (address !== undefined) console.log(`${''.padEnd(9)} wallet ${address} on network ${options.network}`);
  }
}

/** `chrysalis keys`: the public halves of the keys in a folder; no secret is printed. */
export function registerKeys(program: Command): void {
  program
    .command('keys')
    .description('which keys a folder holds, by their public halves; no secret is printed')
    .option('--data <folder>', 'folder of a gateway or a router', '.chrysalis/gateway')
    .option('--network <id>', 'TON global id that the wallet’s address is for', '-1000')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  $ npx chrysalis keys --data .chrysalis/router')
    .action(show);
}
