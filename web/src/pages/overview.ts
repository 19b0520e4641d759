import { RULES } from '../../../src/audit/index.ts';
import type { Leaf } from '../../../src/log/index.ts';
import { chart } from '../charts.ts';
import { about, badge, facts, fill, h, hash, howDoWeKnow, since, table, time } from '../dom.ts';
import { bodyText, isSimulated, type Model } from '../model.ts';
import { admissionSeries, lagSeries, spanOf, tcbSeries } from '../series.ts';

export const OUTCOME_WORDS = {
  passed: ['good', 'passed'],
  failed: ['bad', 'failed'],
  notChecked: ['warn', 'not checked'],
  notApplicable: ['none', 'nothing to look at'],
} as const;

const VERDICTS = {
  verified: ['good', 'Verified', 'Every check passed, or there was nothing of its kind to look at.'],
  refused: ['bad', 'Refused', 'A check failed. What was found, and where:'],
  incomplete: ['warn', 'Incomplete', 'No check failed, but not everything could be looked at:'],
} as const;
const REASONS_SHOWN = 8;

/** The verdict, on every page, first. */
export function verdict(model: Model): HTMLElement {
  const { report, given } = model;
  const [kind, word, meaning] = VERDICTS[report.verdict];
  const reasons = report.checks.flatMap(({ id, outcome, problems, notes }) =>
    outcome === 'failed'
      ? problems.slice(0, 3).map((problem) => `${id}: ${problem}`)
      : outcome === 'notChecked'
        ? notes.slice(0, 1).map((note) => `${id}: ${note}`)
        : [],
  );
  return h(
    'section',
    { class: `verdict ${kind}`, role: 'status', 'aria-label': 'verdict' },
    h('p', { class: 'word' }, badge(kind, word)),
    h(
      'p',
      {},
      `${report.to - report.from} entries checked in this browser at `,
      time(model.verifiedAt),
      `. ${meaning}`,
    ),
    reasons.length > 0 && h('ul', {}, ...reasons.slice(0, REASONS_SHOWN).map((reason) => h('li', {}, reason))),
    !given.pinned &&
      h(
        'p',
        {},
        badge('warn', 'Keys not pinned.'),
        ' The keys of log and witnesses are what this server claims. Give the policy that you were given: see “How to check without us”.',
      ),
    isSimulated(model) &&
      h(
        'p',
        {},
        badge('warn', 'Simulated enclaves.'),
        ' Evidence in this log proves nothing about a machine. Fine for development only.',
        given.simulated.length === 0 &&
          ' This page believes the real vendors alone, so it refuses what a simulated one signed: to see the log of your own development network verified, give its trust-anchors.json under “What you bring”.',
      ),
  );
}

type Tile = Readonly<{ label: string; value: string | HTMLElement; more: string | HTMLElement }>;

function tiles(model: Model): HTMLElement {
  const { report, history, entries, verifiedAt } = model;
  const [policy] = [...history.inForce.values()].map((digest) => history.policies.get(digest));
  const anchor = entries.findLast(({ leaf }) => leaf?.type === 'anchor')?.leaf ?? null;
  const errors = report.findings.filter(({ severity }) => severity !== 'warning').length;
  const silent = history.outages.filter(({ said }) => !said).length;
  const rows: Tile[] = [
    {
      label: 'Entries',
      value: String(report.to - report.from),
      more: report.from === 0 ? 'from the first' : `from ${report.from} on`,
    },
    {
      label: 'Workers in',
      value: String(history.workersAt(spanOf(model).to).length),
      more: `${history.counts.get('worker-rejected') ?? 0} refused`,
    },
    {
      label: 'Policy in force',
      value: policy === undefined ? 'none' : `#${policy.number}`,
      more: policy?.id ?? 'no router has published one',
    },
    {
      label: 'Head cosigned',
      value: report.witnessedAt === 0 ? 'no' : since(verifiedAt - report.witnessedAt * 1000),
      more: report.witnessedAt === 0 ? 'no witness is asked for' : `quorum of ${report.trust.witnesses.length} met`,
    },
    {
      label: 'Last anchor',
      value: anchor === null ? 'none' : since(verifiedAt - anchor.at),
      more: anchor === null ? 'nothing was anchored' : `tree of ${bodyText(anchor, 'size')}, by the log’s word`,
    },
    {
      label: 'Findings',
      value: String(report.findings.length),
      more: errors === 0 ? 'none of an error' : `${errors} of errors`,
    },
    {
      label: 'Outages',
      value: String(history.outages.length),
      more: silent === 0 ? 'none kept silent' : `${silent} without a word`,
    },
  ];
  return h(
    'ul',
    { class: 'tiles' },
    ...rows.map(({ label, value, more }) =>
      h(
        'li',
        { class: 'tile' },
        h('span', { class: 'label' }, label),
        h('span', { class: 'value' }, value),
        h('span', { class: 'more' }, more),
      ),
    ),
  );
}

function charts(model: Model): HTMLElement {
  const span = spanOf(model);
  const lag = h('div', { class: 'card busy' }, 'reading checkpoints…');
  void lagSeries(model).then((series) => {
    lag.classList.remove('busy');
    fill(
      lag,
      chart({
        ...{ title: 'Checkpoint lag', unit: 'seconds to the cosignature', kind: 'bars', series: [series], ...span },
        empty: 'No checkpoint was kept yet. One a minute is, once there are witnesses.',
      }),
    );
  });
  return h(
    'div',
    { class: 'grid' },
    h(
      'div',
      { class: 'card' },
      chart({
        ...{ title: 'Admissions', unit: 'so far', kind: 'steps', series: admissionSeries(model), ...span },
        empty: 'No worker was judged yet. Start one and it appears here.',
      }),
    ),
    h(
      'div',
      { class: 'card' },
      chart({
        ...{ title: 'TCB status', unit: 'workers that were in', kind: 'stack', series: tcbSeries(model), ...span },
        empty: 'No worker was in yet.',
      }),
    ),
    lag,
    trust(model),
  );
}

