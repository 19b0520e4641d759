import {
  type AppraisalLeaf,
  type AppraisalMaterial,
  blobPath,
  blobsOf,
  failsUnder,
  isAppraisal,
  mustTile,
  provenEntry,
  type Reappraisal,
} from '../../../src/audit/index.ts';
import { asCodedError, leafHash, toBase64, toHex, verifyInclusion } from '../../../src/core/index.ts';
import {
  cosignatureTimestamp,
  type Digest,
  inclusionFromTiles,
  keysOfPolicy,
  type Leaf,
  parseLeaf,
  policyHolds,
  verifyCheckpoint,
} from '../../../src/log/index.ts';
import { about, badge, download, facts, fill, h, hash, table, time } from '../dom.ts';
import { bodyText, type Model, type ReadEntry } from '../model.ts';
import { sessionBatch } from './batch.ts';
import { inShort } from './overview.ts';

const ROWS_MAX = 500;

/** What narrows the timeline; each change goes into the address. */
function filterForm(wanted: (name: string) => string, types: readonly string[]): HTMLElement {
  const set = (name: string) => (event: Event) => {
    const next = new URLSearchParams(location.hash.split('?')[1] ?? '');
    const { value } = event.target as HTMLInputElement;
    if (value === '') next.delete(name);
    else next.set(name, value);
    location.hash = `#/timeline?${next}`;
  };
  const option = (value: string, name: string) =>
    h('option', { value, selected: wanted(name) === value }, value === '' ? 'all' : value);
  return h(
    'form',
    { class: 'filters', onsubmit: (event) => event.preventDefault() },
    h(
      'label',
      {},
      'type ',
      h('select', { onchange: set('type') }, ...['', ...types].map((type) => option(type, 'type'))),
    ),
    h('label', {}, 'about ', h('input', { value: wanted('about'), onchange: set('about') })),
    h(
      'label',
      {},
      'verdict ',
      h(
        'select',
        { onchange: set('verdict') },
        ...['', 'affirming', 'refused', 'unavailable'].map((one) => option(one, 'verdict')),
      ),
    ),
    h('label', {}, 'from (UTC) ', h('input', { type: 'datetime-local', value: wanted('from'), onchange: set('from') })),
    h('label', {}, 'to (UTC) ', h('input', { type: 'datetime-local', value: wanted('to'), onchange: set('to') })),
  );
}

/** Rows of the timeline, filtered by what the address says: a view can be shared. */
export function timeline(model: Model, query: URLSearchParams): HTMLElement {
  const wanted = (name: string) => query.get(name) ?? '';
  const types = [...new Set(model.entries.map(({ leaf }) => leaf?.type ?? 'unreadable'))].sort();
  const matches = ({ leaf }: ReadEntry) =>
    (wanted('type') === '' || leaf?.type === wanted('type')) &&
    (wanted('about') === '' || (leaf?.subject.includes(wanted('about')) ?? false)) &&
    (wanted('verdict') === '' || bodyText(leaf, 'verdict') === wanted('verdict')) &&
    (wanted('from') === '' || (leaf?.at ?? 0) >= Date.parse(`${wanted('from')}Z`)) &&
    (wanted('to') === '' || (leaf?.at ?? 0) <= Date.parse(`${wanted('to')}Z`));
  const rows = model.entries.filter(matches);
  return h(
    'div',
    {},
    h('h2', {}, 'Timeline'),
    filterForm(wanted, types),
    h(
      'p',
      { class: 'dim' },
      `${rows.length} of ${model.entries.length} entries; a filter hides entries, completeness is shown on the overview`,
    ),
    table(
      'Entries, newest first',
      ['entry', 'time', 'type', 'about', 'in short', 'verdict'],
      rows
        .slice(-ROWS_MAX)
        .reverse()
        .map(({ index, leaf, known }) => [
          h('a', { href: `#/entry/${index}` }, String(index)),
          leaf === null ? '' : time(leaf.at),
          leaf === null
            ? badge('bad', 'unreadable')
            : [h('span', { class: 'type' }, leaf.type), !known && [' ', badge('warn', 'unknown')]],
          leaf === null ? '' : about(leaf.subject),
          leaf === null ? '' : inShort(leaf),
          verdictBadge(leaf),
        ]),
      'No entry matches.',
    ),
  );
}

/** The word of an appraisal; nothing for other entries. */
export function verdictBadge(leaf: Leaf | null): HTMLElement | string {
  const word = bodyText(leaf, 'verdict');
  if (word === '') return '';
  return badge(word === 'affirming' ? 'good' : word === 'unavailable' ? 'warn' : 'bad', word);
}

type Rung = Readonly<{ words: string; holds: boolean | null; detail: readonly (HTMLElement | string)[] }>;

