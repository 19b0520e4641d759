import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import {
  type AuditCheck,
  type AuditDeps,
  type AuditReport,
  type CheckOutcome,
  csvRow,
  ENTRY_COLUMNS,
  entriesOf,
  entryLine,
  entryRow,
  htmlReport,
  type LogSource,
  oscalResults,
  PACKS,
  type Pack,
  verifyBundle,
} from '../../audit/index.ts';
import { CodedError, fromHex, rfc3339 } from '../../core/index.ts';
import { writeDurably } from '../compose/files.ts';
import { EXIT, type ExitCode, labelled, type Paint, printable, processSink } from '../output.ts';
import { type AnchorOptions, anchorReader } from './anchor.ts';
import { type Effort, effortFromNow } from './effort.ts';
import { openBundle } from './open-bundle.ts';
import { createAuditPool } from './pool.ts';
import { progressOf } from './progress.ts';
import { checkRecordOptions, type RecordOptions, recorded } from './record.ts';
import { loadAuditTrust, type TrustOptions } from './trust.ts';

export type VerifyOptions = TrustOptions &
  AnchorOptions &
  RecordOptions &
  Readonly<{
    report?: string;
    verdict?: string;
    oscal?: string;
    csv?: string;
    jsonl?: string;
    pack?: readonly string[];
    maxUnpackedBytes?: number;
    json?: boolean;
  }>;

const EXIT_OF = { verified: EXIT.accepted, refused: EXIT.refused, incomplete: EXIT.unavailable } as const;
const MARK: Readonly<Record<CheckOutcome, string>> = { passed: '✓', failed: '✗', notChecked: '–', notApplicable: '·' };

