import type { VirtualTime } from './events.ts';
import { CROWD, type WorkerTruth } from './patterns.ts';

export type Job = Readonly<{
  tokensIn: number;
  tokensOut: number;
  /** Whose prompt begins how: conversation, and how much of it the prompt shares with its earlier turns. */
  conversation: number;
  prefix: number;
  firstToken: () => void;
  done: (tokensCached: number) => void;
  failed: () => void;
}>;

const CACHE_TOKENS = 400_000;

/**
 * An engine as serving engines behave: prompts are read one after another, answers are written side by side in `slots`,
 * each the slower the more there are; what exceeds the slots waits inside. Prefixes stay cached, the newest ones.
 */
export class SimulatedWorker {
  readonly #truth: WorkerTruth;
  readonly #time: VirtualTime;
  readonly #random: () => number;
  readonly #waiting: Job[] = [];
  readonly #cached = new Map<number, number>();
  #cachedTokens = 0;
  #running = 0;
  #prefillFreeAt = 0;

  constructor(truth: WorkerTruth, time: VirtualTime, random: () => number) {
    this.#truth = truth;
    this.#time = time;
    this.#random = random;
  }

  run(job: Job): void {
    if (this.#running >= this.#truth.slots) this.#waiting.push(job);
    else this.#start(job);
  }

  #start(job: Job): void {
    this.#running += 1;
    const { slots, prefillPerSecond, secondsPerToken, failing } = this.#truth;
    if (failing > 0 && this.#random() < failing) {
      this.#time.schedule(1_000, () => {
        job.failed();
        this.#free();
      });
      return;
    }
    const cached = Math.min(this.#cached.get(job.conversation) ?? 0, job.prefix);
    const now = this.#time.now();
    this.#prefillFreeAt = Math.max(now, this.#prefillFreeAt) + (1000 * (job.tokensIn - cached)) / prefillPerSecond;
    const crowd = 1 + (CROWD * this.#running) / slots;
    const writeMs = 1000 * job.tokensOut * secondsPerToken * crowd;
    this.#time.schedule(this.#prefillFreeAt - now, () => {
      job.firstToken();
      this.#time.schedule(writeMs, () => {
        this.#keep(job.conversation, job.tokensIn + job.tokensOut);
        job.done(cached);
        this.#free();
      });
    });
  }

  #free(): void {
    this.#running -= 1;
    const next = this.#waiting.shift();
    if (next !== undefined) this.#start(next);
  }

  #keep(conversation: number, tokens: number): void {
    this.#cachedTokens += tokens - (this.#cached.get(conversation) ?? 0);
    this.#cached.delete(conversation);
    this.#cached.set(conversation, tokens);
    for (const [oldest, held] of this.#cached) {
      if (this.#cachedTokens <= CACHE_TOKENS) break;
      this.#cached.delete(oldest);
      this.#cachedTokens -= held;
    }
  }
}