/** The steps from an entry's bytes to the witnesses, each made here; a broken one ends the ladder. */
async function* ladder(model: Model, { index, entry }: ReadEntry): AsyncGenerator<Rung> {
  const leaf = leafHash(entry);
  try {
    parseLeaf(entry);
    yield {
      words: 'the bytes are one well-formed leaf in canonical JSON',
      holds: true,
      detail: [`${entry.length} bytes`],
    };
  } catch (thrown) {
    yield { words: `the bytes are no leaf: ${asCodedError(thrown).message}`, holds: false, detail: [] };
    return;
  }
  yield { words: 'their leaf hash', holds: true, detail: [hash(toHex(leaf))] };
  const note = await model.source.checkpoint();
  try {
    const { checkpoint, verified, body } = await verifyCheckpoint(note, keysOfPolicy(model.policy));
    const path = await inclusionFromTiles(index, checkpoint.size, (tile) => mustTile(model.source, tile));
    const included = verifyInclusion(index, checkpoint.size, leaf, path, checkpoint.root);
    const words = `${path.length} hashes lead from it to the root of ${checkpoint.size} entries`;
    yield {
      words,
      holds: included,
      detail: [
        ...path.map((one) => h('div', {}, hash(toHex(one)))),
        h('div', {}, 'root ', hash(toHex(checkpoint.root))),
      ],
    };
    if (!included) return;
    const logs = verified.filter(({ name }) => name === checkpoint.origin);
    yield {
      words: `the log signed that root: ${checkpoint.origin}`,
      holds: logs.length > 0,
      detail: [h('pre', {}, body), ...logs.map(({ name, keyId }) => `${name}+${keyId} `)],
    };
    const holds = policyHolds(model.policy, { checkpoint, verified, body, unverified: [] });
    const witnesses = verified.filter(({ name }) => name !== checkpoint.origin);
    yield {
      words: `the quorum cosigned it (${model.policy.quorum ?? 'none asked for'})`,
      holds: model.policy.quorum === null ? null : holds,
      detail: witnesses.map(({ name, keyId, signature }) =>
        h('div', {}, `${name}+${keyId} at `, time(cosignatureTimestamp(signature) * 1000)),
      ),
    };
  } catch (thrown) {
    yield { words: `broken here: ${asCodedError(thrown).message}`, holds: false, detail: [] };
    return;
  }
  yield { words: 'an anchor on chain: not checked in this page', holds: null, detail: [] };
}

export function entryPage(model: Model, index: number): HTMLElement {
  const entry = model.entries.find((one) => one.index === index);
  if (entry === undefined) return h('p', { class: 'empty' }, `There is no entry ${index}.`);
  const { leaf, known } = entry;
  const rungs = h('ol', { class: 'ladder', 'aria-live': 'polite' });
  const judged = h('div', {});
  const climb = async () => {
    fill(rungs);
    for await (const { words, holds, detail } of ladder(model, entry)) {
      const mark =
        holds === null ? badge('none', 'not checked') : holds ? badge('good', 'holds') : badge('bad', 'broken');
      rungs.append(
        h(
          'li',
          { class: holds === null ? '' : holds ? 'good' : 'bad' },
          mark,
          ` ${words}`,
          h('div', { class: 'dim' }, ...detail),
        ),
      );
    }
  };
  void climb();
  if (known && leaf?.type === 'session-batch') void sessionBatch(model, leaf as Leaf<'session-batch'>, judged);
  else void judgeAgain(model, entry, judged);
  return h(
    'div',
    {},
    h('h2', {}, `Entry ${index}`),
    !known && badge('warn', 'unknown type or version: not checked'),
    h(
      'div',
      { class: 'grid' },
      h(
        'section',
        { class: 'card' },
        h('h3', {}, 'What it says'),
        leaf === null
          ? h('pre', {}, toHex(entry.entry))
          : facts([
              ['type', leaf.type],
              ['time', time(leaf.at)],
              ['source', leaf.src],
              ['about', about(leaf.subject)],
              [
                'before',
                leaf.prev === null
                  ? 'nothing about it'
                  : h('a', { href: `#/entry/${leaf.prev}` }, `entry ${leaf.prev}`),
              ],
            ]),
        leaf !== null && h('pre', { tabindex: 0 }, JSON.stringify(leaf.body, null, 2)),
        leaf !== null && leaf.blobs.length > 0 && h('h3', {}, 'Archived files'),
        leaf !== null && blobList(model, leaf),
        downloads(model, entry),
      ),
      h(
        'section',
        { class: 'card' },
        h('h3', {}, 'Verified here, step by step'),
        rungs,
        h('button', { type: 'button', onclick: () => void climb() }, 'Verify again'),
      ),
    ),
    judged,
  );
}

