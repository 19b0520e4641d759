import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { ChannelView } from '../../chain/index.ts';
import { CodedError } from '../../core/index.ts';
import type { OpenedChain } from '../compose/chain.ts';
import type { ClientChannel } from '../compose/channel.ts';
import type { RouterDoorOptions } from '../compose/client-tls.ts';
import { counted, ton } from '../output.ts';
import { addDoorOptions } from './client-options.ts';

const LABEL_WIDTH = 12;
/** With less of its deposit left than this a channel should be topped up. */
const LOW_PERCENT = 20n;

type Options = RouterDoorOptions &
  Readonly<{ data: string; router?: string; chain?: string; payee?: string; json?: boolean }>;

/** TON with at most nine decimals, as nanoTON. */
export function tonAmount(text: string): bigint {
  const match = /^(\d{1,9})(?:\.(\d{1,9}))?$/.exec(text);
  const nano = match === null ? 0n : BigInt(match[1] ?? '') * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
  if (nano === 0n) throw new InvalidArgumentError('an amount of TON, like 1.5.');
  return nano;
}

/** What was given, else what the network beside this folder wrote down when it started. @throws CodedError USAGE_INVALID */
function whereToAsk(options: Options): Readonly<{ router: string | undefined; chain: string }> {
  if (options.chain !== undefined) return { router: options.router, chain: options.chain };
  const path = join(dirname(options.data), 'network.json');
  if (existsSync(path)) {
    const { router, chain } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>;
    if (router && chain) return { router: options.router ?? router, chain };
  }
  throw new CodedError('USAGE_INVALID', 'which chain is not known', {
    todo: 'give --chain and --router, or --data the gateway folder of a network that chrysalis up has started',
  });
}

async function openChannelOf(options: Options): Promise<Readonly<{ chain: OpenedChain; channel: ClientChannel }>> {
  const where = whereToAsk(options);
  const [{ openChain }, { clientChannel }, { secretOf }] = await Promise.all([
    import('../compose/chain.ts'),
    import('../compose/channel.ts'),
    import('../compose/files.ts'),
  ]);
  const payee = options.payee ?? (await payeeOf(where.router, options));
  const chain = await openChain(where.chain, secretOf(options.data, 'wallet'));
  return { chain, channel: await clientChannel(chain, options.data, payee, true) };
}

async function payeeOf(router: string | undefined, door: RouterDoorOptions): Promise<string> {
  if (router === undefined) throw new CodedError('USAGE_INVALID', 'give --router, or --payee with the pool’s address');
  const [{ connectToRouter }, { clientTls }] = await Promise.all([
    import('../../rpc/index.ts'),
    import('../compose/client-tls.ts'),
  ]);
  const transport = connectToRouter(router, Date.now, clientTls(door));
  try {
    return (await transport.getTerms({ deadline: Date.now() + 10_000 })).payee;
  } finally {
    await transport.close();
  }
}

async function show(options: Options, channel: ClientChannel, view: ChannelView | null): Promise<void> {
  const { voucherBook } = await import('../compose/channel.ts');
  const { addressOfTerms } = await import('../../chain/index.ts');
  const { cumulative, leaves } = voucherBook(channel);
  const address = addressOfTerms(channel.terms).raw;
  const { payee, salt } = channel.terms;
  const deposited = view?.deposited ?? 0n;
  const left = deposited > cumulative ? deposited - cumulative : 0n;
  const low = view?.state === 'open' && left * 100n < deposited * LOW_PERCENT;
  const facts = {
    channel: address,
    payee,
    salt: salt.toString(),
    state: view?.state ?? 'absent',
    deposited: deposited.toString(),
    claimed: (view?.claimed ?? 0n).toString(),
    signed: cumulative.toString(),
    receipts: leaves.length,
    closeAt: view?.closeAt ?? 0,
    left: left.toString(),
    low,
  };
  if (options.json === true) {
    console.log(JSON.stringify(facts));
    return;
  }
  const line = (label: string, text: string) => console.log(`${label.padEnd(LABEL_WIDTH)} ${text}`);
  line('channel', address);
  line('pays', payee);
  line('state', facts.state === 'absent' ? 'not opened yet: chrysalis channel open --deposit 1' : facts.state);
  line('deposited', `${ton(BigInt(facts.deposited))} TON`);
  line('signed', `${ton(cumulative)} TON for ${counted(leaves.length, 'receipt')}`);
  line('claimed', `${ton(BigInt(facts.claimed))} TON`);
  line('left', `${ton(left)} TON${low ? ': low, chrysalis channel top-up adds to it' : ''}`);
  if (view?.state === 'closing') {
    const at = new Date(view.closeAt * 1000).toISOString().slice(0, 16).replace('T', ' ');
    line('closes', `from ${at} UTC on: run chrysalis channel close again then`);
  }
}

async function add(options: Options & { amount: bigint }, first: boolean): Promise<void> {
  const { chain, channel } = await openChannelOf(options);
  const { deposit } = await import('../compose/channel.ts');
  if (first !== (channel.view === null)) {
    const message = first ? 'the channel is open already' : 'the channel is not open yet';
    const todo = first ? 'chrysalis channel top-up adds to it' : 'chrysalis channel open opens it';
    throw new CodedError('CHANNEL_STATE_INVALID', message, { todo });
  }
  await show(options, channel, await deposit(chain, channel, options.amount));
}

