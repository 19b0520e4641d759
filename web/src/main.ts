import { parseSimulatedAnchors } from '../../src/attestation/index.ts';
import { asCodedError, type Bytes } from '../../src/core/index.ts';
import { fill, h, time } from './dom.ts';
import { auditBundle, fetchBundle, type Given, type Model } from './model.ts';
import { checkpoints } from './pages/checkpoints.ts';
import { entryPage, timeline } from './pages/entries.ts';
import { exportPage, how } from './pages/export.ts';
import { findings, overview, verdict } from './pages/overview.ts';
import { policies, stateAt, workerPage, workers } from './pages/workers.ts';

const PAGES: readonly (readonly [string, string])[] = [
  ['overview', 'Overview'],
  ['timeline', 'Timeline'],
  ['workers', 'Workers'],
  ['policies', 'Images & policy'],
  ['state', 'State at…'],
  ['checkpoints', 'Checkpoints'],
  ['findings', 'Findings'],
  ['export', 'Export'],
  ['how', 'How to check without us'],
];

const PRODUCT = 'Chrysalis auditor’s console';

/** A leaf on a tree of hashes: decoration. */
function mark(): HTMLElement {
  const line = (d: string) => h('path', { d, fill: 'none', stroke: 'currentColor', 'stroke-width': 2 });
  return h(
    'svg',
    { viewBox: '0 0 32 32', 'aria-hidden': 'true' },
    line('M16 3 27 9.5v13L16 29 5 22.5v-13Z'),
    line('M16 10v6m0 0-6 4m6-4 6 4'),
    h('circle', { cx: 16, cy: 10, r: 2.5, fill: 'currentColor' }),
    h('circle', { cx: 10, cy: 20, r: 2.5, fill: 'currentColor' }),
    h('circle', { cx: 22, cy: 20, r: 2.5, fill: 'currentColor' }),
  );
}

const plainHeader = () => h('header', {}, h('div', { class: 'bar' }, mark(), h('h1', {}, PRODUCT)));

const app = document.getElementById('app') as HTMLElement;
let model: Model | null = null;
/** What the auditor gave; a server's claim until then. */
let given: Given = { policyText: '', pinned: false, simulated: [] };
let bundle: Bytes | null = null;
/** The log that served this page, where one did. */
const served = location.protocol.startsWith('http') ? location.origin : null;

function page(of: Model): HTMLElement {
  const [path = '', search = ''] = location.hash.replace(/^#\//, '').split('?');
  const [name = 'overview', argument = ''] = path.split('/');
  const query = new URLSearchParams(search);
  switch (name) {
    case 'timeline':
      return timeline(of, query);
    case 'entry':
      return entryPage(of, Number(argument));
    case 'workers':
      return workers(of);
    case 'worker':
      return workerPage(of, argument);
    case 'policies':
      return policies(of);
    case 'state':
      return stateAt(of, query);
    case 'checkpoints':
      return checkpoints(of);
    case 'findings':
      return findings(of);
    case 'export':
      return exportPage(of);
    case 'how':
      return how(of);
    default:
      return overview(of);
  }
}

function render(): void {
  if (model === null) {
    start('');
    return;
  }
  const current = location.hash.replace(/^#\//, '').split(/[/?]/)[0] || 'overview';
  const { report } = model;
  const count = report.findings.length;
  fill(
    app,
    h(
      'header',
      {},
      h(
        'div',
        { class: 'bar' },
        mark(),
        h('div', {}, h('p', { class: 'product' }, PRODUCT), h('h1', {}, `Log ${report.origin}`)),
        h(
          'div',
          { class: 'right' },
          h('div', {}, `${report.to.toLocaleString('en')} entries`),
          h('div', {}, 'head cosigned ', report.witnessedAt === 0 ? 'by nobody' : time(report.witnessedAt * 1000)),
        ),
      ),
      h(
        'nav',
        { 'aria-label': 'pages' },
        h(
          'ul',
          {},
          ...PAGES.map(([id, title]) =>
            h(
              'li',
              {},
              h(
                'a',
                { href: `#/${id}`, 'aria-current': current === id ? 'page' : null },
                id === 'findings' ? `${title} ${count}` : title,
              ),
            ),
          ),
        ),
      ),
    ),
    verdict(model),
    h('main', { id: 'main', tabindex: -1 }, page(model)),
    h(
      'details',
      { class: 'bring' },
      h('summary', {}, 'What you bring: other keys, other roots, another bundle'),
      inputs(),
    ),
  );
  document.title = `${report.verdict}: ${report.origin}`;
}

function takeBundle(bytes: Bytes): void {
  const typed = (document.getElementById('policy') as HTMLTextAreaElement | null)?.value ?? '';
  if (typed !== '' && typed !== given.policyText) given = { ...given, policyText: typed, pinned: true };
  bundle = bytes;
  void verify();
}

/** A bundle may be dropped anywhere. */
function listenForDrops(): void {
  const over = (isOver: boolean) => document.querySelector('.drop')?.classList.toggle('over', isOver);
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    over(true);
  });
  document.addEventListener('dragleave', () => over(false));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    over(false);
    const [chosen] = event.dataTransfer?.files ?? [];
    void chosen?.arrayBuffer().then((buffer) => takeBundle(new Uint8Array(buffer)));
  });
}

