import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { exportBundle, httpSource } from '../../audit/index.ts';
import { readLogPolicy } from '../log/keys.ts';
import { codedFromSystem } from '../output.ts';
import { VERSION } from '../version.ts';
import { progressBar } from './progress.ts';

export type ExportOptions = Readonly<{
  log: string;
  policy: string;
  out: string;
  from: number;
  by: string;
  purpose: string;
  json?: boolean;
}>;

/** `chrysalis audit export`: whole or not at all. */
export async function runExport(options: ExportOptions): Promise<void> {
  const bar = progressBar(options.json === true ? null : process.stderr, 'exporting');
  const draft = `${options.out}.${process.pid}.draft`;
  const bundle = exportBundle(httpSource(options.log, fetch), {
    policy: readLogPolicy(options.policy),
    from: options.from,
    by: options.by,
    purpose: options.purpose,
    tool: `chrysalis ${VERSION}`,
    progress: bar.show,
  });
  try {
    await pipeline(Readable.fromWeb(bundle as never), createWriteStream(draft, { mode: 0o600, flush: true }));
    await rename(draft, options.out);
  } catch (thrown) {
    throw codedFromSystem(thrown);
  } finally {
    bar.clear();
    await rm(draft, { force: true });
  }
  if (options.json === true) process.stdout.write(`${JSON.stringify({ bundle: options.out })}\n`);
  else console.log(`${options.out}   check it: chrysalis audit verify ${options.out} --policy ${options.policy}`);
}
