import { loadPolicy } from '../../attestation/index.ts';
import {
  type AppraisalMaterial,
  blobsOf,
  bundleSource,
  failsUnder,
  httpSource,
  isAffirmed,
  type LogView,
  openView,
  replay,
} from '../../audit/index.ts';
import { asCodedError, CodedError } from '../../core/index.ts';
import { parseLeaf } from '../../log/index.ts';
import { openBundle } from '../audit/open-bundle.ts';
import { readText } from '../compose/files.ts';
import { auditAnchors } from '../compose/trust.ts';
import { readLogPolicy } from '../log/keys.ts';
import { counted, EXIT, type ExitCode, printable, table } from '../output.ts';

export type RecordedOptions = Readonly<{
  log?: string;
  bundle?: string;
  logPolicy: string;
  dangerouslyAllowSimulatedVendor?: string;
  json?: boolean;
}>;

type Row = Readonly<{
  worker: string;
  index: number;
  outcome: 'stays' | 'drops out' | 'not known';
  because: readonly string[];
}>;

/**
 * `chrysalis policy test`: a policy over the newest recorded evidence of each worker that was admitted, each judged at the
 * instant it was judged then: who would have dropped out. Exit code 1 where anybody would.
 */
export async function testRecorded(path: string, options: RecordedOptions): Promise<ExitCode> {
  const policyText = readText(path);
  const { id, number } = loadPolicy(policyText);
  const anchors = auditAnchors(options.dangerouslyAllowSimulatedVendor);
  const rows = await withView(options, (view) => judged(view, policyText, anchors));
  const dropped = rows.filter(({ outcome }) => outcome !== 'stays');
  const lines = rows.map(({ worker, index, outcome, because }) => [
    outcome,
    `${worker.slice(7, 19)}…`,
    `entry ${index}`,
    because.join(', '),
  ]);
  const summary = `${id} #${number}: ${rows.length - dropped.length} of ${counted(rows.length, 'worker')} stay`;
  const text =
    rows.length === 0
      ? `${id} #${number}: no worker was admitted in this log\n`
      : `${summary}\n${printable(table(lines, 120))}\n`;
  process.stdout.write(options.json === true ? `${JSON.stringify({ id, number, workers: rows })}\n` : text);
  return dropped.length > 0 ? EXIT.refused : EXIT.accepted;
}

async function judged(view: LogView, policyText: string, anchors: Parameters<typeof failsUnder>[2]): Promise<Row[]> {
  const newest = new Map<string, { index: number; digests: NonNullable<ReturnType<typeof blobsOf>> }>();
  await replay(view, ({ index, entry }) => {
    const parsed = parseLeaf(entry);
    if (!isAffirmed(parsed)) return;
    const digests = blobsOf(parsed.leaf);
    if (digests !== null) newest.set(parsed.leaf.body.workerKey, { index, digests });
  });
  const rows: Row[] = [];
  for (const [worker, { index, digests }] of newest) {
    try {
      const [evidence, collateral, inputs] = await Promise.all(
        [digests.evidence, digests.collateral, digests.inputs].map((digest) => view.source.blob(digest)),
      );
      if (!evidence || !collateral || !inputs) throw new CodedError('LOG_BLOB_MISSING', 'its evidence is not archived');
      const material = { evidence, collateral, inputs, policyText } as AppraisalMaterial;
      const because = await failsUnder(policyText, material, anchors);
      rows.push({ worker, index, outcome: because.length === 0 ? 'stays' : 'drops out', because });
    } catch (thrown) {
      const { code, message } = asCodedError(thrown);
      rows.push({ worker, index, outcome: 'not known', because: [`${message} [${code}]`] });
    }
  }
  return rows;
}

async function withView<T>(
  { log, bundle, logPolicy }: RecordedOptions,
  use: (view: LogView) => Promise<T>,
): Promise<T> {
  if ((log === undefined) === (bundle === undefined)) {
    throw new CodedError('USAGE_INVALID', 'give either --log URL or --bundle FILE');
  }
  const policy = readLogPolicy(logPolicy);
  if (log !== undefined) return use(await openView(httpSource(log, fetch), policy));
  const opened = await openBundle(bundle as string);
  try {
    return await use(await openView(bundleSource(opened.files), policy));
  } finally {
    opened.close();
  }
}
