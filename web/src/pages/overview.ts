import { RULES } from '../../../src/audit/index.ts';
import { chart, cumulative, type Series } from '../charts.ts';
import { badge, facts, h, hash, howDoWeKnow, table, time } from '../dom.ts';
import { bodyText, isSimulated, type Model } from '../model.ts';

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

/** The verdict, on every page, first. */
export function verdict({ report, given, ...model }: Model): HTMLElement {
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
    h(
      'p',
      {},
      badge(kind, word),
      ' in this browser at ',
      time(model.verifiedAt),
      ` · ${report.to - report.from} entries. ${meaning}`,
    ),
    reasons.length > 0 && h('ul', {}, ...reasons.slice(0, 8).map((reason) => h('li', {}, reason))),
    !given.pinned &&
      h(
        'p',
        {},
        badge('warn', 'Keys not pinned.'),
        ' The keys of log and witnesses are what this server claims. Give the policy that you were given: see “How to check without us”.',
      ),
    isSimulated({ report, given, ...model }) &&
      h(
        'p',
        {},
        badge('warn', 'Simulated enclaves.'),
        ' Evidence in this log proves nothing about a machine. Fine for development only.',
        given.simulated.length === 0 &&
          ' This page believes the real vendors alone, so it refuses what a simulated one signed: to see the log of your own development network verified, give its trust-anchors.json under “How to check without us”.',
      ),
  );
}

export function overview(model: Model): HTMLElement {
  const { report, history, entries } = model;
  const admissions = entries.filter(({ leaf }) => leaf?.type === 'worker-admitted').map(({ leaf }) => leaf?.at ?? 0);
  const evictions = entries.filter(({ leaf }) => leaf?.type === 'evicted').map(({ leaf }) => leaf?.at ?? 0);
  const refusals = entries.filter(({ leaf }) => leaf?.type === 'worker-rejected').map(({ leaf }) => leaf?.at ?? 0);
  const events: Series[] = [
    { name: 'admitted', points: cumulative(admissions) },
    { name: 'evicted', points: cumulative(evictions) },
    { name: 'refused', points: cumulative(refusals) },
  ].filter(({ points }) => points.length > 0);
  const seen = report.witnessedAt === 0 ? 'by no witness' : time(report.witnessedAt * 1000);
  const [policy] = [...history.inForce.values()].map((digest) => history.policies.get(digest));
  return h(
    'div',
    {},
    h(
      'div',
      { class: 'grid' },
      h(
        'section',
        {},
        h('h2', {}, 'Trust'),
        facts([
          ['log keys', report.trust.logKeys.join(', ')],
          ['witnesses', `${report.trust.witnesses.length}, quorum ${model.policy.quorum ?? 'none'}`],
          ['newest head cosigned', seen],
          ['root', hash(report.root)],
          ['vendor roots', h('ul', { class: 'plain' }, ...report.trust.anchors.map(rootLine))],
          ['policy in force', policy === undefined ? 'none' : `${policy.id} #${policy.number}`],
          ['outages', history.outages.length === 0 ? 'none' : `${history.outages.length}, see Findings`],
        ]),
        howDoWeKnow(
          h(
            'p',
            {},
            'The leaf hashes of all entries were appended in order, and gave the root that the log signed and the witnesses cosigned; so none is missing and none was changed. Every appraisal was made again with the archived collateral of its day.',
          ),
        ),
      ),
      h(
        'section',
        {},
        h('h2', {}, 'What it did'),
        chart(
          'Admissions, evictions, refusals',
          'so far',
          events,
          'No worker was judged yet. Start one and it appears here.',
        ),
        tcbChart(model),
      ),
    ),
    h('h2', {}, 'Checks'),
    table(
      'What was asked of this log',
      ['id', 'check', 'looked at', 'outcome'],
      report.checks.map(({ id, title, looked, outcome, problems, notes }) => [
        id,
        [title, ...[...problems, ...notes].slice(0, 3).map((words) => h('div', { class: 'dim' }, words))],
        String(looked),
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

/** TCB statuses of appraised workers, summed over time, a line for each. */
function tcbChart({ entries }: Model): HTMLElement {
  const byStatus = new Map<string, number[]>();
  for (const { leaf } of entries) {
    const status = bodyText(leaf, 'tcbStatus');
    if (status !== '') byStatus.set(status, [...(byStatus.get(status) ?? []), leaf?.at ?? 0]);
  }
  const series = [...byStatus].map(([name, times]) => ({ name, points: cumulative(times) }));
  return chart('TCB status of judged evidence', 'appraisals', series, 'No evidence was judged yet.');
}

function latest({ entries }: Model): HTMLElement {
  return table(
    'The last ten',
    ['entry', 'time', 'type', 'about'],
    entries
      .slice(-10)
      .reverse()
      .map(({ index, leaf }) => [
        h('a', { href: `#/entry/${index}` }, String(index)),
        leaf === null ? '' : time(leaf.at),
        leaf?.type ?? 'unreadable',
        leaf?.subject ?? '',
      ]),
    'No entries. The first, log-opened, appears when a log is opened.',
  );
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
      ['from', 'to', 'before entry'],
      history.outages.map(({ from, to, index }) => [time(from), time(to), String(index)]),
      'None.',
    ),
  );
}
