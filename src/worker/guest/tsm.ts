import type { Tee } from '../../attestation/index.ts';
import { type Bytes, CodedError, fromUtf8 } from '../../core/index.ts';
import { type GuestFiles, systemCodeOf } from './files.ts';

/** Linux ABI: Documentation/ABI/testing/configfs-tsm-report. */
export const TSM_REPORTS = '/sys/kernel/config/tsm/report';
const PROVIDERS: Readonly<Record<string, Tee>> = { sev_guest: 'sev-snp', tdx_guest: 'tdx' };

export const REPORT_BYTES_MAX = 32 * 1024;
export const AUXILIARY_BYTES_MAX = 64 * 1024;
const WORD_BYTES_MAX = 64;
export const ATTEMPTS_MAX = 5;
export const ATTEMPT_MS = 30_000;
const FIRST_WAIT_MS = 100;
/** Requests that the kernel has not answered in time, and still may. */
export const STUCK_MAX = 3;
/** The host is busy, or somebody else uses the entry: the next attempt may go well. */
const TEMPORARY: ReadonlySet<string> = new Set(['EBUSY', 'EAGAIN', 'EINTR', 'ETIMEDOUT']);

export type TsmDeps = Readonly<{
  files: GuestFiles;
  /** Resolves after so long; rejects at once when `signal` is aborted. */
  delay(ms: number, signal?: AbortSignal): Promise<void>;
  /** Part of the names of entries, so that two workers never share one. */
  instance: string;
}>;

export type TsmReport = Readonly<{
  tee: Tee;
  /** A TDX quote or an SEV-SNP report. */
  report: Bytes;
  /** What the host says of it besides, for SEV-SNP its certificate table; null where there is none. */
  auxiliary: Bytes | null;
}>;

const CONFLICT = Symbol('somebody else wrote to the entry');

async function wordOf(files: GuestFiles, path: string): Promise<string> {
  const bytes = await files.read(path, WORD_BYTES_MAX);
  if (bytes === null) throw broken(`${path} holds more than a word`);
  return fromUtf8(bytes, 'attribute').trim();
}

async function generationOf(files: GuestFiles, entry: string): Promise<number> {
  const text = await wordOf(files, `${entry}/generation`);
  if (!/^\d{1,15}$/.test(text)) throw broken('generation is not a number');
  return Number(text);
}

/** Null where the provider has none, or nothing in it. */
async function auxiliaryOf(files: GuestFiles, entry: string): Promise<Bytes | null> {
  try {
    const bytes = await files.read(`${entry}/auxblob`, AUXILIARY_BYTES_MAX);
    if (bytes === null) throw broken(`auxblob has more than ${AUXILIARY_BYTES_MAX} bytes`);
    return bytes.length === 0 ? null : bytes;
  } catch (thrown) {
    if (systemCodeOf(thrown) === 'ENOENT') return null;
    throw thrown;
  }
}

/** One entry, one report; the entry is gone afterwards. */
async function askOnce(files: GuestFiles, entry: string, reportData: Bytes): Promise<TsmReport | typeof CONFLICT> {
  await files.makeFolder(entry);
  try {
    const tee = PROVIDERS[await wordOf(files, `${entry}/provider`)];
    if (tee === undefined) throw unsupported('the kernel’s report provider is neither TDX nor SEV-SNP');
    const before = await generationOf(files, entry);
    await files.write(`${entry}/inblob`, reportData);
    const report = await files.read(`${entry}/outblob`, REPORT_BYTES_MAX);
    if (report === null || report.length === 0) throw broken(`outblob is empty, or over ${REPORT_BYTES_MAX} bytes`);
    const auxiliary = await auxiliaryOf(files, entry);
    // One write was ours: any other went into what was just read, or may have.
    if ((await generationOf(files, entry)) !== before + 1) return CONFLICT;
    return { tee, report, auxiliary };
  } finally {
    await files.removeFolder(entry).catch(() => undefined);
  }
}

/**
 * Asks the kernel for reports, one entry of configfs for each, so that nobody else's options get into them; the
 * generation of the entry says if somebody's did.
 */
export function createTsmReports({ files, delay, instance }: TsmDeps) {
  let entries = 0;
  let stuck = 0;

  /** A read that the kernel never answers can't be taken back: it is counted until it ends. */
  const inTime = async <T>(work: Promise<T>): Promise<T> => {
    let isLate = false;
    const settled = () => {
      if (isLate) stuck--;
    };
    work.then(settled, settled);
    const done = new AbortController();
    const late = delay(ATTEMPT_MS, done.signal).then((): never => {
      throw new CodedError('DEADLINE_EXCEEDED', `the kernel made no report in ${ATTEMPT_MS} ms`);
    });
    try {
      return await Promise.race([work, late]);
    } catch (thrown) {
      if (thrown instanceof CodedError && thrown.code === 'DEADLINE_EXCEEDED') {
        isLate = true;
        stuck++;
      }
      throw thrown;
    } finally {
      done.abort();
    }
  };

  return {
    /**
     * @param reportData 64 bytes
     * @throws CodedError PLATFORM_UNSUPPORTED (no such interface, an error of the system's), DEADLINE_EXCEEDED,
     *   TOO_MANY_REQUESTS (others are stuck), CONFIG_INVALID (not permitted)
     */
    async report(reportData: Bytes): Promise<TsmReport> {
      for (let attempt = 1; ; attempt++) {
        if (stuck >= STUCK_MAX)
          throw new CodedError('TOO_MANY_REQUESTS', 'the kernel still owes other reports', { stuck });
        let why = 'CONFLICT';
        try {
          const made = await inTime(askOnce(files, `${TSM_REPORTS}/chrysalis-${instance}-${entries++}`, reportData));
          if (made !== CONFLICT) return made;
        } catch (thrown) {
          why = systemCodeOf(thrown);
          if (thrown instanceof CodedError || !TEMPORARY.has(why) || attempt === ATTEMPTS_MAX) throw ofSystem(thrown);
        }
        if (attempt === ATTEMPTS_MAX) throw broken(`${ATTEMPTS_MAX} attempts, the last: ${why}`);
        await delay(FIRST_WAIT_MS * 2 ** (attempt - 1));
      }
    },
  };
}

function broken(why: string): CodedError {
  return new CodedError('PLATFORM_UNSUPPORTED', `the kernel’s report interface: ${why}`);
}

function unsupported(why: string): CodedError {
  const todo =
    'run the worker in a TD or an SEV-SNP guest, with a kernel that has TSM reports (6.7 or later), configfs mounted';
  return new CodedError('PLATFORM_UNSUPPORTED', why, { todo });
}

function ofSystem(thrown: unknown): CodedError {
  if (thrown instanceof CodedError) return thrown;
  const system = systemCodeOf(thrown);
  if (system === 'ENOENT' || system === 'ENXIO' || system === 'ENODEV') {
    return unsupported('this machine makes no reports: there is no provider behind configfs-tsm');
  }
  if (system === 'EACCES' || system === 'EPERM') {
    return new CodedError('CONFIG_INVALID', 'not permitted to ask the kernel for reports', { system });
  }
  return new CodedError('PLATFORM_UNSUPPORTED', 'the kernel could not make a report', { system }, { cause: thrown });
}
