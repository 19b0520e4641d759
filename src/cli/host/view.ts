import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError } from '../../core/index.ts';
import { readBounded } from '../compose/files.ts';
import { HOST_COMMANDS, type HostCommand, type HostView } from './check.ts';

const FILE_BYTES_MAX = 4 * 1024 * 1024;
const COMMAND_BYTES_MAX = 8 * 1024 * 1024;
const COMMAND_MS = 10_000;
const ENTRIES_MAX = 4096;

function textOf(path: string): string | null {
  try {
    const bytes = readBounded(path, FILE_BYTES_MAX);
    return bytes === null ? null : new TextDecoder().decode(bytes);
  } catch {
    return null; // not there, or not ours to read: the check says unknown
  }
}

function filesUnder(root: string): Omit<HostView, 'show'> {
  return {
    read: (path) => textOf(join(root, path)),
    exists: (path) => existsSync(join(root, path)),
    list(path) {
      try {
        return readdirSync(join(root, path)).slice(0, ENTRIES_MAX);
      } catch {
        return null;
      }
    },
  };
}

/** This machine. Nothing is written; the commands only show things, with a bound on time and output. */
export function thisHost(): HostView {
  return {
    ...filesUnder('/'),
    show(command, argument) {
      const [program, ...args] = HOST_COMMANDS[command];
      const ran = spawnSync(program, [...args, ...(argument === undefined ? [] : [argument])], {
        timeout: COMMAND_MS,
        maxBuffer: COMMAND_BYTES_MAX,
        stdio: ['ignore', 'pipe', 'ignore'],
        encoding: 'utf8',
      });
      return ran.error === undefined && ran.status === 0 ? ran.stdout : null;
    },
  };
}

/**
 * A host that was recorded: its files under a folder, what the commands printed in `commands/NAME.txt`.
 * @throws CodedError CONFIG_INVALID where there is no such folder
 */
export function recordedHost(root: string): HostView {
  if (!existsSync(root) || !statSync(root).isDirectory()) {
    throw new CodedError('CONFIG_INVALID', `${root} is not a folder`, { path: root });
  }
  return { ...filesUnder(root), show: (command: HostCommand) => textOf(join(root, 'commands', `${command}.txt`)) };
}
