import { Address, Cell, loadTransaction, type Message, type Transaction, type TupleItem } from '@ton/core';
import { WalletContractV5R1 } from '@ton/ton';
import { CONTRACT_ERRORS, type ContractName, contractCode } from '../contract.ts';
import { decodeBody, GETTERS, ton } from './decode.ts';
import { parseAccount } from './emulator.ts';
import type { Ledger, Snapshot } from './ledger.ts';

/** Pages for people: the accounts of a development chain, what happened on them, in words. Nothing is fetched, nothing runs. */
const ACCOUNTS_SHOWN = 100;
const TRANSACTIONS_SHOWN = 40;
const VALUE_CHARACTERS = 24;

const STYLE = `:root{color-scheme:light dark;--line:#8884;--dim:#777;--accent:#2563c9}
@media(prefers-color-scheme:dark){:root{--dim:#999;--accent:#7fb0ff}}
body{font:15px/1.5 system-ui,sans-serif;max-width:1200px;margin:0 auto;padding:24px 16px}
h1{font-size:20px;margin:0 0 8px}h2{font-size:16px;margin:32px 0 8px}code{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}
a{color:var(--accent);text-decoration:none}a:hover,a:focus{text-decoration:underline}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px;margin:8px 0}dt,.dim{color:var(--dim)}dd{margin:0}
.note{border:1px solid var(--line);border-radius:8px;padding:8px 16px}.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%}th{font-weight:500;text-align:left;color:var(--dim)}
td,th{padding:6px 16px 6px 0;border-top:1px solid var(--line);vertical-align:top}td.n,th.n{text-align:right}
details{border-top:1px solid var(--line);padding:6px 0}summary{cursor:pointer}.bad{font-weight:600}`;

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const text = (value: string) => value.replace(/[&<>"']/g, (character) => ESCAPES[character] as string);
const short = (value: string) =>
  value.length > VALUE_CHARACTERS ? `${value.slice(0, 10)}…${value.slice(-10)}` : value;
const code = (value: string) => `<code title="${text(value)}">${text(short(value))}</code>`;
const link = (address: string) => `<a href="/account/${text(address)}">${code(address)}</a>`;
const utc = (seconds: number) => `${new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

function kinds(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const name of Object.keys(GETTERS))
    found.set(
      contractCode(name as ContractName)
        .hash()
        .toString('hex'),
      name,
    );
  const wallet = WalletContractV5R1.create({ publicKey: Buffer.alloc(32) });
  found.set(wallet.init.code.hash().toString('hex'), 'wallet v5');
  return found;
}

type Row = Readonly<{ address: string; kind: string; balance: bigint; transactions: number }>;

function accountRow(snapshot: Snapshot, address: string, known: ReadonlyMap<string, string>): Row {
  const account = parseAccount(snapshot.accounts.get(address) ?? '').account;
  const state = account?.storage.state;
  const hash = state?.type === 'active' ? (state.state.code?.hash().toString('hex') ?? '') : '';
  const kind = state?.type === 'active' ? (known.get(hash) ?? 'another contract') : 'no code yet';
  const transactions = snapshot.transactions.get(address)?.length ?? 0;
  return { address, kind, balance: account?.storage.balance.coins ?? 0n, transactions };
}

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${text(title)}</title><style>${STYLE}</style>
<h1><a href="/">Development chain</a></h1>
<p class="note"><strong>Not TON.</strong> One process on this machine, without validators; its money is free and worth nothing.</p>
${body}
</html>
`;
}

/** Newest block, accounts by last use, newest transactions. */
export async function overviewPage(ledger: Ledger): Promise<string> {
  const snapshot = await ledger.snapshot();
  const { head, accounts, transactions } = snapshot;
  const known = kinds();
  const used = [...transactions.keys()].reverse();
  const rest = [...accounts.keys()].filter((address) => !transactions.has(address));
  const rows = [...used, ...rest].slice(0, ACCOUNTS_SHOWN).map((address) => accountRow(snapshot, address, known));
  const newest = used
    .flatMap((address) =>
      (transactions.get(address) ?? []).slice(0, TRANSACTIONS_SHOWN).map((boc) => ({ address, boc })),
    )
    .map(({ address, boc }) => ({ address, transaction: loadTransaction(Cell.fromBase64(boc).beginParse()) }))
    .sort((a, b) => (a.transaction.lt < b.transaction.lt ? 1 : -1))
    .slice(0, TRANSACTIONS_SHOWN);
  const list = rows.map(
    ({ address, kind, balance, transactions: count }) =>
      `<tr><td>${link(address)}</td><td>${text(kind)}</td><td class="n">${ton(balance)} TON</td><td class="n">${count}</td></tr>`,
  );
  const empty = '<p>None yet. The first ones appear with the first transfer from the faucet.</p>';
  return page(
    'Development chain',
    `<dl><dt>network</dt><dd>${head.network}</dd><dt>block</dt><dd>${head.seqno}</dd><dt>time</dt><dd>${utc(head.time)}</dd>
<dt>root hash</dt><dd><code>${Buffer.from(head.rootHash).toString('hex')}</code></dd></dl>
<h2>Accounts <span class="dim">${accounts.size}${accounts.size > rows.length ? `, the ${rows.length} used last` : ''}</span></h2>
${rows.length === 0 ? empty : `<div class="wide"><table><tr><th>address<th>what it is<th class="n">balance<th class="n">transactions kept</tr>${list.join('')}</table></div>`}
<h2>Newest transactions</h2>
${newest.length === 0 ? empty : newest.map(({ address, transaction }) => transactionDetails(transaction, address)).join('\n')}`,
  );
}

/** @returns null for an account that the chain does not have */
export async function accountPage(ledger: Ledger, raw: string): Promise<string | null> {
  const snapshot = await ledger.snapshot();
  if (!/^(0|-1):[0-9a-f]{64}$/.test(raw) || !snapshot.accounts.has(raw)) return null;
  const row = accountRow(snapshot, raw, kinds());
  const address = Address.parseRaw(raw);
  const state = await stateTables(ledger, address, row.kind);
  const transactions = (snapshot.transactions.get(raw) ?? []).map((boc) =>
    transactionDetails(loadTransaction(Cell.fromBase64(boc).beginParse()), null),
  );
  return page(
    `${row.kind} ${raw}`,
    `<dl><dt>account</dt><dd><code>${raw}</code></dd><dt>in wallets</dt><dd><code>${address.toString()}</code></dd>
<dt>what it is</dt><dd>${text(row.kind)}</dd><dt>balance</dt><dd>${ton(row.balance)} TON</dd></dl>
${state}
<h2>Transactions <span class="dim">newest first</span></h2>
${transactions.join('\n') || '<p>None is kept.</p>'}`,
  );
}

/** What the contract's own get-methods answer, by name. */
async function stateTables(ledger: Ledger, address: Address, kind: string): Promise<string> {
  const tables: string[] = [];
  for (const [method, names] of Object.entries(GETTERS[kind] ?? {})) {
    const { exitCode, stack } = await ledger.runGetMethod(address, method, []);
    if (exitCode !== 0) continue;
    const rows = names.split(' ').map((name, i) => `<dt>${name}</dt><dd>${stackValue(name, stack[i])}</dd>`);
    tables.push(`<h2>${method}</h2><dl>${rows.join('')}</dl>`);
  }
  return tables.join('\n');
}

const AMOUNTS = /^(deposited|claimed|.*sum|root_paid|seen|fee|withdrawn|paid|bond|unbond)$/;
const TIMES = /(_at|_until|covers|^at)$/;

function stackValue(name: string, item: TupleItem | undefined): string {
  if (item?.type === 'slice' || item?.type === 'cell') {
    try {
      return link(item.cell.beginParse().loadAddress().toRawString());
    } catch {
      return code(item.cell.hash().toString('hex'));
    }
  }
  if (item?.type !== 'int') return '';
  if (AMOUNTS.test(name)) return `${ton(item.value)} TON`;
  if (TIMES.test(name)) return item.value === 0n ? 'never' : utc(Number(item.value));
  return item.value > 1n << 64n ? `<code>${item.value.toString(16).padStart(64, '0')}</code>` : item.value.toString();
}

function outcome({ description, inMessage }: Transaction): string {
  if (description.type !== 'generic') return text(description.type);
  if (!description.aborted) return 'done';
  const { computePhase, actionPhase } = description;
  if (inMessage?.info.type === 'internal' && !inMessage.info.bounce) {
    const why = computePhase.type === 'skipped' ? 'no code ran' : `the code stopped with ${computePhase.exitCode}`;
    return `credited; ${why}`;
  }
  if (computePhase.type === 'skipped')
    return `<span class="bad">refused</span>, nothing ran: ${text(computePhase.reason)}`;
  const why = CONTRACT_ERRORS[computePhase.exitCode as keyof typeof CONTRACT_ERRORS];
  const action = computePhase.exitCode === 0 ? `, action phase ${actionPhase?.resultCode ?? ''}` : '';
  return `<span class="bad">refused</span>, exit code ${computePhase.exitCode}${action}${why === undefined ? '' : `: ${text(why)}`}`;
}

function messageLine(message: Message, direction: 'in' | 'out'): string {
  const { info } = message;
  const { name, fields } = decodeBody(message.body);
  const shown = fields.map(([label, value]) => `<dt>${text(label)}</dt><dd>${code(value)}</dd>`).join('');
  const value = info.type === 'internal' ? `${ton(info.value.coins)} TON` : 'from outside';
  const other =
    info.type === 'internal'
      ? `${direction === 'in' ? 'from' : 'to'} ${link((direction === 'in' ? info.src : info.dest).toRawString())}`
      : '';
  const bounced = info.type === 'internal' && info.bounced ? ' (bounced)' : '';
  return `<dt>${direction}</dt><dd>${text(name)}${bounced}, ${value} ${other}${shown === '' ? '' : `<dl>${shown}</dl>`}</dd>`;
}

function transactionDetails(transaction: Transaction, at: string | null): string {
  const incoming = transaction.inMessage;
  const title = incoming ? decodeBody(incoming.body).name : 'no message';
  const out = transaction.outMessages.values().map((message) => messageLine(message, 'out'));
  const where = at === null ? '' : ` on ${code(at)}`;
  return `<details><summary>${text(title)}${where} <span class="dim">${utc(transaction.now)}</span> ${outcome(transaction)}</summary>
<dl><dt>hash</dt><dd><code>${transaction.hash().toString('hex')}</code></dd><dt>fees</dt><dd>${ton(transaction.totalFees.coins)} TON</dd>
${incoming ? messageLine(incoming, 'in') : ''}${out.join('')}</dl></details>`;
}
