import { type Bytes, escapeHtml, rfc3339, toHex } from '../../core/index.ts';
import { parseLeaf } from '../index.ts';
import type { Log } from './log.ts';

const LATEST_ENTRIES = 50;
const BODY_CHARACTERS_MAX = 2000;

const STYLE = `:root{color-scheme:light dark;--line:#8884;--dim:#888}
body{font:15px/1.5 system-ui,sans-serif;max-width:1200px;margin:0 auto;padding:24px 16px}
h1{font-size:20px;margin:0 0 8px}h2{font-size:16px;margin:24px 0 8px}code,pre{font:13px/1.4 ui-monospace,monospace}
code{overflow-wrap:anywhere}pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:8px 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px}dt{color:var(--dim)}dd{margin:0}
.note{border:1px solid var(--line);border-radius:8px;padding:8px 16px}
details{border-top:1px solid var(--line);padding:4px 0}summary{cursor:pointer}
summary span{display:inline-block;min-width:80px;margin-right:8px}.dim{color:var(--dim)}`;

function entryRow(index: number, entry: Bytes): string {
  let what: string;
  let shown: string;
  try {
    const { leaf, known } = parseLeaf(entry);
    const at = rfc3339(Math.floor(leaf.at / 1000));
    what = `<span>${escapeHtml(leaf.type)}${known ? '' : ' (unknown type)'}</span> ${escapeHtml(leaf.subject)} <span class="dim">${at}</span>`;
    shown = JSON.stringify(leaf, null, 2);
  } catch {
    what = '<span>not a leaf this version can read</span>';
    shown = toHex(entry);
  }
  const cut = shown.length > BODY_CHARACTERS_MAX ? `${shown.slice(0, BODY_CHARACTERS_MAX)} …` : shown;
  return `<details><summary><span>${index}</span>${what}</summary><pre>${escapeHtml(cut)}</pre><a href="/proof/${index}">proof of this entry</a></details>`;
}

/** A page for people: origin, size, root, latest entries. It shows what the server says; it verifies nothing. */
export async function renderPage(log: Log): Promise<string> {
  const { size, root } = log.head();
  const entries = await log.entries(Math.max(0, size - LATEST_ENTRIES), size);
  const rows = entries.toReversed().map(({ index, entry }) => entryRow(index, entry));
  const origin = escapeHtml(log.origin);
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Log ${origin}</title><style>${STYLE}</style>
<h1>Log ${origin}</h1>
<p class="note"><strong>Not checked.</strong> This page shows what the server says and verifies nothing by itself. To check an
entry, take its proof and run <code>chrysalis log check</code>, or read the tiles with any C2SP tlog-tiles tool.</p>
<dl><dt>entries</dt><dd>${size}</dd><dt>root</dt><dd><code>${toHex(root)}</code></dd>
<dt>log key</dt><dd><code>${escapeHtml(log.vkey)}</code></dd>
<dt>signed head</dt><dd><a href="/checkpoint">checkpoint</a></dd></dl>
<h2>Latest entries</h2>
${rows.length === 0 ? '<p>No entries yet. The first one, log-opened, appears when the log is opened.</p>' : rows.join('\n')}
</html>
`;
}
