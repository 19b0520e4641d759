import { diffPolicies } from '../../../src/attestation/index.ts';
import { History } from '../../../src/audit/index.ts';
import { fromUtf8, type Json, parseStrictJson } from '../../../src/core/index.ts';
import type { Digest, ParsedLeaf } from '../../../src/log/index.ts';
import { chart } from '../charts.ts';
import { badge, facts, fill, h, hash, table, time } from '../dom.ts';
import { bodyText, type Model } from '../model.ts';
import { spanOf, tcbSeries } from '../series.ts';
import { verdictBadge } from './entries.ts';

const entryLink = (index: number) => h('a', { href: `#/entry/${index}` }, `entry ${index}`);
const workerLink = (worker: string) => h('a', { href: `#/worker/${worker.slice(7)}` }, `${worker.slice(7, 19)}…`);

export function workers(model: Model): HTMLElement {
  const subjects = new Map<string, number[]>();
  for (const { index, leaf } of model.entries) {
    if (leaf?.subject.startsWith('worker:')) subjects.set(leaf.subject, [...(subjects.get(leaf.subject) ?? []), index]);
  }
  return h(
    'div',
    {},
    h('h2', {}, 'Workers'),
    table(
      'Every worker that the log speaks of',
      ['worker', 'entries', 'now', 'platform', 'TCB status'],
      [...subjects].map(([subject, indexes]) => {
        const digest = `sha256:${subject.slice('worker:'.length)}` as Digest;
        const state = model.history.workers.get(digest);
        const last = model.entries.find(({ index }) => index === indexes.at(-1))?.leaf ?? null;
        const now =
          state === undefined
            ? badge('none', last?.type === 'worker-rejected' ? 'refused' : 'out')
            : badge('good', 'in');
        return [
          workerLink(digest),
          String(indexes.length),
          now,
          bodyText(last, 'platform') || (state?.platform ?? ''),
          state?.tcbStatus ?? bodyText(last, 'tcbStatus'),
        ];
      }),
      'No worker was judged yet. Start one and it appears here.',
    ),
  );
}

/** A worker's life line: every entry about it, and its TCB status over time. */
export function workerPage(model: Model, hex: string): HTMLElement {
  const entries = model.entries.filter(({ leaf }) => leaf?.subject === `worker:${hex}`);
  return h(
    'div',
    {},
    h('h2', {}, 'Worker ', hash(hex)),
    h(
      'div',
      { class: 'card' },
      chart({
        ...{ title: 'In, by TCB status', unit: '1 while it was in', kind: 'stack', ...spanOf(model) },
        ...{ series: tcbSeries(model, `worker:${hex}`), empty: 'It was never in.' },
      }),
    ),
    table(
      'Life line',
      ['entry', 'time', 'what', 'verdict', 'TCB status', 'lease until'],
      entries.map(({ index, leaf }) => [
        entryLink(index),
        leaf === null ? '' : time(leaf.at),
        h('span', { class: 'type' }, leaf?.type ?? ''),
        verdictBadge(leaf) || bodyText(leaf, 'cause'),
        bodyText(leaf, 'tcbStatus'),
        bodyText(leaf, 'leaseUntil') === '' ? '' : time(Number(bodyText(leaf, 'leaseUntil'))),
      ]),
      'The log says nothing about this worker.',
    ),
  );
}

async function policyText(model: Model, digest: Digest): Promise<string | null> {
  const blob = model.history.policies.get(digest)?.blob ?? null;
  const bytes = blob === null ? null : await model.source.blob(blob);
  return bytes === null ? null : fromUtf8(bytes, 'policy');
}

