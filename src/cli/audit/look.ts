import { readFileSync } from 'node:fs';
import { diffPolicies } from '../../attestation/index.ts';
import {
  bundleSource,
  History,
  httpSource,
  type LogView,
  openingsOf,
  opens,
  openView,
  parseOpenings,
  provenEntry,
  replay,
} from '../../audit/index.ts';
import {
  CodedError,
  fromHex,
  fromUtf8,
  type Json,
  leafHash,
  parseStrictJson,
  rfc3339,
  toHex,
} from '../../core/index.ts';
import { type Leaf, parseLeaf, parseSessionRecords, type SessionRecord, sessionRoot } from '../../log/index.ts';
import { readText } from '../compose/files.ts';
import { readLogPolicy } from '../log/keys.ts';
import { counted, EXIT, type ExitCode, labelled, printable, table } from '../output.ts';
import { openBundle } from './open-bundle.ts';

export type LookOptions = Readonly<{ log?: string; bundle?: string; policy: string; json?: boolean }>;

const width = () => Math.min(process.stdout.columns ?? 100, 120);

/** The log to look at, behind a checkpoint that the quorum cosigned. @throws CodedError USAGE_INVALID unless one of both is given */
async function withView<T>(options: LookOptions, use: (view: LogView) => Promise<T>): Promise<T> {
  const { log, bundle } = options;
  if ((log === undefined) === (bundle === undefined)) {
    throw new CodedError('USAGE_INVALID', 'give either --log URL or --bundle FILE');
  }
  const policy = readLogPolicy(options.policy);
  if (log !== undefined) return use(await openView(httpSource(log, fetch), policy));
  const opened = await openBundle(bundle as string);
  try {
    return await use(await openView(bundleSource(opened.files), policy));
  } finally {
    opened.close();
  }
}

function print(options: LookOptions, document: unknown, text: string): void {
  process.stdout.write(options.json === true ? `${JSON.stringify(document)}\n` : text);
}

/** `chrysalis audit show INDEX` */
export function runShow(index: number, options: LookOptions): Promise<void> {
  return withView(options, async (view) => {
    const { entry } = await provenEntry(view, index);
    const { leaf, known } = parseLeaf(entry);
    const facts = [
      ['entry', `${index} of ${view.checkpoint.size}, in the log under a cosigned head`],
      ['leaf hash', toHex(leafHash(entry))],
      ['type', `${leaf.type}${known ? '' : ' (unknown to this version: not checked)'}`],
      ['time', rfc3339(Math.floor(leaf.at / 1000))],
      ['about', leaf.subject],
      ['before', leaf.prev === null ? 'nothing about it' : `entry ${leaf.prev}`],
    ] as const;
    const lines = facts.map(([label, value]) => labelled(label, printable(value), width(), 0, 11));
    const body = printable(JSON.stringify(leaf.body, null, 2));
    print(options, { index, leafHash: toHex(leafHash(entry)), leaf }, `${lines.join('\n')}\n${body}\n`);
  });
}

/** `chrysalis audit prove INDEX` prints the `.tlog-proof` that anybody can check offline. */
export function runProve(index: number, options: LookOptions): Promise<void> {
  return withView(options, async (view) => {
    const { proof, entry } = await provenEntry(view, index);
    print(options, { index, proof, entry: Buffer.from(entry).toString('base64') }, proof);
  });
}

/** `chrysalis audit state --at TIME`: who was in, under which policy. @param at milliseconds */
export function runState(at: number, options: LookOptions): Promise<void> {
  return withView(options, async (view) => {
    const history = new History();
    await replay(view, ({ index, entry }) => {
      const parsed = parseLeaf(entry);
      if (parsed.leaf.at <= at) history.apply(index, parsed);
    });
    const workers = history.workersAt(at);
    const policies = [...history.inForce].map(([src, digest]) => ({ src, ...history.policies.get(digest) }));
    const images = [...history.images].map(([name, index]) => ({ name, index }));
    const rows = workers.map(({ worker, platform, tcbStatus, policyNumber, since }) => [
      `${worker.slice(7, 19)}…`,
      platform,
      tcbStatus,
      `policy ${policyNumber}`,
      `since entry ${since}`,
    ]);
    const lines = [
      `${rfc3339(Math.floor(at / 1000))}: ${counted(workers.length, 'worker')} in, from a log of ${counted(view.checkpoint.size, 'entry', 'entries')}`,
      ...policies.map(({ src, id, number, index }) => `  in force at ${src}: ${id} #${number} (entry ${index})`),
      ...images.map(({ name, index }) => `  registered: ${name.replace(/@(.{12}).*/, '@$1…')} (entry ${index})`),
      rows.length === 0 ? '  no worker was in' : table(rows, width()),
    ];
    print(options, { at, size: view.checkpoint.size, workers, policies, images }, `${printable(lines.join('\n'))}\n`);
  });
}

