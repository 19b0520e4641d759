import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CodedError } from '../../core/index.ts';
import { readIfThere, writeDurably } from '../compose/files.ts';
import { codedFromSystem } from '../output.ts';

/** Where everything of one local network is kept; a second start finds it here again. */
export type Layout = Readonly<{
  folder: string;
  /** The simulated vendors, with all their keys. */
  vendors: Readonly<{ intel: string; amd: string; nvidia: string }>;
  collateral: string;
  trustAnchors: string;
  /** Where this network listens and what it runs under, for `chrysalis chat` and `chrysalis top`. */
  network: string;
  machine(worker: string): string;
  devices(worker: string): string;
  /** Seed of the wallet that a worker's pay goes to; no part of the worker. */
  payout(worker: string): string;
  /** What the pool owes that wallet, signed by the router. */
  vouchers(worker: string): string;
  logFile(part: string): string;
  /** Configuration of the log's anchor contract, for auditors. */
  logAnchor: string;
  /** Which log clients believe, and the witnesses that must have seen its heads. */
  logPolicy: string;
  part(name: 'chain' | 'witness' | 'log' | 'router' | 'gateway'): string;
}>;

export function layoutOf(folder: string): Layout {
  const at = resolve(folder);
  return {
    folder: at,
    vendors: {
      intel: join(at, 'vendors', 'intel.json'),
      amd: join(at, 'vendors', 'amd.json'),
      nvidia: join(at, 'vendors', 'nvidia.json'),
    },
    collateral: join(at, 'collateral.json'),
    trustAnchors: join(at, 'trust-anchors.json'),
    network: join(at, 'network.json'),
    logPolicy: join(at, 'log-policy.txt'),
    logAnchor: join(at, 'log-anchor.json'),
    machine: (worker) => join(at, 'machines', `${worker}.json`),
    devices: (worker) => join(at, 'machines', `${worker}-devices.json`),
    vouchers: (worker) => join(at, 'payouts', `${worker}.vouchers.json`),
    payout: (worker) => join(at, 'payouts', `${worker}.seed`),
    logFile: (part) => join(at, 'logs', `${part}.log`),
    part: (name) => join(at, name),
  };
}

/** Writes the tlog-policy of this network: one log, one witness, which must have cosigned. */
export function writeLogPolicy(layout: Layout, log: string, witness: Readonly<{ vkey: string; url: string }>): void {
  const lines = [`log ${log}`, `witness local ${witness.vkey} ${witness.url}`, 'quorum local'];
  writeDurably(layout.logPolicy, `${lines.join('\n')}\n`);
}

/** Writes how the log's anchor contract is configured: its address follows from it. */
export function writeLogAnchor(layout: Layout, anchor: object): void {
  writeDurably(layout.logAnchor, `${JSON.stringify(anchor, null, 2)}\n`);
}

/** Reads a small text file; makes it, for this user alone, where there is none. @throws CodedError as `makeFolders` */
export function readOrMake(path: string, make: () => string): string {
  const kept = readIfThere(path);
  if (kept !== null) return kept.trim();
  const made = make();
  writeDurably(path, `${made}\n`);
  return made;
}

/** @throws CodedError STORAGE_FULL, CONFIG_INVALID where the folder can't be made */
export function makeFolders(layout: Layout): void {
  try {
    for (const name of ['machines', 'logs', 'chain', 'witness', 'log', 'router', 'gateway']) {
      mkdirSync(join(layout.folder, name), { recursive: true, mode: 0o700 });
    }
  } catch (thrown) {
    throw codedFromSystem(thrown);
  }
}

/** When a process started, in clock ticks since boot (field 22 of its stat): tells it from a later one of the same id. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return ''; // no such process, or no /proc
  }
}

/** Whether the process that wrote this lock still lives. */
function holds(lock: string): number | null {
  const [pidText = '', start = ''] = lock.trim().split(' ');
  const pid = Number(pidText);
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  try {
    process.kill(pid, 0);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EPERM') return null;
  }
  return startOf(pid) === start ? pid : null;
}

/**
 * Takes the folder for this process; a lock whose process is gone is taken over.
 * @returns gives it back
 * @throws CodedError STATE_LOCKED naming the process that has it
 */
export function lockFolder(layout: Layout): () => void {
  const path = join(layout.folder, 'lock');
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(path, `${process.pid} ${startOf(process.pid)}\n`, { flag: 'wx', mode: 0o600 });
      return () => rmSync(path, { force: true });
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw codedFromSystem(thrown);
    }
    const pid = holds(readFileSync(path, 'utf8'));
    if (pid !== null) {
      throw new CodedError('STATE_LOCKED', `another network (pid ${pid}) is running on ${layout.folder}`, { pid });
    }
    rmSync(path, { force: true });
  }
  throw new CodedError('STATE_LOCKED', `the lock of ${layout.folder} is being taken by another process`);
}