async function close(options: Options): Promise<void> {
  const { chain, channel } = await openChannelOf(options);
  const { view, config } = channel;
  if (view === null) throw new CodedError('CHANNEL_STATE_INVALID', 'there is no open channel of these keys to close');
  await chain.fund(200_000_000n);
  const { channels, wallet } = chain;
  const next =
    view.state === 'open'
      ? await channels.startClose(wallet, config)
      : Date.now() / 1000 < view.closeAt
        ? view
        : await channels.finishClose(wallet, config);
  await show(options, channel, next);
}

type ReportOptions = Readonly<{ data: string; from?: string; to?: string; format: string; json?: boolean }>;

/** What was asked for: the receipts that are kept, the days, the format. @throws CodedError USAGE_INVALID */
async function reportOf(options: ReportOptions) {
  const [{ day }, { receiptFile }] = await Promise.all([
    import('../channel/invoice.ts'),
    import('../compose/receipts.ts'),
  ]);
  const format = options.json === true ? 'json' : options.format;
  if (!['text', 'csv', 'json'].includes(format)) {
    throw new CodedError('USAGE_INVALID', 'a format is text, csv or json');
  }
  const today = new Date().toISOString().slice(0, 10);
  const [from, to] = [day(options.from ?? `${today.slice(0, 8)}01`), day(options.to ?? today)];
  return { receipts: receiptFile(join(options.data, 'receipts.jsonl')).load(), from, to, format };
}

async function invoice(options: ReportOptions): Promise<void> {
  const { invoiceCsv, invoiceOf, invoiceText } = await import('../channel/invoice.ts');
  const { receipts, from, to, format } = await reportOf(options);
  const made = invoiceOf(receipts, from, to);
  if (format === 'csv') process.stdout.write(invoiceCsv(made));
  else process.stdout.write(format === 'json' ? `${JSON.stringify(made)}\n` : invoiceText(made));
}

async function usage(options: ReportOptions): Promise<void> {
  const [{ usageCsv, usageOf }, { table }] = await Promise.all([import('../channel/usage.ts'), import('../output.ts')]);
  const { receipts, from, to, format } = await reportOf(options);
  const rows = usageOf(receipts, from, to);
  if (format === 'csv') process.stdout.write(usageCsv(rows));
  else if (format === 'json') process.stdout.write(`${JSON.stringify(rows)}\n`);
  else if (rows.length === 0) console.log('nothing was answered on these days');
  else {
    const head = ['day', 'worker', 'answers', 'tokens in', 'out', 'amount'];
    const cells = rows.map(({ day, worker, answers, errors, tokensIn, tokensOut, amount, currency }) => [
      day,
      worker.slice(0, 12),
      errors === 0 ? `${answers}` : `${answers} and ${errors} failed`,
      `${tokensIn}`,
      `${tokensOut}`,
      currency.startsWith('TON/') ? `${ton(BigInt(amount))} TON` : `${amount} ${currency}`,
    ]);
    process.stdout.write(table([head, ...cells], process.stdout.columns ?? 100, 0));
  }
}

/** `chrysalis channel`: the client's side of its payment channel. */
export function registerChannel(program: Command): void {
  const channel = program.command('channel').description('the payment channel: open it, add to it, close it');
  const sub = (name: string, summary: string) =>
    addDoorOptions(
      channel
        .command(name)
        .description(summary)
        .option('--data <folder>', 'where the client’s keys and vouchers are', '.chrysalis/gateway')
        .option('--router <host:port>', 'the router that is paid'),
    )
      .option('--payee <address>', 'or its pool, workchain:hex')
      .option('--chain <url>', 'toncenter-shaped HTTP API of the chain')
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        `\nExample:\n  $ npx chrysalis channel ${name}${name.match(/open|top/) ? ' --amount 1' : ''}`,
      );
  sub('status', 'what was deposited, signed and claimed').action(async (options: Options) => {
    const { channel: of } = await openChannelOf(options);
    await show(options, of, of.view);
  });
  sub('open', 'open the channel with a first deposit')
    .requiredOption('--amount <TON>', 'the deposit', tonAmount)
    .action((options: Options & { amount: bigint }) => add(options, true));
  sub('top-up', 'add to the deposit')
    .requiredOption('--amount <TON>', 'how much', tonAmount)
    .action((options: Options & { amount: bigint }) => add(options, false));
  const report = (name: string, summary: string, example: string) =>
    channel
      .command(name)
      .description(summary)
      .option('--data <folder>', 'where the client’s receipts are', '.chrysalis/gateway')
      .option('--from <day>', 'first day, UTC (default: the first of this month)')
      .option('--to <day>', 'last day, UTC (default: today)')
      .option('--format <format>', 'text, csv or json', 'text')
      .option('--json', 'the same as --format json')
      .addHelpText('after', `\nExample:\n  $ npx chrysalis channel ${example}`);
  report(
    'invoice',
    'what was answered and what it cost, receipt by receipt; each of them is signed by its worker',
    'invoice --from 2026-11-01 --format csv > november.csv',
  ).action(invoice);
  report(
    'usage',
    'the same by day and worker: answers, tokens, amounts',
    'usage --from 2026-11-01 --format csv',
  ).action(usage);
  sub('close', 'begin to close the channel, or end it when its time has come').action(close);
}
