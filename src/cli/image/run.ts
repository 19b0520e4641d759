import { EXIT, type ExitCode, painter, wantsColour } from '../output.ts';
import { type Explained, type ExplainFlags, explainEvidence } from './explain.ts';
import type { ImageFlags } from './inputs.ts';
import { measureImage } from './measure.ts';
import { formatExplained, formatMeasured } from './print.ts';

const WIDTH_MAX = 120;
const width = () => Math.min(process.stdout.columns ?? 100, WIDTH_MAX);
const paint = () => painter(wantsColour(process.stdout, process.env, !process.argv.includes('--no-color')));

/** `chrysalis image measure`: exit 3 where an input is missing. @throws CodedError as {@link measureImage} */
export async function measure(flags: ImageFlags): Promise<void> {
  const measured = await measureImage(flags);
  process.stdout.write(
    flags.json === true ? `${JSON.stringify(measured)}\n` : formatMeasured(measured, paint(), width()),
  );
  process.exitCode = measured.missing.length === 0 ? EXIT.accepted : EXIT.unavailable;
}

const EXIT_OF: Readonly<Record<Explained['outcome'], ExitCode>> = {
  matches: EXIT.accepted,
  explained: EXIT.refused,
  unexplained: EXIT.unavailable,
  notComputed: EXIT.unavailable,
};

/** `chrysalis image explain`. @throws CodedError as {@link explainEvidence} */
export function explain(file: string, flags: ExplainFlags): void {
  const isSeen = wantsColour(process.stderr, process.env);
  if (isSeen) process.stderr.write('trying the neighbouring inputs …');
  let explained: Explained;
  try {
    explained = explainEvidence(file, flags);
  } finally {
    if (isSeen) process.stderr.write('\r\u001b[K');
  }
  process.stdout.write(
    flags.json === true ? `${JSON.stringify(explained)}\n` : formatExplained(explained, paint(), width()),
  );
  process.exitCode = EXIT_OF[explained.outcome];
}
