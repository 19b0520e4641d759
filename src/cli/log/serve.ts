import { statfs } from 'node:fs/promises';
import { asCodedError, CodedError } from '../../core/index.ts';
import { formatVkey, type LogPolicy } from '../../log/index.ts';
import {
  askKnownHeads,
  createWitnessing,
  type KnownHead,
  type Log,
  type LogStorage,
  openAppendToken,
  openDiskStorage,
  openLog,
  openPostgresStorage,
  parseRetentionPolicy,
  runRetention,
  startLogServer,
  type Witnessing,
} from '../../log/writer/index.ts';
import { aborted, announce, stopSignal } from '../child.ts';
import { readText, systemRandomness } from '../compose/files.ts';
import { counted } from '../output.ts';
import { consolePage } from './console.ts';
import { logVkeyIn, readLogPolicy } from './keys.ts';
import { SNAPSHOTS, startSnapshots } from './snapshots.ts';

export type ServeOptions = Readonly<{
  host: string;
  port: number;
  data: string;
  /** PostgreSQL, where several processes stand by for one log; files in the data folder where absent. */
  database?: string;
  origin: string;
  policy?: string;
  tokenFile?: string;
  retention?: string;
  json?: boolean;
  supervised?: boolean;
}>;

/** An idle log says this often that it is there (audit-log-design section 2, `heartbeat`). */
const HEARTBEAT_MS = 60_000;

function readToken(path: string): string {
  const token = readText(path).trim();
  if (!/^[\x21-\x7e]{32,256}$/.test(token)) throw new CodedError('CONFIG_INVALID', 'the token file holds no token');
  return token;
}

/** Appends a heartbeat when a minute passed without an entry. */
function startHeartbeat(log: Log, folder: string): () => void {
  let last = log.head().size;
  const timer = setInterval(() => {
    const { size } = log.head();
    const quiet = size === last;
    last = size;
    if (!quiet) return;
    statfs(folder)
      .then(({ bavail, bsize }) => {
        // Nobody told this process how good its clock is: the witnesses' times say that from outside.
        const body = { queueDepth: log.queued(), diskFreeBytes: bavail * bsize, clock: 'system' };
        return log.append({ type: 'heartbeat', src: 'log', subject: 'log', body });
      })
      .then((appended) => {
        last = appended.size;
      })
      .catch(() => {}); // a log that cannot write answers through `failed`
  }, HEARTBEAT_MS);
  return () => clearInterval(timer);
}

const RETENTION_MS = 24 * 3_600_000;

/** Removes what is past its time, at once and each day. A policy that can't be read stops the start, not a night later. */
function startRetention(log: Log, path: string): () => void {
  parseRetentionPolicy(readText(path));
  const run = () =>
    runRetention(log, readText(path), Date.now()).then(
      (removed) => {
        if (removed > 0) console.error(`retention: ${counted(removed, 'file')} removed, as an entry says`);
      },
      (thrown: unknown) => console.error(`retention: ${asCodedError(thrown).message}`),
    );
  void run();
  const timer = setInterval(run, RETENTION_MS);
  return () => clearInterval(timer);
}

/** The policy that this log's own heads must meet. @throws CodedError CONFIG_INVALID where it is of another log */
async function ownPolicy(options: ServeOptions): Promise<Readonly<{ policy: LogPolicy; known: readonly KnownHead[] }>> {
  const policy = readLogPolicy(options.policy as string);
  const vkey = await logVkeyIn(options.data, options.origin);
  const own = policy.logs.find(({ key }) => key.name === options.origin && vkey === formatVkey(key));
  if (own === undefined) {
    throw new CodedError('CONFIG_INVALID', 'the witness policy does not name the key of this log', {
      todo: `put "log ${vkey}" into it`,
    });
  }
  return { policy, known: await askKnownHeads(policy, own.key, fetch) };
}

/** What a witness answers while it is away is said once, not each second. */
function reporter(): (event: Readonly<{ witness: string; code: string; why: string }>) => void {
  const said = new Map<string, string>();
  return ({ witness, code, why }) => {
    if (said.get(witness) === code) return;
    said.set(witness, code);
    console.error(`witness ${witness}: ${why} [${code}]`);
  };
}

/** Null where it was stopped while it stood by. */
async function storageOf(options: ServeOptions, stop: AbortSignal): Promise<LogStorage | null> {
  if (options.database === undefined) return openDiskStorage(options.data);
  return openPostgresStorage({ url: options.database }, stop, () => {
    if (options.json === true) announce({ event: 'standby' });
    else console.log('transparency log   standing by: another process serves it');
  });
}

/** `chrysalis log serve`. */
export async function serveLog(options: ServeOptions): Promise<void> {
  const stop = stopSignal(options);
  const storage = await storageOf(options, stop);
  if (storage !== null) await serveFrom(storage, options, stop);
  if (options.json === true) announce({ event: 'stopped' });
}

async function serveFrom(storage: LogStorage, options: ServeOptions, stop: AbortSignal): Promise<void> {
  let log: Log | null = null;
  let witnessing: Witnessing | null = null;
  try {
    // Asked by whoever serves, when it begins to.
    const own = options.policy === undefined ? null : await ownPolicy(options);
    log = await openLog({
      directory: options.data,
      storage,
      origin: options.origin,
      randomness: systemRandomness,
      clock: Date.now,
      knownHeads: own?.known ?? [],
    });
    if (own !== null) {
      witnessing = await createWitnessing(log, own.policy, { fetch, clock: Date.now, report: reporter() });
    }
    const token =
      options.tokenFile === undefined
        ? await openAppendToken(options.data, systemRandomness)
        : readToken(options.tokenFile);
    const server = await startLogServer({
      log,
      host: options.host,
      port: options.port,
      token,
      console: consolePage,
      ...(witnessing === null ? {} : { witnessing }),
      ...(options.policy === undefined ? {} : { policyText: readText(options.policy) }),
    });
    const stopSnapshots = await startSnapshots(log, SNAPSHOTS);
    announceReady(options, log, server.url, own?.policy.witnesses.size ?? 0);
    const stopHeartbeat = startHeartbeat(log, options.data);
    const stopRetention = options.retention === undefined ? () => {} : startRetention(log, options.retention);
    const failure = await Promise.race([aborted(stop).then(() => null), log.failed]);
    stopHeartbeat();
    stopSnapshots();
    stopRetention();
    await server.close();
    if (failure !== null) throw failure;
  } finally {
    await witnessing?.close();
    await (log ?? storage).close();
  }
}

function announceReady(options: ServeOptions, log: Log, url: string, witnesses: number): void {
  const { size } = log.head();
  const { origin, vkey } = log;
  if (options.json === true) {
    announce({ event: 'ready', url, vkey, origin, size, witnesses });
    return;
  }
  console.log(
    `transparency log   ${url}   origin ${origin}, ${counted(size, 'entry', 'entries')}, data in ${options.data}`,
  );
  console.log(`log key            ${vkey}`);
  if (witnesses === 0)
    console.log('No witness: what this log shows one reader, nobody compares with what it shows another.');
}
