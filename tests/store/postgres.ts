import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openPostgres } from '../../src/store/index.ts';

const run = promisify(execFile);
const DEBIAN = '/usr/lib/postgresql';

/** Folder of `initdb` and `postgres`, the newest; null where PostgreSQL is not installed. */
export function postgresBinaries(): string | null {
  const own = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...own.map((version) => join(DEBIAN, version, 'bin')), ...(process.env.PATH ?? '').split(':')];
  return folders.find((folder) => folder !== '' && existsSync(join(folder, 'initdb'))) ?? null;
}

/** Why tests over PostgreSQL do not run here, or null. With CHRYSALIS_REQUIRE_POSTGRES its absence is a failure. */
export function postgresAbsent(): string | null {
  if (postgresBinaries() !== null) return null;
  const why = 'skipped: PostgreSQL is not installed';
  if (process.env.CHRYSALIS_REQUIRE_POSTGRES === '1') throw new Error(why);
  return why;
}

export type Cluster = Readonly<{
  /** A new, empty database. */
  database(): Promise<string>;
  stop(): Promise<void>;
}>;

/** It refuses to run as root: then it runs as the user that its package made, or as nobody. */
async function owner(): Promise<Readonly<{ uid: number; gid: number }> | null> {
  if (process.getuid?.() !== 0) return null;
  const idOf = async (flag: string) => Number((await run('id', [flag, 'postgres'])).stdout);
  return Promise.all([idOf('-u'), idOf('-g')]).then(
    ([uid, gid]) => ({ uid, gid }),
    () => ({ uid: 65_534, gid: 65_534 }),
  );
}

/** A cluster of its own in a temporary folder, on a socket in it; nothing of the machine's own PostgreSQL is touched. */
export async function startCluster(): Promise<Cluster> {
  const binaries = postgresBinaries() as string;
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-pg-'));
  const as = await owner();
  if (as !== null) chownSync(folder, as.uid, as.gid);
  const data = join(folder, 'data');
  const options = { cwd: folder, ...(as ?? {}) };
  await run(join(binaries, 'initdb'), ['-D', data, '-U', 'test', '-A', 'trust', '--no-sync', '-E', 'UTF8'], options);
  // Only our own processes are killed: what PostgreSQL has written, the kernel keeps.
  const settings = ['fsync=off', 'listen_addresses=', 'max_connections=200', `unix_socket_directories=${folder}`];
  const args = ['-D', data, ...settings.flatMap((setting) => ['-c', setting])];
  const server: ChildProcess = spawn(join(binaries, 'postgres'), args, { ...options, stdio: 'ignore' });
  const exited = new Promise<void>((done) => server.once('exit', () => done()));
  const url = (name: string) => `postgres://test@localhost/${name}?host=${encodeURIComponent(folder)}`;
  for (let tries = 0; ; tries++) {
    const admin = await openPostgres({ url: url('postgres') }).catch(() => null);
    if (admin !== null) {
      await admin.close();
      break;
    }
    if (tries > 300 || server.exitCode !== null) throw new Error('PostgreSQL did not start');
    await new Promise((done) => setTimeout(done, 100));
  }
  let databases = 0;
  return {
    async database() {
      const admin = await openPostgres({ url: url('postgres') });
      const name = `test${++databases}`;
      await admin.ask(`CREATE DATABASE ${name}`);
      await admin.close();
      return url(name);
    },
    async stop() {
      server.kill('SIGINT');
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A TCP door to a cluster's socket that can be cut: open connections then stay open and carry nothing. */
export async function startCable(url: string): Promise<{ url: string; cut(): void; mend(): void; close(): void }> {
  const to = new URL(url);
  const socket = join(to.searchParams.get('host') as string, '.s.PGSQL.5432');
  const pairs = new Set<readonly [Socket, Socket]>();
  let isCut = false;
  const server: Server = createServer((near) => {
    const far = connect(socket);
    const pair = [near, far] as const;
    pairs.add(pair);
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
    near.on('close', () => pairs.delete(pair));
    if (isCut) return;
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  return {
    url: `postgres://test@127.0.0.1:${port}${to.pathname}`,
    cut() {
      isCut = true;
      for (const [near, far] of pairs) {
        near.unpipe(far);
        far.unpipe(near);
      }
    },
    mend() {
      isCut = false;
      for (const [near, far] of pairs) {
        near.pipe(far);
        far.pipe(near);
      }
    },
    close() {
      for (const [near] of pairs) near.destroy();
      server.close();
    },
  };
}