/** Images and policies: what was in force from when, what changed, and who was let in under it. */
export function policies(model: Model): HTMLElement {
  const published = model.entries.filter(({ leaf }) => leaf?.type === 'policy-published');
  const under = (digest: string) =>
    model.entries.filter(({ leaf }) => leaf?.type === 'worker-admitted' && bodyText(leaf, 'policyDigest') === digest)
      .length;
  const sections = published.map(({ index, leaf }, i) => {
    const digest = bodyText(leaf, 'policyDigest') as Digest;
    const changes = h('div', { class: 'busy' }, 'comparing…');
    void showChanges(model, bodyText(published[i - 1]?.leaf ?? null, 'policyDigest') as Digest, digest, changes);
    return h(
      'section',
      { class: 'card' },
      h('h3', {}, `${leaf?.subject.replace('policy:', '')} #${bodyText(leaf, 'number')}`),
      facts([
        ['published', [entryLink(index), ' ', time(leaf?.at ?? 0)]],
        ['digest', hash(digest)],
        ['in force until', published[i + 1] === undefined ? 'now' : time(published[i + 1]?.leaf?.at ?? 0)],
        ['reason', bodyText(leaf, 'reason')],
        ['workers admitted under it', String(under(digest))],
      ]),
      changes,
    );
  });
  const images = model.entries.filter(({ leaf }) => leaf?.type === 'image-registered');
  return h(
    'div',
    {},
    h('h2', {}, 'Policies'),
    sections.length === 0
      ? h('p', { class: 'empty' }, 'No policy was published yet. A router publishes its own when it starts.')
      : sections,
    h('h2', {}, 'Images'),
    table(
      'Registered images',
      ['entry', 'name', 'version', 'named by policy', 'workers admitted with it'],
      images.map(({ index, leaf }) => {
        const [name, version] = [bodyText(leaf, 'name'), bodyText(leaf, 'version')];
        const policy = model.history.policies.get(bodyText(leaf, 'policyDigest') as Digest);
        const image = `${name}@${version}`;
        const many = model.entries.filter(
          ({ leaf: of }) => of?.type === 'worker-admitted' && bodyText(of, 'image') === image,
        );
        return [
          entryLink(index),
          name,
          hash(version),
          policy === undefined ? '' : `#${policy.number}`,
          String(many.length),
        ];
      }),
      'No image was registered: the policies name measurements themselves.',
    ),
  );
}

async function showChanges(model: Model, before: Digest | '', after: Digest, into: HTMLElement): Promise<void> {
  into.classList.remove('busy');
  const text = await policyText(model, after);
  if (text === null) return fill(into, badge('bad', 'its text is not archived'));
  const whole = h('details', {}, h('summary', {}, 'The whole policy'), h('pre', { tabindex: 0 }, text));
  const old = before === '' ? null : await policyText(model, before as Digest);
  if (old === null) return fill(into, h('p', { class: 'dim' }, 'The first policy of this log.'), whole);
  const json = (of: string) => parseStrictJson(of, 'policy') as Json;
  const changes = diffPolicies(json(old), json(text));
  const kind = { weaker: 'bad', stronger: 'good', neutral: 'none', unknown: 'warn' } as const;
  const show = (value: Json | undefined) => (value === undefined ? '' : JSON.stringify(value));
  fill(
    into,
    table(
      'Changes from the policy before',
      ['effect', 'where', 'before', 'after'],
      changes.map(({ effect, path, before: from, after: to }) => [
        badge(kind[effect], effect),
        path,
        show(from),
        show(to),
      ]),
      'Nothing changed.',
    ),
    whole,
  );
}

/** Who was in at a time, and under which policy, from all entries up to then. */
export function stateAt(model: Model, query: URLSearchParams): HTMLElement {
  const newest = model.entries.at(-1)?.leaf?.at ?? model.verifiedAt;
  const asked = query.get('at');
  const at = asked === null ? newest : Date.parse(asked.endsWith('Z') ? asked : `${asked}Z`);
  const history = new History(model.report.from);
  for (const { index, leaf, known } of model.entries) {
    if (leaf !== null && leaf.at <= at) history.apply(index, { known, leaf } as ParsedLeaf);
  }
  const inForce = [...history.inForce].map(([src, digest]) => ({ src, policy: history.policies.get(digest) }));
  return h(
    'div',
    {},
    h('h2', {}, 'State at a time'),
    h(
      'label',
      {},
      'time (UTC) ',
      h('input', {
        type: 'datetime-local',
        step: 1,
        value: new Date(at).toISOString().slice(0, 19),
        onchange: (event) => {
          location.hash = `#/state?at=${(event.target as HTMLInputElement).value}`;
        },
      }),
    ),
    h('p', {}, 'At ', time(at), `, from all ${model.report.to} entries up to then:`),
    table(
      'Policy in force',
      ['router', 'policy', 'entry'],
      inForce.map(({ src, policy }) => [
        src,
        policy === undefined ? '' : `${policy.id} #${policy.number}`,
        policy === undefined ? '' : entryLink(policy.index),
      ]),
      'No policy was in force.',
    ),
    table(
      'Images registered by then',
      ['image', 'version', 'entry'],
      [...history.images].map(([image, index]) => {
        const [name = '', version = ''] = image.split('@');
        return [name, hash(version), entryLink(index)];
      }),
      'No image was registered.',
    ),
    table(
      'Workers that were in',
      ['worker', 'platform', 'TCB status', 'policy', 'since', 'lease until'],
      history
        .workersAt(at)
        .map((one) => [
          workerLink(one.worker),
          one.platform,
          one.tcbStatus,
          `#${one.policyNumber}`,
          entryLink(one.since),
          one.leaseUntil === null ? '' : time(one.leaseUntil),
        ]),
      'No worker was in.',
    ),
  );
}
