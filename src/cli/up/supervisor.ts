import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { CodedError, type ErrorCode, KIND_OF_CODE } from '../../core/index.ts';
import { JsonLines } from './json-lines.ts';

/** Lines of stderr kept to say why a child failed. */
const LAST_LINES_MAX = 20;
const LAST_LINE_CHARACTERS_MAX = 400;
/** How long the pipes of a process that ended are read on, in milliseconds. */
const PIPES_CLOSE_MS = 1_000;

export type ChildSpec = Readonly<{
  /** What people call it: `worker alder`. */
  name: string;
  command: string;
  args: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  logFile: string;
  readyTimeoutMs: number;
  /** Pauses before it is started again when it dies by itself, in milliseconds; as often as there are pauses. */
  restartAfterMs: readonly number[];
  /** How long it may take to stop by itself before it is killed, in milliseconds. */
  stopGraceMs: number;
}>;

export type Event = Readonly<Record<string, unknown>>;

/** Why a child is gone, in words. */
function departure(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal === 'SIGKILL') return 'was killed (SIGKILL: by hand, or by the system when memory ran out)';
  return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
}

function destroyPipes(child: ChildProcess): void {
  child.stdout?.destroy();
  child.stderr?.destroy();
}

/**
 * One child process: started, watched, restarted where its spec says so, stopped. Emits `event` for each JSON line
 * after `ready`, `restarting` (text) and `lost` (CodedError) when it is gone for good.
 */
export class Child extends EventEmitter<{ event: [Event]; restarting: [string]; lost: [CodedError] }> {
  readonly spec: ChildSpec;
  #process: ChildProcess | null = null;
  #exited: Promise<void> = Promise.resolve();
  #stopping = false;
  #restarts = 0;
  #lastLines: string[] = [];
  readonly #kept: Event[] = [];