/** `chrysalis audit diff-policy A B`: two entries that publish policies. */
export function runDiffPolicy(a: number, b: number, options: LookOptions): Promise<void> {
  return withView(options, async (view) => {
    const [before, after] = await Promise.all([policyAt(view, a), policyAt(view, b)]);
    const changes = diffPolicies(before, after);
    const show = (value: Json | undefined) => (value === undefined ? '' : JSON.stringify(value));
    const rows = changes.map(({ effect, path, before: old, after: now }) => [
      effect,
      path,
      `${show(old)} → ${show(now)}`,
    ]);
    const text = rows.length === 0 ? 'the policies are the same\n' : `${printable(table(rows, width()))}\n`;
    print(options, { from: a, to: b, changes }, text);
  });
}

async function policyAt(view: LogView, index: number): Promise<Json> {
  const { leaf } = parseLeaf((await provenEntry(view, index)).entry);
  if (leaf.type !== 'policy-published') throw new CodedError('USAGE_INVALID', `entry ${index} publishes no policy`);
  const bytes = leaf.blobs[0] === undefined ? null : await view.source.blob(leaf.blobs[0]);
  if (bytes === null) throw new CodedError('LOG_BLOB_MISSING', `the policy of entry ${index} is not archived`);
  return parseStrictJson(fromUtf8(bytes, 'policy'), 'policy');
}

/** The records of a batch of sessions, as its entry's root has them. @throws CodedError USAGE_INVALID, LOG_BLOB_MISSING, LOG_* */
async function recordsOf({ source }: LogView, leaf: Leaf): Promise<readonly SessionRecord[]> {
  if (leaf.type !== 'session-batch') throw new CodedError('USAGE_INVALID', 'that entry is no batch of sessions');
  const { body, blobs } = leaf as Leaf<'session-batch'>;
  const bytes = blobs[0] === undefined ? null : await source.blob(blobs[0]);
  if (bytes === null) throw new CodedError('LOG_BLOB_MISSING', 'the records of this batch are not archived');
  const records = parseSessionRecords(bytes);
  if (sessionRoot(records) === body.root) return records;
  throw new CodedError('LOG_INCONSISTENT', 'the archived records are not those of the entry');
}

/** `chrysalis audit disclose CHANNEL`: openings of the session records of one channel, for `audit open`. */
export function runDisclose(channel: string, options: LookOptions & Readonly<{ secret: string }>): Promise<void> {
  const secret = fromHex(readText(options.secret).trim(), 'secret');
  return withView(options, async (view) => {
    const indexes: number[] = [];
    await replay(view, ({ index, entry }) => {
      if (parseLeaf(entry).leaf.type === 'session-batch') indexes.push(index);
    });
    for (const index of indexes) {
      const { leaf } = parseLeaf((await provenEntry(view, index)).entry);
      for (const one of openingsOf(channel, secret, index, await recordsOf(view, leaf as Leaf))) {
        process.stdout.write(`${JSON.stringify(one)}\n`);
      }
    }
  });
}

/** `chrysalis audit open FILE`: do these values stand behind the commitments in the entries? */
export function runOpen(path: string, options: LookOptions): Promise<ExitCode> {
  const openings = parseOpenings(path === '-' ? readFileSync(0, 'utf8') : readText(path));
  return withView(options, async (view) => {
    const results = [];
    for (const opening of openings) {
      const { index, record, field } = opening;
      const { leaf } = parseLeaf((await provenEntry(view, index)).entry);
      const committed = record === undefined ? leaf.body : ((await recordsOf(view, leaf as Leaf))[record] ?? null);
      const place = { index, ...(record === undefined ? {} : { record }), field };
      results.push({ ...place, holds: opens(committed as Json, opening) });
    }
    const lines = results.map(({ index, record, field, holds }) => {
      const place = record === undefined ? '' : ` record ${record}`;
      return `${holds ? '✓ holds' : '✗ does not hold'}  entry ${index}${place} ${field}`;
    });
    print(options, { openings: results }, `${printable(lines.join('\n'))}\n`);
    return results.length > 0 && results.every(({ holds }) => holds) ? EXIT.accepted : EXIT.refused;
  });
}
