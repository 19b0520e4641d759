import type { Command } from 'commander';
import type { ChallengeStep } from '../../chain/index.ts';
import { CodedError } from '../../core/index.ts';
import { EXIT, ton } from '../output.ts';

type Options = Readonly<{ vouchers: string; config: string; data: string; endpoint: string; json?: boolean }>;

/** For the one operation that a run sends. */
const FEES = 200_000_000n;

const utc = (at: number) => `${new Date(at * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

function inWords(step: ChallengeStep): string {
  switch (step.step) {
    case 'paid':
      return 'nothing is owed: the pool has paid all of the voucher';
    case 'small':
      return `${ton(step.owed)} TON are owed; the pool takes challenges for more than ${ton(step.least)} TON`;
    case 'wait':
      return step.for === 'age'
        ? `${ton(step.owed)} TON are owed; the voucher is overdue from ${utc(step.until)} on: come again then`
        : `challenged for ${ton(step.owed)} TON; unanswered, it is enforced from ${utc(step.until)} on: come again then`;
    case 'lost':
      return `${ton(step.owed)} TON are owed, but the pool no longer takes the key that signed the voucher`;
    case 'challenge':
      return `challenged for ${ton(step.owed)} TON: the pool has 48 hours to pay, then run this again`;
    case 'enforce':
      return `enforced: the pool pays what it can of ${ton(step.owed)} TON`;
  }
}

async function challenge(options: Options): Promise<void> {
  const [{ challengeStep, parseWorkerVoucher, PoolClient }, { openChain }, files, contracts, kept, { fromHex }] =
    await Promise.all([
      import('../../chain/index.ts'),
      import('../compose/chain.ts'),
      import('../compose/files.ts'),
      import('../chain/contract-file.ts'),
      import('../compose/worker-vouchers.ts'),
      import('../../core/index.ts'),
    ]);
  const chain = await openChain(options.endpoint, files.secretOf(options.data, 'wallet'));
  const config = contracts.parseContractFile('pool', files.readText(options.config), chain.network);
  const pool = new PoolClient(chain.caller, config);
  const best = kept.keptVouchers(options.vouchers).find((one) => one.pool === pool.address.toRawString());
  if (best === undefined) {
    throw new CodedError(
      'USAGE_INVALID',
      `${options.vouchers} holds no voucher of the pool ${pool.address.toRawString()}`,
      {
        todo: 'give the file of worker run --vouchers, and the configuration of the pool that signed what is in it',
      },
    );
  }
  const voucher = parseWorkerVoucher(fromHex(best.voucher, 'voucher'));
  const [key, signature] = [fromHex(best.key, 'key'), fromHex(best.signature, 'signature')];
  const view = await pool.view();
  const step = challengeStep(view, { ...voucher, key }, config.minChallenge);
  if (step.step === 'challenge' || step.step === 'enforce') await chain.fund(FEES);
  const after =
    step.step === 'challenge'
      ? await pool.challenge(chain.wallet, key, voucher, signature)
      : step.step === 'enforce'
        ? await pool.enforce(chain.wallet, voucher.payee)
        : view;
  chain.endpoint.close();
  if (step.step === 'lost') process.exitCode = EXIT.refused;
  const { claimed = 0n } = after.payees.get(best.payee.slice(2)) ?? {};
  if (options.json === true) {
    const { pool: address, payee, cumulative } = best;
    console.log(JSON.stringify(contracts.plain({ pool: address, payee, cumulative, claimed, ...step })));
    return;
  }
  console.log(`pool      ${best.pool}`);
  console.log(`payee     ${best.payee}`);
  console.log(`voucher   ${ton(voucher.cumulative)} TON in all, of which ${ton(claimed)} TON are paid`);
  console.log(inWords(step));
}

/** `chrysalis worker challenge`. */
export function registerWorkerChallenge(worker: Command): void {
  worker
    .command('challenge')
    .description('have the pool pay what a router’s voucher owes and no root has paid: sends the next step of it')
    .requiredOption('--vouchers <file>', 'where worker run --vouchers kept them')
    .requiredOption('--config <file>', 'JSON of the pool’s configuration, as its router prints it when it is ready')
    .option('--data <folder>', 'where the key of the wallet is that pays the fees', '.chrysalis/payee')
    .option(
      '--endpoint <url,url…>',
      'toncenter version 2 JSON-RPC, or liteserver://KEY@HOST:PORT',
      'http://127.0.0.1:8081/jsonRPC',
    )
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  $ npx chrysalis worker challenge --vouchers vouchers.json --config pool.json')
    .action(challenge);
}