function blobList(model: Model, leaf: Leaf): HTMLElement {
  return h(
    'ul',
    {},
    ...leaf.blobs.map((digest) => {
      const there = model.files.list.get(blobPath(digest));
      const give = async () => {
        const bytes = await model.source.blob(digest);
        if (bytes !== null) download(digest.slice(7, 23), 'application/octet-stream', bytes);
      };
      return h(
        'li',
        {},
        hash(digest),
        there === undefined ? badge('bad', 'not in the bundle') : ` ${there.bytes} bytes `,
        there !== undefined && h('button', { type: 'button', onclick: () => void give() }, 'Download'),
      );
    }),
  );
}

function downloads(model: Model, { index, entry }: ReadEntry): HTMLElement {
  const proof = async () => {
    if (model.view === null) return;
    download(`entry-${index}.tlog-proof`, 'text/plain', (await provenEntry(model.view, index)).proof);
  };
  return h(
    'p',
    {},
    h('button', { type: 'button', disabled: model.view === null, onclick: () => void proof() }, 'Proof (.tlog-proof)'),
    ' ',
    h(
      'button',
      { type: 'button', onclick: () => download(`entry-${index}.json`, 'application/json', entry) },
      'Raw leaf',
    ),
    h('div', { class: 'dim' }, `base64 of its leaf hash: ${toBase64(leafHash(entry))}`),
  );
}

/** The appraisal made again, as judged then. */
async function judgeAgain(model: Model, { entry, leaf }: ReadEntry, into: HTMLElement): Promise<void> {
  if (leaf === null) return;
  const parsed = parseLeaf(entry);
  if (!isAppraisal(parsed)) return;
  into.classList.add('card');
  fill(into, h('h2', {}, 'The appraisal, made again'), h('p', { class: 'busy' }, 'judging the archived evidence…'));
  const result = await again(model, parsed.leaf);
  const now = await underNewest(model, parsed.leaf);
  const words = {
    same: () => badge('good', 'same verdict as logged'),
    differs: () => badge('bad', 'another verdict than logged'),
    notChecked: () => badge('warn', 'could not be judged again'),
  }[result.outcome]();
  const reasons =
    result.outcome === 'differs' ? result.differences : result.outcome === 'notChecked' ? [result.reason] : [];
  fill(
    into,
    h('h2', {}, 'The appraisal, made again'),
    h('p', {}, words, ' with the evidence, the vendor’s collateral, the instant and the policy of then.'),
    facts([
      ['judged at', time(Number(bodyText(leaf, 'judgedAt')))],
      ['verdict', bodyText(leaf, 'verdict')],
      ['platform', bodyText(leaf, 'platform')],
      ['TCB status', bodyText(leaf, 'tcbStatus')],
      ['policy', `#${bodyText(leaf, 'policyNumber')}`],
    ]),
    reasons.length > 0 && h('ul', {}, ...reasons.map((reason) => h('li', {}, reason))),
    h('h3', {}, 'Under the newest policy of this log, with the evidence and collateral of then'),
    h('p', {}, ...now),
  );
}

/** Would the policy that is in force now have taken the same evidence, at the instant it was judged? */
async function underNewest(model: Model, leaf: AppraisalLeaf): Promise<readonly (HTMLElement | string)[]> {
  const inForce = model.history.inForce.get(leaf.src);
  const newest = inForce === undefined ? undefined : model.history.policies.get(inForce);
  if (newest === undefined) return [badge('none', 'no policy is in force')];
  if (newest.digest === leaf.body.policyDigest) return [badge('none', `it is the same policy, #${newest.number}`)];
  try {
    const made = await materialOf(model, leaf, newest.digest);
    if (made === null) return [badge('warn', 'could not be judged: what it was judged with is not archived')];
    const failed = await failsUnder(made.policyText, made, model.anchors);
    const policy = ` by policy #${newest.number}`;
    return failed.length === 0
      ? [badge('good', 'accepted'), policy]
      : [badge('bad', 'refused'), `${policy}: ${failed.join(', ')}`];
  } catch (thrown) {
    return [badge('warn', `could not be judged: ${asCodedError(thrown).message}`)];
  }
}

async function again(model: Model, leaf: AppraisalLeaf): Promise<Reappraisal> {
  const material = await materialOf(model, leaf, leaf.body.policyDigest);
  if (material === null) return { outcome: 'notChecked', reason: 'what it was judged with is not archived' };
  return model.reappraise({ leaf, material });
}

/** The archived files of an appraisal, and the text of a policy; null where one is missing. */
async function materialOf(model: Model, leaf: AppraisalLeaf, digest: Digest): Promise<AppraisalMaterial | null> {
  const digests = blobsOf(leaf);
  const policy = model.history.policies.get(digest);
  const blob = policy?.blob ?? null;
  const read = async (digest: typeof blob) => (digest === null ? null : model.source.blob(digest));
  const [evidence, collateral, inputs, text] = await Promise.all(
    [digests?.evidence ?? null, digests?.collateral ?? null, digests?.inputs ?? null, blob].map(read),
  );
  if (evidence == null || collateral == null || inputs == null || text == null) return null;
  return { evidence, collateral, inputs, policyText: new TextDecoder().decode(text) };
}
