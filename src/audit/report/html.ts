import { escapeHtml, rfc3339 } from '../../core/index.ts';
import type { AuditCheck, CheckOutcome } from '../checks.ts';
import { RULES } from '../findings.ts';
import type { AuditReport } from '../verify.ts';
import type { Pack } from './packs.ts';

const VERDICT: Readonly<Record<AuditReport['verdict'], readonly [string, string]>> = {
  verified: ['VERIFIED', 'Every check passed, or there was nothing of its kind to look at.'],
  refused: ['REFUSED', 'A check failed. Each is named below with what was found.'],
  incomplete: ['INCOMPLETE', 'No check failed, but something that should have been looked at could not be.'],
};
const OUTCOME: Readonly<Record<CheckOutcome, string>> = {
  passed: '✓ passed',
  failed: '✗ failed',
  notChecked: '– not checked',
  notApplicable: '– nothing to look at',
};

const STYLE = `:root{color-scheme:light dark;--line:#8886;--dim:#767676;--good:#1a7f37;--bad:#cf222e;--warn:#9a6700}
@media(prefers-color-scheme:dark){:root{--good:#3fb950;--bad:#ff7b72;--warn:#d29922;--dim:#9a9a9a}}
body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:0 auto;padding:24px 16px}
h1{font-size:22px;margin:0 0 4px}h2{font-size:17px;margin:32px 0 8px}code{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}
.verdict{font-size:18px;font-weight:600}.passed,.verified{color:var(--good)}.failed,.refused{color:var(--bad)}
.notChecked,.incomplete{color:var(--warn)}.notApplicable,.dim{color:var(--dim)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px;margin:8px 0}dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:6px 8px;border-top:1px solid var(--line)}
td ul{margin:4px 0;padding-left:18px}@media print{body{max-width:none}tr{break-inside:avoid}}`;

const list = (items: readonly string[]) =>
  items.length === 0 ? '' : `<ul>${items.map((item) => `<li>${escapeHtml(item)}</li>`).join('')}</ul>`;

function checkRow({ id, title, outcome, looked, problems, problemCount, notes }: AuditCheck): string {
  const more = problemCount > problems.length ? [`and ${problemCount - problems.length} more`] : [];
  return `<tr><td>${id}</td><td>${escapeHtml(title)}${list([...problems, ...more])}${list(notes)}</td>
<td>${looked}</td><td class="${outcome}">${OUTCOME[outcome]}</td></tr>`;
}

function packTable(report: AuditReport, { title, controls }: Pack): string {
  const outcomeOf = (id: string) => report.checks.find((check) => check.id === id)?.outcome ?? 'notChecked';
  const rows = controls.map(({ id, asks, checks, notShown }) => {
    const shown = checks.map(
      (check) => `<span class="${outcomeOf(check)}">${check} ${OUTCOME[outcomeOf(check)]}</span>`,
    );
    return `<tr><td>${escapeHtml(id)}</td><td>${escapeHtml(asks)}</td><td>${shown.join('<br>')}</td><td>${escapeHtml(notShown)}</td></tr>`;
  });
  return `<h2>${escapeHtml(title)}</h2><table><thead><tr><th>Requirement</th><th>Asks</th><th>What the checks say</th><th>Not shown</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>`;
}

/** Where some were brought. */
function stampRoots({ trust }: AuditReport): string {
  return trust.stampRoots.length === 0 ? '' : `<dt>time stamp roots</dt><dd>${list(trust.stampRoots)}</dd>`;
}

/**
 * One file that needs nothing else: no script, no request; prints well. It reports what was checked, and holds the
 * report as JSON for those who want to read it by machine.
 * @param madeAt RFC 3339
 */
export function htmlReport(report: AuditReport, madeAt: string, packs: readonly Pack[] = []): string {
  const [word, meaning] = VERDICT[report.verdict];
  const origin = escapeHtml(report.origin);
  const findings = report.findings.map(
    ({ rule, severity, index, message }) =>
      `<tr><td>${rule}</td><td>${severity}</td><td>${index ?? ''}</td><td>${escapeHtml(message)}<div class="dim">${escapeHtml(RULES[rule])}</div></td></tr>`,
  );
  const seen = report.witnessedAt === 0 ? 'by no witness' : rfc3339(report.witnessedAt);
  const counts = Object.entries(report.counts).map(([type, count]) => `${count} ${escapeHtml(type)}`);
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Audit of ${origin}: ${word}</title><style>${STYLE}</style></head><body>
<h1>Audit of the log ${origin}</h1>
<p class="verdict ${report.verdict}">${word}</p><p>${meaning}</p>
<dl><dt>entries</dt><dd>${report.from} to ${report.to}: ${counts.join(', ')}</dd>
<dt>root</dt><dd><code>${report.root}</code></dd><dt>newest head cosigned</dt><dd>${seen}</dd>
<dt>bundle</dt><dd>made ${escapeHtml(report.made.at)} by ${escapeHtml(report.made.by)}, manifest SHA-256 <code>${report.manifestSha256}</code></dd>
<dt>report made</dt><dd>${escapeHtml(madeAt)}</dd></dl>
<h2>What was relied on</h2><p>Brought by whoever ran the audit, not taken from the bundle.</p>
<dl><dt>log keys</dt><dd>${list(report.trust.logKeys)}</dd><dt>witnesses</dt><dd>${list(report.trust.witnesses)}</dd>
<dt>vendor roots</dt><dd>${list(report.trust.anchors)}</dd>${stampRoots(report)}</dl>
<h2>Checks</h2><table><thead><tr><th>Id</th><th>What</th><th>Looked at</th><th>Outcome</th></tr></thead>
<tbody>${report.checks.map(checkRow).join('\n')}</tbody></table>
<h2>Findings</h2>${findings.length === 0 ? '<p>None.</p>' : `<table><thead><tr><th>Rule</th><th>Severity</th><th>Entry</th><th>What</th></tr></thead><tbody>${findings.join('\n')}</tbody></table>`}
${packs.map((pack) => packTable(report, pack)).join('\n')}
<script type="application/json" id="report">${JSON.stringify(report).replaceAll('<', '\\u003c')}</script>
</body></html>
`;
}