/** `chrysalis audit verify`: 0 all checks passed, 1 one failed, 2 unusable, 3 something could not be looked at. */
export async function runVerify(path: string, options: VerifyOptions): Promise<ExitCode> {
  const packs = (options.pack ?? []).map(packOf);
  const trust = loadAuditTrust(options);
  const anchored = anchorReader(options);
  checkRecordOptions(options);
  const bar = progressOf(options.json === true);
  const effort = effortFromNow();
  const bundle = await openBundle(path, {
    ...(options.maxUnpackedBytes === undefined ? {} : { unpackedBytesMax: options.maxUnpackedBytes }),
    progress: (done, of) => bar.show('unpacking megabytes', done, of),
  }).finally(bar.clear);
  const pool = createAuditPool(trust);
  try {
    const { reappraise, checkpoints, parallel } = pool;
    const progress: AuditDeps['progress'] = (stage, done, of) => bar.show(`checking ${stage}`, done, of);
    const deps = { reappraise, checkpoints, parallel, progress, ...(anchored === undefined ? {} : { anchored }) };
    const { report, source } = await verifyBundle(bundle.files, trust, deps);
    bar.clear();
    await writeReports(report, source, options, packs);
    if (options.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
    else {
      const width = Math.min(process.stdout.columns ?? 100, 120);
      process.stdout.write(screen(report, effort(), processSink().paint, width));
    }
    await recordReview(report, options);
    return EXIT_OF[report.verdict];
  } finally {
    bar.clear();
    await pool.close();
    bundle.close();
  }
}

/** The report is out by now, whatever comes of this. */
async function recordReview({ manifestSha256, to: size, verdict }: AuditReport, options: VerifyOptions): Promise<void> {
  const review = { manifestSha256: fromHex(manifestSha256), size, verdict };
  const record = await recorded(options, (link) => link.recordReview(review));
  if (record === null) return;
  if (options.json === true) process.stderr.write(`${JSON.stringify({ event: 'recorded', record })}\n`);
  else process.stdout.write(`${labelled('logged', record, Math.min(process.stdout.columns ?? 100, 120), 2, 8)}\n`);
}

/** `chrysalis audit report`: the same check, and all that can be written of it. */
export function runReport(path: string, { out, ...options }: VerifyOptions & { out: string }): Promise<ExitCode> {
  mkdirSync(out, { recursive: true, mode: 0o700 });
  const [report, verdict, oscal, csv, jsonl] = [
    'report.html',
    'verdict.json',
    'oscal.json',
    'entries.csv',
    'entries.jsonl',
  ].map((name) => join(out, name)) as [string, string, string, string, string];
  return runVerify(path, { ...options, report, verdict, oscal, csv, jsonl });
}

function packOf(name: string): Pack {
  const pack = PACKS.find((one) => one.name === name);
  if (pack !== undefined) return pack;
  throw new CodedError('USAGE_INVALID', `no control pack ${name}: ${PACKS.map((one) => one.name).join(', ')}`);
}

async function writeReports(
  report: AuditReport,
  source: LogSource,
  options: VerifyOptions,
  packs: readonly Pack[],
): Promise<void> {
  // Of the bundle, not of today: the same bundle gives the same report.
  const at = report.made.at;
  if (options.report !== undefined) writeDurably(options.report, htmlReport(report, at, packs));
  if (options.verdict !== undefined) writeDurably(options.verdict, `${JSON.stringify(report, null, 2)}\n`);
  if (options.oscal !== undefined) {
    writeDurably(options.oscal, `${JSON.stringify(oscalResults(report, at), null, 2)}\n`);
  }
  if (options.csv !== undefined) await writeEntries(options.csv, csvRow(ENTRY_COLUMNS), entryRow, source, report);
  if (options.jsonl !== undefined) await writeEntries(options.jsonl, '', entryLine, source, report);
}

async function writeEntries(
  path: string,
  head: string,
  line: typeof entryRow,
  source: LogSource,
  { from, to }: AuditReport,
): Promise<void> {
  const out = createWriteStream(path, { mode: 0o600 });
  out.write(head);
  for await (const entries of entriesOf(source, from, to, to)) {
    if (!out.write(entries.map(line).join(''))) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}

const VERDICT_WORDS = {
  verified: 'VERIFIED  every check passed',
  refused: 'REFUSED  a check failed',
  incomplete: 'INCOMPLETE  no check failed, but not everything could be looked at',
} as const;

function checkLines(
  { id, title, outcome, looked, problems, problemCount, notes }: AuditCheck,
  paint: Paint,
  width: number,
) {
  const style = outcome === 'failed' ? paint.bad : outcome === 'passed' ? paint.good : paint.dim;
  const count = looked > 0 ? ` (${looked})` : '';
  const lines = [labelled(`${MARK[outcome]} ${id}`, `${title}${count}`, width, 2, 8)];
  lines[0] = style(lines[0] as string);
  const shown = outcome === 'failed' ? problems.slice(0, 5) : [];
  for (const problem of shown) lines.push(labelled('', printable(problem), width, 2, 8));
  if (problemCount > shown.length && outcome === 'failed') {
    lines.push(labelled('', `and ${problemCount - shown.length} more: --json has them`, width, 2, 8));
  }
  if (outcome === 'notChecked')
    for (const note of notes.slice(0, 3)) lines.push(labelled('', printable(note), width, 2, 8));
  return lines;
}

function effortWords({ seconds, cores, megabytes }: Effort, { checks }: AuditReport): string {
  const appraisals = checks.find(({ id }) => id === 'V11')?.looked ?? 0;
  const rate = appraisals === 0 ? '' : `, ${Math.round(appraisals / seconds).toLocaleString('en-US')} appraisals/s`;
  const busy = `${cores.toFixed(1)} of ${availableParallelism()} cores busy`;
  return `${seconds.toFixed(1)} s${rate}, ${busy}, at most ${Math.round(megabytes)} MB`;
}

function screen(report: AuditReport, effort: Effort, paint: Paint, width: number): string {
  const style = { verified: paint.good, refused: paint.bad, incomplete: paint.warn }[report.verdict];
  const seen = report.witnessedAt === 0 ? 'no witness' : `cosigned ${rfc3339(report.witnessedAt)}`;
  const warnings = report.findings.filter(({ severity }) => severity === 'warning');
  return `${[
    style(VERDICT_WORDS[report.verdict]),
    labelled('log', printable(report.origin), width, 2, 8),
    labelled('entries', `${report.from} to ${report.to}; newest head: ${seen}`, width, 2, 8),
    ...report.checks.flatMap((check) => checkLines(check, paint, width)),
    ...warnings.slice(0, 10).map(({ rule, message }) => labelled(`! ${rule}`, printable(message), width, 2, 8)),
    paint.dim(labelled('took', effortWords(effort, report), width, 2, 8)),
  ].join('\n')}\n`;
}
