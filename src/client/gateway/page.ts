import { escapeHtml } from '../../core/index.ts';
import type { AnswerReceipt, ModelInfo, NamedCheck, PaymentState, VerifiedWorker } from '../api.ts';
import { checkCounts } from './facts.ts';

export type PageFacts = Readonly<{
  version: string;
  policy: string;
  simulated: boolean;
  /** Milliseconds since 1970. */
  at: number;
  /** Null where the router could not be asked. */
  models: readonly ModelInfo[] | null;
  workers: readonly VerifiedWorker[];
  /** Newest first. */
  receipts: readonly AnswerReceipt[];
  payment: PaymentState | null;
}>;

function ton(nano: bigint): string {
  const fraction = (nano % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  return `${nano / 1_000_000_000n}${fraction === '' ? '' : `.${fraction}`} TON`;
}

function utc(at: number): string {
  return new Date(at)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');
}

/** A hash shortened in the middle; whole in the title. */
function hash(text: string): string {
  const short = text.length > 20 ? `${text.slice(0, 8)}…${text.slice(-8)}` : text;
  return `<code title="${escapeHtml(text)}">${escapeHtml(short)}</code>`;
}

function row(label: string, html: string): string {
  return `<tr><th scope="row">${escapeHtml(label)}</th><td>${html}</td></tr>`;
}

const MARK = { passed: '✓ passed', failed: '✗ failed', notRun: '– not run' } as const;

function checkRows(group: string, checks: readonly NamedCheck[]): string {
  return checks
    .map(
      (check) =>
        `<tr><td>${escapeHtml(group)}</td><td>${escapeHtml(check.name)}</td><td class="${check.outcome}">${MARK[check.outcome]}</td><td>${escapeHtml(check.reason)}</td></tr>`,
    )
    .join('');
}

function workerSection(worker: VerifiedWorker): string {
  const counts = Object.entries(checkCounts(worker.checks)).map(([group, count]) => `${group} ${count}`);
  return `<section><h2>Worker ${escapeHtml(worker.name)} <small>verified by this gateway</small></h2><table>
${row('hardware', `${escapeHtml(worker.tee)}${worker.simulated ? ' <strong class="notRun">simulated: proves nothing about a machine</strong>' : ''}`)}
${row('checks', escapeHtml(counts.join(' · ')))}
${row('TCB status', escapeHtml(worker.tcbStatus))}
${row('worker id', hash(worker.workerId))}
${row('evidence', hash(worker.evidenceDigest))}
${row('model', hash(worker.modelDigest))}
${row('admission', `entry ${worker.admission.index} of ${worker.admission.size} in ${escapeHtml(worker.admission.origin)}`)}
${row('verified', utc(worker.verifiedAt))}
${row('not used after', utc(worker.expiresAt))}
</table><details><summary>How do we know? Every check by name</summary><table><thead><tr><th>about</th><th>check</th><th>outcome</th><th>why</th></tr></thead><tbody>
${Object.entries(worker.checks)
  .map(([group, checks]) => checkRows(group, checks))
  .join('')}
</tbody></table></details></section>`;
}

function receiptSection(receipts: readonly AnswerReceipt[]): string {
  if (receipts.length === 0) {
    return '<section><h2>Receipts</h2><p>Each answer leaves a receipt here, signed by the worker that gave it. Ask something first.</p></section>';
  }
  const rows = receipts
    .map(
      (one) =>
        `<tr><td><a href="/v1/receipts/${encodeURIComponent(one.id)}">${escapeHtml(one.id)}</a></td><td>${hash(one.workerId)}</td><td>${one.tokensIn} in, ${one.tokensOut} out</td><td>${one.frames}</td><td>${escapeHtml(one.amount.toString())} ${escapeHtml(one.currency)}</td></tr>`,
    )
    .join('');
  return `<section><h2>Receipts <small>newest first; a link gives the proof that the log has it</small></h2><table><thead><tr><th>receipt</th><th>signed by</th><th>tokens billed</th><th>frames</th><th>smallest units</th></tr></thead><tbody>${rows}</tbody></table></section>`;
}

function paymentSection(payment: PaymentState | null): string {
  if (payment === null)
    return '<section><h2>Payment</h2><p>No channel is open, or it could not be asked.</p></section>';
  return `<section><h2>Payment channel</h2><table>
${row('channel', hash(payment.channel))}
${row('state', escapeHtml(payment.state))}
${row('deposited', ton(payment.deposited))}
${row('promised by vouchers', ton(payment.vouchered))}
${row('claimed on chain', ton(payment.claimed))}
</table></section>`;
}

function modelSection(models: readonly ModelInfo[] | null): string {
  if (models === null) return '<section><h2>Models</h2><p>Could not find out: the router did not answer.</p></section>';
  if (models.length === 0) return '<section><h2>Models</h2><p>No worker offers a model now.</p></section>';
  const rows = models
    .map(
      (one) =>
        `<tr><td>${escapeHtml(one.name)}</td><td>${hash(one.digest)}</td><td>${one.workers}</td><td>${one.contextTokensMax}</td></tr>`,
    )
    .join('');
  return `<section><h2>Models</h2><table><thead><tr><th>name</th><th>digest</th><th>workers</th><th>context, tokens</th></tr></thead><tbody>${rows}</tbody></table></section>`;
}

/** What this gateway verified, did and owes, for a person; no script, no request to anywhere. */
export function statusPage(facts: PageFacts): string {
  const workers =
    facts.workers.length === 0
      ? '<section><h2>Workers</h2><p>None verified yet: a worker is verified before the first prompt goes to it.</p></section>'
      : facts.workers.map(workerSection).join('\n');
  const warning = facts.simulated
    ? '<p class="banner">Simulated enclaves: fine for development, refused by production policies. They prove nothing about a machine.</p>'
    : '';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Chrysalis gateway</title><link rel="stylesheet" href="/style.css"></head><body><main>
<header><h1>Chrysalis gateway</h1><p>Prompts leave this process encrypted to a worker that it verified itself. The router can't read them; the worker's enclave can. Anyone who reaches this port can read what this gateway answers.</p>
<p><small>version ${escapeHtml(facts.version)} · policy ${escapeHtml(facts.policy)} · ${utc(facts.at)}</small></p>${warning}</header>
${workers}
${receiptSection(facts.receipts)}
${paymentSection(facts.payment)}
${modelSection(facts.models)}
<footer><p>As JSON: <a href="/v1/attestation">/v1/attestation</a>, <a href="/v1/receipts">/v1/receipts</a>, <a href="/v1/payment">/v1/payment</a>, <a href="/v1/models">/v1/models</a></p></footer>
</main></body></html>
`;
}

export const PAGE_STYLE = `:root{color-scheme:light dark;--line:#8885;--good:#176b2c;--bad:#a11;--warn:#8a5a00;--accent:#2457c5}
@media (prefers-color-scheme:dark){:root{--good:#6cd28a;--bad:#ff8a80;--warn:#f0bf5a;--accent:#8fb4ff}}
*{box-sizing:border-box}body{margin:0;font:15px/1.5 system-ui,sans-serif}main{max-width:1200px;margin:0 auto;padding:16px}
h1{font-size:22px;margin:0 0 8px}h2{font-size:17px;margin:24px 0 8px}small{font-weight:400;opacity:.75}
section{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:4px 16px 4px 0;border-bottom:1px solid var(--line);vertical-align:top}
th[scope=row]{width:12em;font-weight:500}code{font:13px ui-monospace,monospace}a{color:var(--accent)}a:focus-visible,summary:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.passed{color:var(--good)}.failed{color:var(--bad)}.notRun{color:var(--warn)}.banner{border:1px solid var(--warn);color:var(--warn);padding:8px}
details{margin:8px 0}summary{cursor:pointer}@media print{details>*{display:block}}`;