  constructor(spec: ChildSpec) {
    super();
    this.spec = spec;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /**
   * Starts it and waits for its `ready`.
   * @throws CodedError with the code that the child reports; PROCESS_FAILED if it ends without one,
   * DEADLINE_EXCEEDED after `readyTimeoutMs`
   */
  async start(): Promise<Event> {
    if (this.#stopping) throw this.#failure('PROCESS_FAILED', 'was stopped before it started', '');
    const { promise, resolve, reject } = Promise.withResolvers<Event>();
    const child = spawn(this.spec.command, this.spec.args, {
      env: this.spec.env,
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own: Ctrl-C reaches the supervisor alone, which stops its children in order.
      detached: true,
    });
    this.#process = child;
    this.#lastLines = [];
    let ready = false;
    const timer = setTimeout(() => {
      reject(this.#failure('DEADLINE_EXCEEDED', `was not ready after ${this.spec.readyTimeoutMs / 1000} s`, ''));
      child.kill('SIGKILL');
    }, this.spec.readyTimeoutMs);
    const events = new JsonLines((event) => {
      if (event.event === 'failed') reject(this.#reported(event));
      else if (event.event === 'ready' && !ready) {
        ready = true;
        resolve(event);
      } else this.#keep(event);
    });
    child.stdout?.on('data', (piece: Buffer) => events.push(piece));
    this.#keepStderr(child);
    child.stdin?.on('error', () => {}); // it went first; its exit says why
    this.#exited = new Promise((gone) => {
      child.once('error', (cause) => {
        reject(this.#failure('PROCESS_FAILED', 'could not be started', cause.message));
        gone();
      });
      // What it printed last is read first, unless something else holds its pipes open.
      child.once('exit', () => setTimeout(() => destroyPipes(child), PIPES_CLOSE_MS).unref());
      child.once('close', (code, signal) => {
        clearTimeout(timer);
        this.#process = null;
        reject(this.#failure('PROCESS_FAILED', departure(code, signal), this.#lastLines.join('\n')));
        gone();
        if (ready && !this.#stopping) void this.#again(departure(code, signal));
      });
    });
    return await promise.finally(() => clearTimeout(timer));
  }

  /** The first event of one of these names, among those seen and those to come. @throws CodedError as `start` */
  async waitFor(names: readonly string[], timeoutMs: number): Promise<Event> {
    const seen = this.#kept.find((event) => names.includes(String(event.event)));
    if (seen !== undefined) return seen;
    const { promise, resolve, reject } = Promise.withResolvers<Event>();
    const take = (event: Event) => {
      if (names.includes(String(event.event))) resolve(event);
      else if (event.event === 'failed') reject(this.#reported(event));
    };
    const fail = (error: CodedError) => reject(error);
    const timer = setTimeout(
      () => reject(this.#failure('DEADLINE_EXCEEDED', `said nothing of ${names.join(' or ')} in time`, '')),
      timeoutMs,
    );
    this.on('event', take).on('lost', fail);
    return await promise.finally(() => {
      clearTimeout(timer);
      this.off('event', take).off('lost', fail);
    });
  }

  /** Asks it to stop, waits, and kills what is left. Resolves when the process is gone. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#process;
    if (child === null) return;
    child.stdin?.end();
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), this.spec.stopGraceMs);
    await this.#exited;
    clearTimeout(timer);
  }

  #keep(event: Event): void {
    if (this.#kept.length >= LAST_LINES_MAX) this.#kept.shift();
    this.#kept.push(event);
    this.emit('event', event);
  }

  async #again(why: string): Promise<void> {
    const pause = this.spec.restartAfterMs[this.#restarts];
    if (pause === undefined) {
      const times = this.#restarts === 0 ? '' : `, after ${this.#restarts} restarts`;
      this.emit('lost', this.#failure('PROCESS_FAILED', `${why}${times}`, this.#lastLines.join('\n')));
      return;
    }
    this.#restarts++;
    this.emit(
      'restarting',
      `${this.spec.name} ${why}; starting it again (${this.#restarts} of ${this.spec.restartAfterMs.length})`,
    );
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (this.#stopping) return;
    this.#kept.length = 0;
    await this.start().catch((error: unknown) => {
      if (!this.#stopping) void this.#again(error instanceof Error ? error.message : 'did not start');
    });
  }

  /** The log gets every line; what is kept in memory is bounded. A full disk loses log lines, nothing else. */
  #keepStderr(child: ChildProcess): void {
    let log: WriteStream | null = createWriteStream(this.spec.logFile, { flags: 'a', mode: 0o600 });
    log.on('error', () => {
      log = null;
    });
    let rest = '';
    child.stderr?.setEncoding('utf8').on('data', (piece: string) => {
      log?.write(piece);
      const lines = (rest + piece).split('\n');
      rest = (lines.pop() ?? '').slice(-LAST_LINE_CHARACTERS_MAX);
      for (const line of lines) if (line.trim() !== '') this.#lastLines.push(line.slice(0, LAST_LINE_CHARACTERS_MAX));
      this.#lastLines = this.#lastLines.slice(-LAST_LINES_MAX);
    });
    child.once('close', () => log?.end());
  }

  #reported(event: Event): CodedError {
    const error = (typeof event.error === 'object' && event.error !== null ? event.error : {}) as Event;
    const code = typeof error.code === 'string' && error.code in KIND_OF_CODE ? (error.code as ErrorCode) : null;
    const facts: Record<string, string> = { part: this.spec.name, log: this.spec.logFile };
    if (typeof error.todo === 'string') facts.todo = error.todo;
    const message = typeof error.message === 'string' ? error.message : 'it gave no reason';
    return new CodedError(code ?? 'PROCESS_FAILED', `${this.spec.name} could not start: ${message}`, facts);
  }

  #failure(code: ErrorCode, what: string, why: string): CodedError {
    const last =
      why
        .split('\n')
        .filter((line) => line.trim() !== '')
        .at(-1) ?? '';
    return new CodedError(code, `${this.spec.name} ${what}`, {
      part: this.spec.name,
      log: this.spec.logFile,
      ...(last === '' ? {} : { why: last }),
      todo: `read ${this.spec.logFile}, then start again: the state of every part is kept`,
    });
  }
}
