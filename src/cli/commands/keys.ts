import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { IssueOptions } from '../keys/run.ts';

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

const CA = '.chrysalis/ca';
const DAYS_MAX = 20 * 365;

function days(text: string): number {
  const value = Number(text);
  if (!/^[1-9]\d{0,4}$/.test(text) || value > DAYS_MAX) throw new InvalidArgumentError(`1 to ${DAYS_MAX} days.`);
  return value;
}

/** `chrysalis keys`: the public halves of the keys in a folder; no secret is printed. Below it a CA for mTLS. */
export function registerKeys(program: Command): void {
  const keys = program
    .command('keys')
    .description('which keys a folder holds, by their public halves; and certificates for clients and routers')
    .option('--data <folder>', 'folder of a gateway or a router', '.chrysalis/gateway')
    .option('--network <id>', 'TON global id that the wallet’s address is for', '-1000')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  $ npx chrysalis keys --data .chrysalis/router')
    .action(show);
  const sub = (name: string, what: string, example: string) =>
    keys
      .command(name)
      .description(what)
      .option('--ca <folder>', 'the CA’s folder', CA)
      .option('--json', 'print one JSON document')
      .addHelpText('after', `\nExample:\n  $ npx chrysalis keys ${example}`);
  const run = async <Options>(command: Command, action: (options: Options) => Promise<void>) =>
    // `--json` is an option of `keys` as well, and may be read there.
    action(command.optsWithGlobals() as Options);
  sub('ca', 'make a CA that issues certificates for mTLS', 'ca --name "Example Ltd"')
    .option('--name <text>', 'its name in certificates', 'Chrysalis clients')
    .option('--days <number>', 'until it ends', days, 3650)
    .action(async (_: unknown, command: Command) => run(command, (await import('../keys/run.ts')).runCa));
  sub('issue', 'issue a certificate to an account or a router', 'issue --account research --out .')
    .option('--account <name>', 'a client’s: the account it acts for')
    .option('--server <names>', 'a router’s: its names and addresses, separated by commas')
    .option('--csr <file>', 'for the key of this signing request (PKCS#10, PEM); without it a key is made')
    .option('--pkcs12', 'an RSA key and its certificates in one bundle, for browsers and the stores of Windows')
    .option('--passphrase-file <file>', 'what the bundle is encrypted with')
    .option('--out <folder>', 'where key and certificate are written', '.')
    .option('--days <number>', 'until it ends', days, 90)
    .action(async (_: unknown, command: Command) =>
      run<IssueOptions>(command, (await import('../keys/run.ts')).runIssue),
    );
  sub('revoke', 'revoke a certificate and sign the list of them anew', 'revoke 4f3a…')
    .argument('<serial>', 'its serial number, as issue printed it')
    .action(async (serial: string, _: unknown, command: Command) => {
      const { runRevoke } = await import('../keys/run.ts');
      await run<Parameters<typeof runRevoke>[1]>(command, (options) => runRevoke(serial, options));
    });
  sub('crl', 'sign the list of revoked certificates anew: a router takes none that has ended', 'crl --days 7')
    .option('--days <number>', 'until it ends', days, 7)
    .action(async (_: unknown, command: Command) => run(command, (await import('../keys/run.ts')).runCrl));
  sub('issued', 'which certificates this CA issued', 'issued').action(async (_: unknown, command: Command) =>
    run(command, (await import('../keys/run.ts')).runIssued),
  );
}
