import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '#crypto';
import { CodedError, toHex } from '../../../core/index.ts';
import { type ImageDefinition, type LockedPackage, PackageLock, packagesOf } from '../../../image/index.ts';

/** Longest that one run of apt or dpkg may take, in milliseconds. */
const TOOL_TIMEOUT_MS = 300_000;
const TOOL_OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

/** @throws CodedError PLATFORM_UNSUPPORTED where the tool is not there, PROCESS_FAILED with its last words */
function run(tool: string, args: readonly string[], cwd?: string): string {
  try {
    return execFileSync(tool, args, {
      encoding: 'utf8',
      timeout: TOOL_TIMEOUT_MS,
      maxBuffer: TOOL_OUTPUT_BYTES_MAX,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(cwd === undefined ? {} : { cwd }),
    });
  } catch (thrown) {
    const { code, stderr = '' } = thrown as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT') {
      throw new CodedError('PLATFORM_UNSUPPORTED', `${tool} is not installed`, {
        todo: 'build on Debian or Ubuntu: apt-get install apt dpkg',
      });
    }
    const why = stderr.trim().split('\n').at(-1) ?? '';
    throw new CodedError('PROCESS_FAILED', `${tool} ${args[0] ?? ''} failed`, { why }, { cause: thrown });
  }
}

/** apt with the sources of this definition and a state of its own: what this machine has installed does not matter. */
class Apt {
  readonly #folder: string;
  readonly #options: readonly string[];

  constructor(sources: ImageDefinition['sources']) {
    this.#folder = mkdtempSync(join(tmpdir(), 'chrysalis-apt-'));
    for (const part of ['lists/partial', 'cache/archives/partial']) {
      mkdirSync(join(this.#folder, part), { recursive: true });
    }
    const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
    const lines = sources.map(
      ({ uri, suite, component }) => `deb [signed-by=${keyring}] ${uri} ${suite} ${component}\n`,
    );
    writeFileSync(join(this.#folder, 'sources.list'), lines.join(''));
    this.#options = [
      `Dir::Etc::sourcelist=${this.#folder}/sources.list`,
      'Dir::Etc::sourceparts=/dev/null',
      'Dir::Etc::preferences=/dev/null',
      'Dir::Etc::preferencesparts=/dev/null',
      `Dir::State::lists=${this.#folder}/lists`,
      `Dir::Cache=${this.#folder}/cache`,
      'Acquire::Languages=none',
      'APT::Architecture=amd64',
      'APT::Sandbox::User=root',
      'Acquire::Retries=3',
    ].flatMap((option) => ['-o', option]);
    try {
      run('apt-get', ['update', '-qq', '--error-on=any', ...this.#options]);
    } catch (cause) {
      this.close();
      if (cause instanceof CodedError && cause.code === 'PLATFORM_UNSUPPORTED') throw cause;
      const why = cause instanceof CodedError ? String(cause.facts.why ?? '') : '';
      throw new CodedError('ARCHIVE_UNREACHABLE', 'the package archives could not be read', { why }, { cause });
    }
  }

  /** The newest of all sources, by name. */
  newest(names: readonly string[]): ReadonlyMap<string, LockedPackage> {
    const shown = run('apt-cache', ['show', '--no-all-versions', ...names, ...this.#options]);
    const rows = shown.split(/\n\n+/).map((stanza): [string, LockedPackage] => {
      const field = (label: string) => new RegExp(`^${label}: (\\S+)$`, 'm').exec(stanza)?.[1] ?? '';
      return [field('Package'), { version: field('Version'), bytes: Number(field('Size')), sha256: field('SHA256') }];
    });
    return new Map(rows);
  }

  download(name: string, version: string): Buffer {
    const into = mkdtempSync(join(this.#folder, 'got-'));
    run('apt-get', ['download', '-qq', `${name}=${version}`, ...this.#options], into);
    const [file] = readdirSync(into);
    return readFileSync(join(into, file as string));
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** What the archives have today for the packages of a definition. @throws CodedError as {@link run} */
export function lockPackages(definition: ImageDefinition): PackageLock {
  const apt = new Apt(definition.sources);
  try {
    const names = packagesOf(definition);
    const newest = apt.newest(names);
    return PackageLock.parse({
      version: 1,
      packages: Object.fromEntries(names.map((name) => [name, newest.get(name)])),
    });
  } finally {
    apt.close();
  }
}

const nameInStore = ({ sha256: digest }: LockedPackage) => `${digest}.deb`;

function gone(name: string, { version, sha256: digest }: LockedPackage, cause: unknown): CodedError {
  return new CodedError(
    'PACKAGE_GONE',
    `the archives no longer have ${name} ${version}, which the lock pins`,
    {
      why: `mirrors keep the newest versions only; its SHA-256 is ${digest}`,
      todo:
        `to build this very image, put the file into the package store as ${digest}.deb (snapshot.debian.org keeps all); ` +
        'for a new image, run chrysalis image lock, then chrysalis image build --update-reference',
    },
    { cause },
  );
}

/** Puts the packages that are pinned into a store, where they are not there yet. @returns what had to be downloaded */
export function fetchPackages(definition: ImageDefinition, lock: PackageLock, store: string): readonly string[] {
  mkdirSync(store, { recursive: true });
  const missing = packagesOf(definition).filter((name) => !existsSync(join(store, nameInStore(pinned(lock, name)))));
  if (missing.length === 0) return missing;
  const apt = new Apt(definition.sources);
  try {
    for (const name of missing) {
      const row = pinned(lock, name);
      let bytes: Buffer;
      try {
        bytes = apt.download(name, row.version);
      } catch (thrown) {
        throw gone(name, row, thrown);
      }
      requirePinned(name, row, bytes);
      const draft = join(store, `${nameInStore(row)}.${process.pid}.draft`);
      writeFileSync(draft, bytes);
      renameSync(draft, join(store, nameInStore(row)));
    }
  } finally {
    apt.close();
  }
  return missing;
}

function pinned(lock: PackageLock, name: string): LockedPackage {
  const row = lock.packages[name];
  if (row !== undefined) return row;
  throw new CodedError('CONFIG_INVALID', `the lock has no package ${name}`, { todo: 'run chrysalis image lock' });
}

function requirePinned(name: string, row: LockedPackage, bytes: Uint8Array): void {
  if (bytes.length === row.bytes && toHex(sha256(bytes)) === row.sha256) return;
  throw new CodedError('PACKAGE_MISMATCH', `${name} ${row.version} is not the file that the lock pins`, {
    todo: 'somebody changed it: do not build from this mirror or store',
  });
}

/** Files of pinned packages, each package unpacked once, in a folder that `close` removes. */
export class UnpackedPackages {
  readonly #folder = mkdtempSync(join(tmpdir(), 'chrysalis-packages-'));
  readonly #unpacked = new Set<string>();
  readonly #lock: PackageLock;
  readonly #store: string;

  constructor(lock: PackageLock, store: string) {
    this.#lock = lock;
    this.#store = store;
  }

  /** @param path in the package; a link leads to a file of the same package */
  file(name: string, path: string): Uint8Array {
    const into = join(this.#folder, name);
    if (!this.#unpacked.has(name)) {
      const row = pinned(this.#lock, name);
      const deb = join(this.#store, nameInStore(row));
      requirePinned(name, row, readFileSync(deb));
      run('dpkg-deb', ['-x', deb, into]);
      this.#unpacked.add(name);
    }
    return Uint8Array.from(readFileSync(join(into, path)));
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
