import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { CodedError } from '../../core/index.ts';

export type Ports = Readonly<{ chain: number; witness: number; log: number; router: number; gateway: number }>;

/** Where the parts listen unless told otherwise. */
export const DEFAULT_PORTS: Ports = { chain: 8081, witness: 8083, log: 8082, router: 8443, gateway: 8080 };

const PARTS = ['chain', 'witness', 'log', 'router', 'gateway'] as const;
/** Below what Linux gives to outgoing connections (net.ipv4.ip_local_port_range, from 32,768 on). */
const QUIET_PORTS = { from: 12_000, to: 32_000 };
const FREE_TRIES = 1_000;
/** Processes looked at to name the one that holds a port. */
const PROCESSES_MAX = 10_000;

/** @throws CodedError CONFIG_INVALID unless `auto`, `default` or a number that leaves room for five ports */
export function parsePorts(text: string): 'auto' | Ports {
  if (text === 'auto') return 'auto';
  if (text === 'default') return DEFAULT_PORTS;
  const base = Number(text);
  if (!/^\d{1,5}$/.test(text) || base < 1 || base > 65_531) {
    throw new CodedError('CONFIG_INVALID', `--ports ${text}: neither auto, default nor a port`, {
      todo: 'give --ports auto for free ones, or the first of five consecutive ports, such as --ports 9000',
    });
  }
  return { gateway: base, chain: base + 1, log: base + 2, router: base + 3, witness: base + 4 };
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    );
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/**
 * Ports that are free and stay so: none of those that the system gives to outgoing connections, of which some begin at any
 * moment between choosing a port and listening on it.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let tries = 0; found.size < count && tries < FREE_TRIES; tries++) {
    const port = randomInt(QUIET_PORTS.from, QUIET_PORTS.to);
    if (!found.has(port) && (await isFree(port))) found.add(port);
  }
  if (found.size < count) {
    throw new CodedError('PORT_IN_USE', `no ${count} free ports were found on 127.0.0.1`, {
      todo: 'stop what listens there, or name the first of five consecutive ports: --ports 9000',
    });
  }
  return [...found];
}

/**
 * The ports to start on.
 * @throws CodedError PORT_IN_USE naming the port, its part and, where the system tells, the process that holds it
 */
export async function choosePorts(asked: 'auto' | Ports): Promise<Ports> {
  if (asked === 'auto') {
    const free = await freePorts(PARTS.length);
    return Object.fromEntries(PARTS.map((part, at) => [part, free[at]])) as unknown as Ports;
  }
  for (const part of PARTS) {
    if (await isFree(asked[part])) continue;
    const holder = holderOf(asked[part]);
    throw new CodedError(
      'PORT_IN_USE',
      `port ${asked[part]} (${part}) is in use${holder === null ? '' : ` by ${holder}`}`,
      {
        part,
        port: asked[part],
        todo: `stop that process, or start with --ports auto${holder === null ? `; ss -ltnp 'sport = :${asked[part]}' names it` : ''}`,
      },
    );
  }
  return asked;
}

/** `node (pid 4711)`, from /proc; null where the system does not tell. */
function holderOf(port: number): string | null {
  try {
    const inode = listeningInode(port);
    if (inode === null) return null;
    for (const pid of readdirSync('/proc').slice(0, PROCESSES_MAX)) {
      if (/^\d+$/.test(pid) && holdsSocket(pid, inode)) {
        return `${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()} (pid ${pid})`;
      }
    }
  } catch {
    // Not Linux, or the process went away meanwhile: the port alone is named.
  }
  return null;
}

function listeningInode(port: number): string | null {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readFileSync(file, 'utf8').split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(wanted) && fields[3] === '0A') return fields[9] ?? null; // 0A: LISTEN
    }
  }
  return null;
}

function holdsSocket(pid: string, inode: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`;
      } catch {
        return false; // closed between the two calls
      }
    });
  } catch {
    return false; // another user's
  }
}
