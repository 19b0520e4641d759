import { checkpointSizes, keptCheckpoints, mustTile } from '../../../src/audit/index.ts';
import { asCodedError, toHex } from '../../../src/core/index.ts';
import { consistencyFromTiles, rootFromTiles, verifyConsistency } from '../../../src/log/index.ts';
import { chart } from '../charts.ts';
import { badge, download, fill, h, hash, table, time } from '../dom.ts';
import type { Model } from '../model.ts';
import { lagSeries, spanOf } from '../series.ts';

/** Cosigned checkpoints, how far entries were behind them, and whether any two are of one tree. */
export function checkpoints(model: Model): HTMLElement {
  const into = h('div', { class: 'busy' }, 'reading…');
  void show(model, into);
  return h('div', {}, h('h2', {}, 'Checkpoints'), into, h('h2', {}, 'Are two of one tree?'), compare(model));
}

async function show(model: Model, into: HTMLElement): Promise<void> {
  const { source, policy, report } = model;
  into.classList.remove('busy');
  try {
    const kept = await keptCheckpoints(source, policy, report.from, report.to);
    const lag = await lagSeries(model);
    fill(
      into,
      h(
        'div',
        { class: 'card' },
        chart({
          ...{ title: 'Checkpoint lag', unit: 'seconds from the newest entry to its cosignature', kind: 'bars' },
          ...{ series: [lag], ...spanOf(model), empty: 'No checkpoint was kept yet.' },
        }),
      ),
      table(
        'Kept checkpoints: signatures and quorum verified here',
        ['size', 'root', 'cosigned', 'the signed note'],
        kept.map(({ checkpoint, note, witnessedAt }) => [
          String(checkpoint.size),
          hash(toHex(checkpoint.root)),
          witnessedAt === 0 ? '' : time(witnessedAt * 1000),
          h(
            'button',
            { type: 'button', onclick: () => download(`checkpoint-${checkpoint.size}`, 'text/plain', note) },
            'Download',
          ),
        ]),
        'None was kept yet. One a minute is, once there are witnesses.',
      ),
      h(
        'p',
        { class: 'dim' },
        'Anchors on chain and RFC 3161 time stamps, where there are any, are under checks V15 and V16 of the overview.',
      ),
    );
  } catch (thrown) {
    fill(into, badge('bad', asCodedError(thrown).message));
  }
}

function compare(model: Model): HTMLElement {
  const sizes = checkpointSizes(model.files).filter((size) => size > 0);
  const answer = h('p', { role: 'status' });
  const select = (label: string, chosen: number | undefined) =>
    h(
      'select',
      { 'aria-label': label },
      ...sizes.map((size) => h('option', { value: size, selected: size === chosen }, String(size))),
    ) as HTMLSelectElement;
  const [a, b] = [select('smaller size', sizes[0]), select('larger size', sizes.at(-1))];
  const check = async () => {
    const [one, two] = [Number(a.value), Number(b.value)].sort((x, y) => x - y) as [number, number];
    const { source, report } = model;
    const tile = (id: Parameters<typeof source.tile>[0]) => mustTile(source, id);
    const roots = await Promise.all([one, two].map((size) => rootFromTiles(size, tile, report.to)));
    const proof = await consistencyFromTiles(one, two, tile, report.to);
    const holds = verifyConsistency(one, two, roots[0] as Uint8Array, roots[1] as Uint8Array, proof);
    fill(
      answer,
      holds ? badge('good', 'consistent') : badge('bad', 'not consistent'),
      ` ${proof.length} hashes: the tree of ${two} extends that of ${one}.`,
    );
  };
  if (sizes.length === 0) return h('p', { class: 'empty' }, 'There are no checkpoints to compare.');
  return h(
    'div',
    {},
    a,
    ' and ',
    b,
    ' ',
    h('button', { type: 'button', onclick: () => void check() }, 'Check'),
    answer,
  );
}