function trust({ report, policy }: Model): HTMLElement {
  return h(
    'section',
    { class: 'card' },
    h('h2', {}, 'Trust'),
    facts([
      ['log keys', report.trust.logKeys.join(', ')],
      ['witnesses', `${report.trust.witnesses.join(', ') || 'none'} (quorum ${policy.quorum ?? 'none'})`],
      ['head cosigned', report.witnessedAt === 0 ? 'by no witness' : time(report.witnessedAt * 1000)],
      ['root', hash(report.root)],
    ]),
    h(
      'details',
      {},
      h('summary', {}, `${report.trust.anchors.length} roots of vendors`),
      h('ul', { class: 'plain' }, ...report.trust.anchors.map(rootLine)),
    ),
    howDoWeKnow(
      h(
        'p',
        {},
        'The leaf hashes of all entries were appended in order, and gave the root that the log signed and the witnesses cosigned; so none is missing and none was changed. Every appraisal was made again with the archived collateral of its day.',
      ),
    ),
  );
}

export function overview(model: Model): HTMLElement {
  return h(
    'div',
    {},
    h('h2', {}, 'Overview'),
    tiles(model),
    charts(model),
    h('h2', {}, 'Checks'),
    table(
      'What was asked of this log; V numbers are the same in every report',
      ['id', 'check', 'looked at', 'outcome'],
      model.report.checks.map(({ id, title, looked, outcome, problems, notes }) => [
        id,
        [title, ...[...problems, ...notes].slice(0, 3).map((words) => h('div', { class: 'dim' }, words))],
        looked.toLocaleString('en'),
        badge(OUTCOME_WORDS[outcome][0], OUTCOME_WORDS[outcome][1]),
      ]),
      '',
    ),
    h('h2', {}, 'Latest entries'),
    latest(model),
  );
}

/** A root's name and kind, and its key's digest to compare. */
function rootLine(text: string): HTMLElement {
  const at = text.lastIndexOf(' ');
  return h('li', {}, `${text.slice(0, at)} `, hash(text.slice(at + 1)));
}

function latest({ entries }: Model): HTMLElement {
  return table(
    'The last ten',
    ['entry', 'time', 'type', 'about', 'in short'],
    entries
      .slice(-10)
      .reverse()
      .map(({ index, leaf }) => [
        h('a', { href: `#/entry/${index}` }, String(index)),
        leaf === null ? '' : time(leaf.at),
        h('span', { class: 'type' }, leaf?.type ?? 'unreadable'),
        leaf === null ? '' : about(leaf.subject),
        leaf === null ? '' : inShort(leaf),
      ]),
    'No entries. The first, log-opened, appears when a log is opened.',
  );
}

const counted = (count: string, noun: string) => `${count} ${noun}${count === '1' ? '' : 's'}`;

/** What an entry says, in a few words. */
export function inShort(leaf: Leaf): string {
  const text = (field: string) => bodyText(leaf, field);
  switch (leaf.type) {
    case 'worker-admitted':
    case 're-attested':
      return `${text('platform')}, TCB ${text('tcbStatus')}, policy #${text('policyNumber')}`;
    case 'worker-rejected':
      return `${text('platform')}: ${((leaf as Leaf<'worker-rejected'>).body.failedChecks ?? []).slice(0, 2).join(', ')}`;
    case 'evicted':
      return text('cause');
    case 'policy-published':
      return `#${text('number')}: ${text('reason')}`;
    case 'image-registered':
      return text('name');
    case 'receipt-batch':
      return counted(text('count'), 'receipt');
    case 'session-batch':
      return counted(text('count'), 'session');
    case 'settlement':
      return `${text('amount')} nanoTON`;
    case 'anchor':
    case 'state-snapshot':
      return `tree of ${text('size')}`;
    case 'heartbeat':
      return text('awaySince') === '' ? 'the log is there' : 'the log was away';
    case 'retention-run':
      return `${counted(text('count'), 'file')}, tier ${text('tier')}`;
    case 'rejection-summary':
      return counted(text('count'), 'refusal');
    case 'key-rotation':
      return `${text('role')}: ${text('old')} → ${text('new')}`;
    default:
      return '';
  }
}

export function findings(model: Model): HTMLElement {
  const { report, history } = model;
  return h(
    'div',
    {},
    h('h2', {}, 'Findings'),
    table(
      'What the rules of the monitor found',
      ['rule', 'severity', 'entry', 'what'],
      report.findings.map(({ rule, severity, index, message }) => [
        rule,
        badge(severity === 'warning' ? 'warn' : 'bad', severity),
        index === null ? '' : h('a', { href: `#/entry/${index}` }, String(index)),
        [message, h('div', { class: 'dim' }, RULES[rule])],
      ]),
      'No finding. A weaker policy, a broken chain of entries or a verdict that differs when made again would appear here.',
    ),
    h('h2', {}, 'Outages'),
    table(
      'Times without an entry for more than three minutes',
      ['from', 'to', 'before entry', 'did the log say so?'],
      history.outages.map(({ from, to, index, said }) => [
        time(from),
        time(to),
        h('a', { href: `#/entry/${index}` }, String(index)),
        said ? badge('good', 'yes') : badge('bad', 'no'),
      ]),
      'None.',
    ),
    h('h2', {}, 'The rules'),
    table(
      'What is looked for',
      ['rule', 'finds'],
      Object.entries(RULES).map(([rule, words]) => [rule, words]),
      '',
    ),
  );
}
