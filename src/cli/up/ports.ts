import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { CodedError } from '../../core/index.ts';

export type Ports = Readonly<{ chain: number; witness: number; log: number; router: number; gateway: number }>;

/** Where the parts listen unless told otherwise. */
export const DEFAULT_PORTS: Ports = { chain: 8081, witness: 8083, log: 8082, router: 8443, gateway: 8080 };

const PARTS = ['chain', 'witness', 'log', 'router', 'gateway'] as const;
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

/** Resolves to the port that was bound on 127.0.0.1, or null where it is taken. 0 asks for any. */
function tryPort(port: number): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(null) : reject(error),
    );
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : null));
    });
  });
}

/** Ports that were free a moment ago, all different. */
async function freePorts(): Promise<Ports> {
  const servers = await Promise.all(
    PARTS.map(
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer();
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return Object.fromEntries(PARTS.map((part, at) => [part, ports[at]])) as unknown as Ports;
}

/**
 * The ports to start on.
 * @throws CodedError PORT_IN_USE naming the port, its part and, where the system tells, the process that holds it
 */
export async function choosePorts(asked: 'auto' | Ports): Promise<Ports> {
  if (asked === 'auto') return freePorts();
  for (const part of PARTS) {
    if ((await tryPort(asked[part])) !== null) continue;
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
