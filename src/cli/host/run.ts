import { EXIT, labelled, type Paint, painter, printable, wantsColour } from '../output.ts';
import type { HostCheck } from './check.ts';
import { type Diagnosis, diagnose } from './doctor.ts';
import { recordedHost, thisHost } from './view.ts';

export type DoctorFlags = Readonly<{ root?: string; json?: boolean }>;

const WIDTH_MAX = 120;
const MARKS: Readonly<Record<HostCheck['outcome'], string>> = {
  failed: '✗ failed',
  unknown: '? unknown',
  passed: '✓ passed',
  notApplicable: '– none',
};

/** `chrysalis host doctor`: exit 0 ready, 1 not, 3 could not find out. @throws CodedError CONFIG_INVALID */
export function doctor(flags: DoctorFlags): void {
  const diagnosis = diagnose(flags.root === undefined ? thisHost() : recordedHost(flags.root));
  const width = Math.min(process.stdout.columns ?? 100, WIDTH_MAX);
  const paint = painter(wantsColour(process.stdout, process.env, !process.argv.includes('--no-color')));
  process.stdout.write(
    flags.json === true ? `${JSON.stringify(diagnosis)}\n` : formatDiagnosis(diagnosis, paint, width),
  );
  const { tee, gpu } = diagnosis.ready;
  const hasGpu = diagnosis.checks.some((check) => check.of === 'gpu' && check.outcome !== 'notApplicable');
  const states = hasGpu ? [tee, gpu] : [tee];
  process.exitCode = states.includes(false) ? EXIT.refused : states.includes(null) ? EXIT.unavailable : EXIT.accepted;
}

/** Worst first, one check a paragraph; what was read from the host is shown without its control characters. */
export function formatDiagnosis({ checks, summary }: Diagnosis, paint: Paint, width: number): string {
  const style = (outcome: HostCheck['outcome']) =>
    outcome === 'failed'
      ? paint.bad
      : outcome === 'passed'
        ? paint.good
        : outcome === 'unknown'
          ? paint.warn
          : paint.dim;
  const lines: string[] = [];
  for (const { outcome, group, id, found, needed, remedy } of checks) {
    const mark = MARKS[outcome].padEnd(11);
    const [first = '', ...more] = labelled('', printable(`${group}, ${id}: ${found}`), width, 2, 11).split('\n');
    lines.push(`  ${style(outcome)(mark)}${first.slice(13)}`, ...more);
    if (remedy === null) continue;
    lines.push(labelled('', `needed: ${needed}`, width, 2, 11), labelled('', `do: ${remedy}`, width, 2, 11));
  }
  lines.push('', printable(summary));
  return `${lines.join('\n')}\n`;
}
