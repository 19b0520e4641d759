import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ed25519Key } from '#crypto';
import { type Exporter, exportBundle, httpSource } from '../../audit/index.ts';
import { CodedError } from '../../core/index.ts';
import { formatVkey, KEY_TYPE, verifierKey } from '../../log/index.ts';
import { secretOf } from '../compose/files.ts';
import { readLogPolicy } from '../log/keys.ts';
import { codedFromSystem } from '../output.ts';
import { VERSION } from '../version.ts';
import { progressOf } from './progress.ts';

export type ExportOptions = Readonly<{
  log: string;
  policy: string;
  out: string;
  from: number;
  by: string;
  purpose: string;
  signAs?: string;
  key?: string;
  json?: boolean;
}>;

const SECRET = '.secret';

/** `chrysalis audit export`: whole or not at all. */
export async function runExport(options: ExportOptions): Promise<void> {
  const bar = progressOf(options.json === true);
  const exporter = exporterOf(options);
  const draft = `${options.out}.${process.pid}.draft`;
  const bundle = exportBundle(httpSource(options.log, fetch), {
    policy: readLogPolicy(options.policy),
    from: options.from,
    by: options.by,
    purpose: options.purpose,
    tool: `chrysalis ${VERSION}`,
    progress: (done, of) => bar.show('exporting files', done, of),
    ...(exporter === null ? {} : { exporter }),
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
  const vkey = exporter === null ? null : formatVkey(exporter.key);
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ bundle: options.out, exporter: vkey })}\n`);
    return;
  }
  console.log(`${options.out}   check it: chrysalis audit verify ${options.out} --policy ${options.policy}`);
  if (vkey !== null) console.log(`signed by ${vkey}   give that to the auditor by another way: --exporter`);
}

/** Who signs for the bundle; the key is made where the file is new. @throws CodedError USAGE_INVALID, CONFIG_INVALID */
function exporterOf({ signAs, key }: ExportOptions): Exporter | null {
  if (signAs === undefined && key === undefined) return null;
  if (signAs === undefined || key === undefined)
    throw new CodedError('USAGE_INVALID', 'give --sign-as and --key together');
  const name = basename(key, SECRET);
  if (`${name}${SECRET}` !== basename(key)) throw new CodedError('USAGE_INVALID', `a key file is named NAME${SECRET}`);
  const signer = ed25519Key(secretOf(dirname(key), name));
  return { key: verifierKey(signAs, KEY_TYPE.ed25519, signer.publicKey), signer };
}
