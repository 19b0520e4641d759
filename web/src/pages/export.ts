import { htmlReport, oscalResults, PACKS } from '../../../src/audit/index.ts';
import { download, facts, h, hash } from '../dom.ts';
import type { Model } from '../model.ts';

export function exportPage(model: Model): HTMLElement {
  const { report, bundle } = model;
  const name = `${report.origin.replaceAll(/[^a-z0-9.-]/gi, '-')}-${report.to}`;
  const boxes = PACKS.map(({ name: pack, title }) => ({
    pack,
    box: h('input', { type: 'checkbox', id: `pack-${pack}` }) as HTMLInputElement,
    title,
  }));
  const packs = () => PACKS.filter((pack) => boxes.some(({ pack: of, box }) => of === pack.name && box.checked));
  const save = (words: string, file: string, type: string, make: () => BlobPart) =>
    h('button', { type: 'button', onclick: () => download(file, type, make()) }, words);
  return h(
    'div',
    {},
    h('h2', {}, 'Export'),
    h(
      'p',
      {},
      'The bundle that this page verified: every entry, every file they name. A filtered view is a report and no bundle.',
    ),
    h(
      'p',
      {},
      save('Bundle (.audit.tar.gz)', `${name}.audit.tar.gz`, 'application/gzip', () => bundle),
    ),
    h('h3', {}, 'Reports'),
    h(
      'fieldset',
      {},
      h('legend', {}, 'Show what the checks say to'),
      ...boxes.map(({ pack, box, title }) => h('label', { for: `pack-${pack}` }, box, ` ${title}`)),
    ),
    h(
      'p',
      {},
      save('Report (HTML)', `${name}.html`, 'text/html', () => htmlReport(report, report.made.at, packs())),
      ' ',
      save('Verdict (JSON)', `${name}.json`, 'application/json', () => JSON.stringify(report, null, 2)),
      ' ',
      save('OSCAL results', `${name}.oscal.json`, 'application/json', () =>
        JSON.stringify(oscalResults(report, report.made.at), null, 2),
      ),
    ),
    h('h3', {}, 'Custody'),
    facts([
      ['made', `${report.made.at} by ${report.made.by} with ${report.made.tool}`],
      ['manifest SHA-256', hash(report.manifestSha256)],
      ['entries', `${report.from} to ${report.to}`],
      ['root', hash(report.root)],
    ]),
  );
}

export function how(model: Model | null): HTMLElement {
  const policy = model?.given.policyText ?? 'log <key of the log>\nwitness <name> <key> <url>\nquorum <name>';
  return h(
    'div',
    {},
    h('h2', {}, 'How to check without us'),
    h(
      'ol',
      {},
      ...[
        'Bring the keys from somewhere else than this page: the log’s and its witnesses’, as a C2SP tlog-policy. Ask the witnesses, who are other people than the log’s operator.',
        'Save this page and open it from your disk: it then comes from you. A page that a server gives you extends your trust to that server.',
        'Or use no page: export a bundle and run `chrysalis audit verify BUNDLE --policy POLICY`.',
        'Or use none of our tools: log/ in a bundle is C2SP tlog-tiles. Append the SHA-256 leaf hashes of all entries to the right edge in range-a.json; the root must be the one in log/checkpoint, which is a C2SP signed note.',
        'Evidence, collateral and policies are files named by their SHA-256. Any verifier of Intel, AMD or NVIDIA evidence can judge them at the instant that the entry says.',
      ].map((words) => h('li', {}, words)),
    ),
    h('h3', {}, 'The policy this page uses'),
    h('pre', { tabindex: 0 }, policy),
    h('h3', {}, 'What this page does not check'),
    h(
      'ul',
      {},
      ...[
        'anchors against the chain',
        'build provenance of images',
        'who signed RFC 3161 time stamps',
        'approvals of policies: bring the keys to the command line',
      ].map((words) => h('li', {}, words)),
    ),
  );
}
