import { spawn } from 'node:child_process';
import { CodedError, concat } from '../../core/index.ts';
import type { RunProgram } from '../../worker/index.ts';

/** Nothing of this process's environment reaches it: a collector reads settings from there. */
const ENVIRONMENT = { PATH: '/usr/bin:/usr/sbin:/bin', LC_ALL: 'C', HOME: '/nonexistent' };

/** A program by its path, without a shell, bounded in time and output; killed whole where it goes beyond. */
export const runProgram: RunProgram = (program, args, { timeoutMs, bytesMax }) =>
  new Promise((resolve, reject) => {
    const child = spawn(program, [...args], {
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    const pieces: Uint8Array[] = [];
    let length = 0;
    let failure: CodedError | null = null;
    child.stdout.on('data', (piece: Uint8Array) => {
      length += piece.length;
      if (length <= bytesMax) pieces.push(piece);
      else {
        failure = new CodedError('PROCESS_FAILED', `${program} wrote more than ${bytesMax} bytes`, { program });
        child.kill('SIGKILL');
      }
    });
    child.once('error', (cause) => {
      failure = new CodedError('PLATFORM_UNSUPPORTED', `${program} cannot be started`, { program }, { cause });
      reject(failure);
    });
    child.once('close', (code, signal) => {
      if (failure !== null) reject(failure);
      else if (signal !== null)
        reject(new CodedError('DEADLINE_EXCEEDED', `${program} did not end in ${timeoutMs} ms`, { program }));
      else if (code !== 0) reject(new CodedError('PROCESS_FAILED', `${program} ended with code ${code}`, { program }));
      else resolve(concat(...pieces));
    });
  });
