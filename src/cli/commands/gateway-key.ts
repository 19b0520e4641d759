import { randomBytes } from 'node:crypto';
import { type Command, InvalidArgumentError } from 'commander';
import { CodedError } from '../../core/index.ts';

type KeyOptions = {
  file: string;
  budget?: bigint;
  perMinute?: number;
  concurrent?: number;
  admin?: boolean;
  json?: boolean;
};

function nanoTon(text: string): bigint {
  const read = /^(\d{1,9})(?:\.(\d{1,9}))?$/.exec(text);
  if (read === null) throw new InvalidArgumentError('an amount in TON, such as 0.25.');
  return BigInt(read[1] as string) * 1_000_000_000n + BigInt((read[2] ?? '').padEnd(9, '0'));
}

function count(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('a whole number above 0.');
  return Number(text);
}

/** `chrysalis gateway key ID`: makes an API key; the file keeps its digest alone. */
export function registerGatewayKey(gateway: Command): void {
  gateway
    .command('key <id>')
    .description('make an API key for a gateway that several share; it is shown once')
    .option('--file <file>', 'where keys are kept, by their digests', '.chrysalis/gateway/keys.json')
    .option('--budget <TON>', 'what its answers may cost in all', nanoTon)
    .option('--per-minute <number>', 'requests in a minute', count)
    .option('--concurrent <number>', 'requests at the same time', count)
    .option('--admin', 'may see all receipts and the payment channel')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  $ npx chrysalis gateway key alice --budget 0.25 --per-minute 60')
    .action(async (id: string, _: object, command: Command) => {
      // `gateway` has a --json of its own, and takes it wherever it stands.
      const options: KeyOptions = command.optsWithGlobals();
      const { storeKey } = await import('../compose/gateway-keys.ts');
      const { keyDigest } = await import('../../client/index.ts');
      if (!/^[A-Za-z0-9._-]{1,64}$/.test(id)) {
        throw new CodedError('USAGE_INVALID', 'an id has 1 to 64 letters, digits, . _ or -');
      }
      const key = `sk-chrysalis-${randomBytes(24).toString('base64url')}`;
      storeKey(options.file, {
        id,
        sha256: keyDigest(key),
        budget: options.budget ?? null,
        requestsPerMinute: options.perMinute ?? null,
        concurrentMax: options.concurrent ?? null,
        admin: options.admin === true,
      });
      if (options.json === true) console.log(JSON.stringify({ id, key, file: options.file }));
      else console.log(`${key}\nIts digest is in ${options.file}; the key itself is nowhere: keep it.`);
    });
}
