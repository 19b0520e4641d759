import { type Bytes, toHex } from '../../../src/core/index.ts';
import { attachToRouter } from '../../../src/rpc/index.ts';
import {
  createWorker,
  type Engine,
  type Machine,
  type RouterLink,
  startBoot,
  type WorkerEvent,
} from '../../../src/worker/index.ts';
import { echoEngine, modelOf } from './engine.ts';
import type { InProcessOptions, Serve } from './options.ts';
import { randomness } from './randomness.ts';

const ADMITTED_MS = 60_000;

/** The workers of one network, each on a host of its own. */
export class Workers {
  readonly events: WorkerEvent[] = [];
  /** Numbers of those that ended by themselves. */
  readonly ended = new Set<number>();
  /** What the first worker runs for each request, once it is admitted. */
  serving: Serve | undefined;
  /** Whose leases they are, by number. */
  readonly leases = new Map<string, number>();
  readonly #address: string;
  readonly #machines: readonly Machine[];
  readonly #options: InProcessOptions;
  readonly #workers: ReturnType<typeof createWorker>[] = [];
  readonly #running: Promise<void>[] = [];

  constructor(address: string, machines: readonly Machine[], options: InProcessOptions) {
    this.#address = address;
    this.#machines = machines;
    this.#options = options;
  }

  start(number: number): void {
    const engine = this.#engineOf(number);
    const worker = createWorker(
      {
        boot: startBoot(
          this.#machines[number] as Machine,
          { now: Date.now, randomness },
          {
            modelDigest: modelOf(engine),
            payee: { workchain: 0, account: new Uint8Array(32) },
            transportSpkiSha256: new Uint8Array(32),
          },
        ),
        engine,
        routers: [() => this.#linkOf(number)],
        now: Date.now,
        monotonic: () => performance.now(),
        randomness,
        releaseMemory: () => undefined,
        report: (event) => this.events.push(event),
      },
      { name: `worker-${number}`, concurrencyMax: this.#options.slots ?? 64 },
    );
    this.#workers.push(worker);
    this.#running.push(worker.run().finally(() => this.ended.add(number)));
  }

  /** Until the router has decided on each that was started. */
  async settled(): Promise<void> {
    const expected = this.#workers.length;
    const decided = () => this.events.filter(({ event }) => event === 'admitted' || event === 'refused').length;
    for (let waited = 0; decided() < expected; waited += 20) {
      if (waited > ADMITTED_MS) throw new Error('the workers were neither admitted nor refused in a minute');
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  /** @param workerId hex */
  stop(workerId: string): void {
    this.#workers.find((worker) => toHex(worker.workerId) === workerId)?.stop();
  }

  stopAll(): void {
    for (const worker of this.#workers) worker.stop();
  }

  async allEnded(): Promise<void> {
    await Promise.all(this.#running);
  }

  #engineOf(number: number): Engine {
    const { engine = echoEngine() } = this.#options;
    return 'length' in engine ? (engine[number] as Engine) : engine;
  }

  #linkOf(number: number): RouterLink {
    const { door, park, misbehave } = this.#options;
    const link = attachToRouter(this.#address, Date.now, door?.worker);
    return {
      ...link,
      serve: (lease: Bytes, spare, serve) => {
        this.serving ??= serve;
        this.leases.set(toHex(lease), number);
        const parking = park?.(number) ?? link.serve;
        parking(lease, spare, misbehave?.(serve, number) ?? serve);
      },
    };
  }
}
