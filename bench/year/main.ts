import { once } from 'node:events';
import { createWriteStream, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Worker } from 'node:worker_threads';
import { exportBundle } from '../../src/audit/index.ts';
import { progressBar, progressLines } from '../../src/cli/audit/progress.ts';
import { toHex } from '../../src/core/index.ts';
import { intel, logPolicy, policyText } from '../../tests/audit/scene.ts';
import { measured } from '../measured.ts';
import type { BenchLine } from '../report.ts';
import { YearLog } from './log.ts';

/** A busy year has 100,000; less by default, so that all benchmarks together take minutes. */
const APPRAISALS = Number(process.env.BENCH_YEAR_APPRAISALS ?? 2_000);
const YEAR_MS = 365 * 86_400_000;
/** So much of the year that heartbeats and checkpoints are as many to an appraisal as in a whole one. */
const MS = Number(process.env.BENCH_YEAR_DAYS ?? (365 * APPRAISALS) / 100_000) * 86_400_000;
/** Of a quote: its own, and the quoting enclave's. Certificates come again and again. */
const SIGNATURES_PER_APPRAISAL = 2;
/** The log's and a witness's. */
const SIGNATURES_PER_CHECKPOINT = 2;

type Made = Readonly<{ entries: number; checkpoints: number; making: number; exporting: number }>;

/** Makes the year and writes its bundle; nothing of it stays in memory. */
async function write(bundle: string): Promise<Made> {
  const progress = process.stderr.isTTY ? progressBar(process.stderr) : progressLines(process.stderr);
  const began = performance.now();
  const log = await YearLog.make(APPRAISALS, Math.min(MS, YEAR_MS), (done) =>
    progress.show('making appraisals', done, APPRAISALS),
  );
  const made = performance.now();
  const archive = exportBundle(log.source(), {
    ...{ policy: logPolicy, by: 'bench', purpose: 'bench', tool: 'bench' },
    progress: (done, of) => progress.show('exporting files', done, of),
  });
  await pipeline(Readable.fromWeb(archive as never), createWriteStream(bundle));
  progress.clear();
  return {
    entries: log.entries.length,
    checkpoints: log.kept.size,
    making: (made - began) / 1000,
    exporting: (performance.now() - made) / 1000,
  };
}

type Rates = Readonly<{ ecdsa: number; ed25519: number }>;

/** Signatures that are verified in a second of processor time, all cores at it and nothing else done. */
async function signatureRates(): Promise<Rates> {
  const threads = Array.from(
    { length: availableParallelism() },
    () => new Worker(new URL('./floor-thread.ts', import.meta.url)),
  );
  const rates = await Promise.all(threads.map(async (thread) => ((await once(thread, 'message')) as [Rates])[0]));
  const mean = (kind: keyof Rates) => rates.reduce((all, one) => all + one[kind], 0) / rates.length;
  return { ecdsa: mean('ecdsa'), ed25519: mean('ed25519') };
}

/** A year's bundle of `BENCH_YEAR_APPRAISALS` appraisals, each made again by `chrysalis audit verify` on all cores. */
export async function benchAuditYear(): Promise<BenchLine[]> {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-bench-year-'));
  const file = (name: string) => join(folder, name);
  const bundle = file('year.audit.tar.gz');
  try {
    const made = await write(bundle);
    writeFileSync(file('policy.txt'), policyText);
    const { name, kind } = intel.trustAnchor;
    const anchors = [{ spkiSha256: toHex(intel.rootSpkiSha256), kind, name }];
    writeFileSync(file('anchors.json'), JSON.stringify(anchors));
    const simulated = ['--dangerously-allow-simulated-vendor', file('anchors.json')];
    const verified = await measured(['audit', 'verify', bundle, '--policy', file('policy.txt'), ...simulated]);
    if (verified.status !== 0) throw new Error(`the year was not verified: ${verified.output.slice(-500)}`);
    const { ecdsa, ed25519 } = await signatureRates();
    const floor =
      (SIGNATURES_PER_APPRAISAL * APPRAISALS) / ecdsa + (SIGNATURES_PER_CHECKPOINT * made.checkpoints) / ed25519;
    const spent = verified.cores * verified.seconds;
    const of = (count: number) => count.toLocaleString('en-US');
    const all = `${of(APPRAISALS)} appraisals, ${of(made.entries)} entries, ${of(made.checkpoints)} checkpoints`;
    return [
      { name: `make ${all}`, value: made.making, unit: 's' },
      { name: 'export them', value: made.exporting, unit: 's' },
      { name: 'verify them offline', value: verified.seconds, unit: 's' },
      {
        ...{ name: 'processor time of that', value: spent, unit: 's' },
        floor: { name: 'their signatures alone', value: floor },
        ratio: spent / floor,
      },
      { name: 'appraisals made again', value: APPRAISALS / verified.seconds, unit: '/s' },
      { name: `cores kept busy, of ${availableParallelism()}`, value: verified.cores, unit: '' },
      { name: 'most memory of the verification', value: verified.megabytes, unit: 'MB' },
      { name: 'size of the bundle', value: statSync(bundle).size / 1e6, unit: 'MB' },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