/** Where the auditor gives what the page relies on. */
function inputs(): HTMLElement {
  const policy = h('textarea', { id: 'policy', spellcheck: 'false' }) as HTMLTextAreaElement;
  policy.value = given.policyText;
  const file = (id: string, take: (bytes: Bytes, name: string) => void) =>
    h('input', {
      type: 'file',
      id,
      onchange: async (event) => {
        const [chosen] = (event.target as HTMLInputElement).files ?? [];
        if (chosen !== undefined) take(new Uint8Array(await chosen.arrayBuffer()), chosen.name);
      },
    });
  const drop = h(
    'section',
    {
      class: 'drop',
      'aria-labelledby': 'bring',
    },
    h('h2', { id: 'bring' }, 'What you bring'),
    h('label', { for: 'bundle' }, 'A bundle (.audit.tar.gz), or drop it here ', file('bundle', takeBundle)),
    h(
      'label',
      { for: 'policy' },
      'The log policy (C2SP tlog-policy): keys of the log and its witnesses, from where you trust them',
      policy,
    ),
    h(
      'label',
      { for: 'simulated' },
      'Roots of a simulated vendor (trust-anchors.json), for development networks only ',
      file('simulated', (bytes) => takeSimulated(bytes, policy.value)),
    ),
    h(
      'button',
      {
        type: 'button',
        class: 'main',
        id: 'verify',
        onclick: () => {
          given = { ...given, policyText: policy.value, pinned: true };
          void verify();
        },
      },
      'Verify with these',
    ),
  );
  return drop;
}

function takeSimulated(bytes: Bytes, policyText: string): void {
  try {
    given = { ...given, policyText, simulated: parseSimulatedAnchors(new TextDecoder().decode(bytes)) };
    void verify();
  } catch (thrown) {
    start(asCodedError(thrown).message);
  }
}

function start(problem: string): void {
  fill(
    app,
    plainHeader(),
    h(
      'main',
      { id: 'main', class: 'start', tabindex: -1 },
      problem !== '' && h('p', { class: 'verdict bad', role: 'alert' }, `✗ Refused: ${problem}`),
      h(
        'p',
        {},
        'This page checks a transparency log in your browser: signatures, witnesses, completeness, and every appraisal made again at its instant. It asks no other server.',
      ),
      inputs(),
      location.hash.startsWith('#/how') && how(null),
    ),
  );
}

let run = 0;
async function verify(): Promise<void> {
  const own = ++run;
  const status = h('p', { role: 'status', class: 'busy' }, 'reading…');
  fill(app, plainHeader(), h('main', { id: 'main', class: 'start', tabindex: -1 }, status));
  const progress = (words: string, done: number, of: number) => {
    status.textContent = `${words}: ${done} of ${of}`;
  };
  try {
    if (bundle === null && served !== null) bundle = await fetchBundle(served, given.policyText, progress);
    if (bundle === null) return start('');
    const made = await auditBundle(bundle, given, Date.now(), progress);
    if (own !== run) return;
    model = made;
    render();
  } catch (thrown) {
    const { message, code } = asCodedError(thrown);
    model = null;
    start(`${message} [${code}]`);
  }
}

async function boot(): Promise<void> {
  if (served !== null) {
    const answer = await fetch('policy').catch(() => null);
    if (answer?.ok === true) {
      given = { ...given, policyText: await answer.text() };
      return verify();
    }
  }
  start('');
}

window.addEventListener('hashchange', () => {
  render();
  // Whoever reads with the keyboard or by ear goes on where the page changed.
  document.getElementById('main')?.focus();
});
listenForDrops();
void boot();
