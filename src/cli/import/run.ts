import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError } from '../../core/index.ts';
import { createLogClient, importLog } from '../../log/writer/index.ts';
import { retireRouter } from '../../router/index.ts';
import { type Imported, importLedger } from '../../store/index.ts';
import { readText } from '../compose/files.ts';
import { codedFromSystem } from '../output.ts';

type Json = Readonly<{ json?: boolean }>;
export type ImportLedgerOptions = Json &
  Readonly<{ data: string; database: string; name: string; log: string; logTokenFile: string }>;
export type ImportLogOptions = Json & Readonly<{ data: string; database: string }>;

/** `chrysalis import ledger`. */
export async function runImportLedger(options: ImportLedgerOptions): Promise<void> {
  const file = join(options.data, 'ledger.sqlite');
  if (!existsSync(file)) throw new CodedError('CONFIG_INVALID', `there is no embedded ledger in ${options.data}`);
  const log = createLogClient({ url: options.log, token: readText(options.logTokenFile).trim() });
  const counts = await importLedger(
    file,
    { url: options.database },
    {
      held: () => retireRouter({ log, source: options.name, now: Date.now() }),
      committed: () => setAside(file),
    },
  );
  print(options, counts, file, 'start each router with --database, and with the keys of this folder');
}

/** `chrysalis import log`. */
export async function runImportLog(options: ImportLogOptions): Promise<void> {
  const file = join(options.data, 'log.db');
  const counts = await importLog(options.data, { url: options.database }, () => setAside(file));
  print(options, counts, file, 'serve it with --database, and with log.key of this folder');
}

const ASIDE = '.imported';

/** What was imported may not be started from again: two ledgers would each lend the same credit. */
function setAside(file: string): void {
  try {
    renameSync(file, `${file}${ASIDE}`);
  } catch (thrown) {
    throw codedFromSystem(thrown);
  }
}

function print({ json }: Json, counts: Imported, file: string, next: string): void {
  const aside = `${file}${ASIDE}`;
  if (json === true) {
    process.stdout.write(`${JSON.stringify({ imported: counts, aside })}\n`);
    return;
  }
  const rows = Object.entries(counts).map(([table, count]) => `  ${table.padEnd(16)} ${count}`);
  process.stdout.write(
    `${['imported, rows and amounts compared', ...rows, `  set aside        ${aside}`, `next: ${next}`].join('\n')}\n`,
  );
}
