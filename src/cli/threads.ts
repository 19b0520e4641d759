import { parentPort, Worker } from 'node:worker_threads';
import { asCodedError, CodedError, type ErrorCode } from '../core/index.ts';

/** What a thread is sent, and what it answers. */
type Order<Task> = Readonly<{ id: number; task: Task }>;
type Failure = Readonly<{ code: ErrorCode; message: string; facts: CodedError['facts'] }>;
type Answer<Found> = Readonly<{ id: number; found: Found } | { id: number; failed: Failure }>;

export type ThreadsOptions = Readonly<{
  /** Calls {@link serveOrders}. */
  file: URL;
  /** Its `workerData`. */
  data?: unknown;
  count: number;
  /** Of each thread's heap; a thread that wants more ends. */
  heapMiBMax: number;
  /** Orders that may wait, over all threads. */
  ordersMax: number;
  /** A thread that takes longer over its orders is ended. */
  orderMsMax: number;
}>;

type Waiting<Found> = Readonly<{
  thread: Thread;
  timer: NodeJS.Timeout;
  resolve(found: Found): void;
  reject(error: Error): void;
}>;
type Thread = { readonly worker: Worker; orders: number };

/**
 * Threads that are started when first asked; each order goes to the one with the least to do. One that dies takes its
 * orders with it, which fail with PROCESS_FAILED, and another is started in its place for the next one.
 */
export class Threads<Task, Found> {
  readonly count: number;
  readonly #options: ThreadsOptions;
  readonly #threads = new Set<Thread>();
  readonly #waiting = new Map<number, Waiting<Found>>();
  #ids = 0;
  #isClosed = false;

  constructor(options: ThreadsOptions) {
    this.#options = options;
    this.count = options.count;
  }

  /** Threads that are there. */
  get started(): number {
    return this.#threads.size;
  }

  /** Before anybody asks, so that the first to ask need not wait for it. */
  start(): void {
    while (this.#threads.size < this.count) this.#start();
  }

  /** @throws CodedError what the thread threw; TOO_MANY_REQUESTS; PROCESS_FAILED where the thread died, or took too long */
  ask(task: Task): Promise<Found> {
    const { ordersMax, orderMsMax } = this.#options;
    if (this.#isClosed) return Promise.reject(new CodedError('PROCESS_FAILED', 'the threads are stopped'));
    if (this.#waiting.size >= ordersMax) {
      return Promise.reject(new CodedError('TOO_MANY_REQUESTS', `${ordersMax} wait for a thread already`));
    }
    this.start();
    const thread = [...this.#threads].reduce((least, one) => (one.orders < least.orders ? one : least));
    const id = this.#ids++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => void thread.worker.terminate(), orderMsMax).unref();
      this.#waiting.set(id, { thread, timer, resolve, reject });
      thread.orders += 1;
      thread.worker.ref();
      thread.worker.postMessage({ id, task } satisfies Order<Task>);
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
  }

  #start(): void {
    const { file, data, heapMiBMax } = this.#options;
    const worker = new Worker(file, { workerData: data, resourceLimits: { maxOldGenerationSizeMb: heapMiBMax } });
    worker.unref(); // an idle one keeps no process alive
    const thread: Thread = { worker, orders: 0 };
    this.#threads.add(thread);
    let why = 'it took too long, or was stopped';
    worker.on('message', (answer: Answer<Found>) => this.#take(answer));
    worker.on('error', (error) => {
      why = (error as NodeJS.ErrnoException).code ?? 'an error that nobody caught';
    });
    worker.on('exit', () => {
      this.#threads.delete(thread);
      for (const [id, waiting] of this.#waiting) {
        if (waiting.thread === thread)
          this.#end(id)?.reject(new CodedError('PROCESS_FAILED', `a thread ended: ${why}`));
      }
    });
  }

  #take(answer: Answer<Found>): void {
    const waiting = this.#end(answer.id);
    if (waiting === undefined) return;
    waiting.thread.orders -= 1;
    if (waiting.thread.orders === 0) waiting.thread.worker.unref();
    if ('found' in answer) waiting.resolve(answer.found);
    else waiting.reject(new CodedError(answer.failed.code, answer.failed.message, answer.failed.facts));
  }

  #end(id: number): Waiting<Found> | undefined {
    const waiting = this.#waiting.get(id);
    clearTimeout(waiting?.timer);
    this.#waiting.delete(id);
    return waiting;
  }
}

/** In a thread: does what it is asked, side by side where the work waits. */
export function serveOrders<Task, Found>(work: (task: Task) => Promise<Found>): void {
  const port = parentPort;
  if (port === null) throw new CodedError('INVARIANT_BROKEN', 'this is no thread');
  port.on('message', ({ id, task }: Order<Task>) => {
    work(task).then(
      (found) => port.postMessage({ id, found } satisfies Answer<Found>),
      (thrown: unknown) => {
        const { code, message, facts } = asCodedError(thrown);
        port.postMessage({ id, failed: { code, message, facts } } satisfies Answer<Found>);
      },
    );
  });
}
