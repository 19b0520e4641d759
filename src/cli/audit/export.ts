import { createWriteStream, readdirSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ed25519Key } from '#crypto';
import { type Exporter, exportBundle, httpSource, TOKEN_BYTES_MAX } from '../../audit/index.ts';
import { type Bytes, CodedError } from '../../core/index.ts';
import { formatVkey, KEY_TYPE, verifierKey } from '../../log/index.ts';
import type { ExportMade } from '../../router/index.ts';
import { readBounded, secretOf } from '../compose/files.ts';
import { readLogPolicy } from '../log/keys.ts';
import { codedFromSystem } from '../output.ts';
import { VERSION } from '../version.ts';
import { progressOf } from './progress.ts';
import { checkRecordOptions, type RecordOptions, recorded } from './record.ts';

export type ExportOptions = RecordOptions &
  Readonly<{
    log: string;
    policy: string;
    out: string;
    from: number;
    by: string;
    purpose: string;
    signAs?: string;
    key?: string;
    timestamps?: string;
    json?: boolean;
  }>;

const SECRET = '.secret';
/** One a day for twenty years. */
const TIMESTAMPS_MAX = 8_192;

/** `chrysalis audit export`: whole or not at all. */
export async function runExport(options: ExportOptions): Promise<void> {
  const bar = progressOf(options.json === true);
  checkRecordOptions(options);
  const exporter = exporterOf(options);
  const made: ExportMade[] = [];
  const draft = `${options.out}.${process.pid}.draft`;
  const bundle = exportBundle(httpSource(options.log, fetch), {
    policy: readLogPolicy(options.policy),
    from: options.from,
    by: options.by,
    purpose: options.purpose,
    tool: `chrysalis ${VERSION}`,
    progress: (done, of) => bar.show('exporting files', done, of),
    made: (one) => made.push(one),
    ...(exporter === null ? {} : { exporter }),
    ...(options.timestamps === undefined ? {} : { timestamps: readTimestamps(options.timestamps) }),
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
  const said = () => recorded(options, (link) => link.recordExport(made[0] as ExportMade));
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ bundle: options.out, exporter: vkey, recorded: await said() })}\n`);
    return;
  }
  console.log(`${options.out}   check it: chrysalis audit verify ${options.out} --policy ${options.policy}`);
  if (vkey !== null) console.log(`signed by ${vkey}   give that to the auditor by another way: --exporter`);
  const record = await said();
  if (record !== null) console.log(record);
}

/** Answers of stamping authorities in a folder, `SIZE.tsr` each; other files there are left alone. @throws CodedError CONFIG_INVALID */
function readTimestamps(folder: string): ReadonlyMap<number, Bytes> {
  const found = new Map<number, Bytes>();
  for (const name of namesIn(folder)) {
    const size = /^([1-9][0-9]{0,15})\.tsr$/.exec(name)?.[1];
    if (size === undefined) continue;
    if (found.size === TIMESTAMPS_MAX) throw new CodedError('CONFIG_INVALID', `${folder} has too many time stamps`);
    const bytes = readBounded(join(folder, name), TOKEN_BYTES_MAX);
    if (bytes === null) throw new CodedError('CONFIG_INVALID', `${name} is too large for a time stamp`);
    found.set(Number(size), Uint8Array.from(bytes));
  }
  if (found.size === 0) throw new CodedError('CONFIG_INVALID', `${folder} has no time stamp: SIZE.tsr`);
  return found;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (thrown) {
    throw codedFromSystem(thrown);
  }
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
