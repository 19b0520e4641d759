import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { LogSource } from '../../src/audit/index.ts';
import { type Bytes, leafHash, type UnixMs, utf8 } from '../../src/core/index.ts';
import { CompactRange } from '../../src/log/index.ts';
import { GrowingTree } from '../../src/log/writer/growing-tree.ts';
import { developmentText, intel } from '../../tests/attestation/appraise/scene.ts';
import { NOW, Scene } from '../../tests/audit/scene.ts';
import type { JudgedEvidence, YearGiven } from './evidence.ts';
import type { EvidenceOrder } from './evidence-thread.ts';

const WORKERS = 200;
/** A log that has nothing to say says so, before it has been silent for three minutes; a head is kept in five. */
const HEARTBEAT_MS = 150_000;
const CHECKPOINT_MS = 5 * 60_000;
/** Vendors' sets of collateral change about once a month: all appraisals between share one. */
const COLLATERAL_MS = 20 * 86_400_000;
const ORDER = 64;

/** What 200 workers renewed all year leave behind, in memory. */
export class YearLog extends Scene {
  readonly #in = new Set<string>();
  readonly #range = new CompactRange();
  readonly #sizes: number[] = [];
  #checkpointAt = NOW;

  static async make(appraisals: number, ms: number, progress: (done: number) => void): Promise<YearLog> {
    const log = new YearLog();
    await log.open();
    await log.publish();
    await log.checkpoint();
    const begun = log.at;
    const times = Array.from({ length: appraisals }, (_, i) => begun + Math.floor((i * ms) / appraisals));
    let done = 0;
    for await (const judged of judgedOf(times, given(begun, ms))) {
      await log.#until(times[done] as UnixMs);
      await log.#judged(judged);
      progress(++done);
    }
    await log.checkpoint();
    const { files } = GrowingTree.empty().grow(log.entries);
    for (const { path, bytes } of files) log.tiles.set(path, Uint8Array.from(bytes));
    return log;
  }

  /** Tiles are made once, at the end: nobody reads this log before. */
  override raw(entry: Bytes, subject = 'log'): number {
    this.#range.append(leafHash(entry));
    const { size } = this.#range;
    this.tree = { size, root: () => this.#range.root() } as unknown as GrowingTree;
    return this.remember(entry, subject);
  }

  override async checkpoint(): Promise<Bytes> {
    this.#checkpointAt = this.at;
    this.#sizes.push(this.tree.size);
    return super.checkpoint();
  }

  /** As of any other, but with a hundred thousand checkpoints it cannot sort them for each question. */
  override source(): LogSource {
    const covering = async (index: number) => {
      let [low, high] = [0, this.#sizes.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((this.#sizes[middle] as number) > index) high = middle;
        else low = middle + 1;
      }
      return this.kept.get(this.#sizes[low] ?? -1) ?? null;
    };
    return { ...super.source(), covering };
  }

  /** Heartbeats until then, and the checkpoints between. */
  async #until(at: UnixMs): Promise<void> {
    for (;;) {
      if (this.at - this.#checkpointAt >= CHECKPOINT_MS) await this.checkpoint();
      if (this.at + HEARTBEAT_MS >= at) break;
      this.at += HEARTBEAT_MS - 1_000; // adding takes a second
      await this.add({ type: 'heartbeat', src: 'log', body: { queueDepth: 0 } });
    }
    this.at = Math.max(this.at, at);
  }

  async #judged({ evidence, collateral, inputs, body }: JudgedEvidence): Promise<void> {
    const [evidenceBlob, collateralBlob, inputsBlob] = [evidence, utf8(collateral), inputs].map((one) =>
      this.blob(one),
    );
    const isIn = this.#in.has(body.workerKey);
    this.#in.add(body.workerKey);
    await this.add({
      type: isIn ? 're-attested' : 'worker-admitted',
      subject: `worker:${body.workerKey.slice('sha256:'.length)}`,
      blobs: [evidenceBlob, collateralBlob, inputsBlob] as (typeof evidenceBlob & string)[],
      body: {
        ...body,
        ...{ evidenceBlob, collateralBlob, inputsBlob },
        ...(isIn ? { unchanged: true, changed: ['evidence'] } : {}),
      },
    });
  }
}

function given(begun: UnixMs, ms: number): YearGiven {
  const collateral: { from: UnixMs; text: string }[] = [];
  for (let from = begun; from <= begun + ms; from += COLLATERAL_MS) {
    collateral.push({ from, text: JSON.stringify(intel.collateral(Math.floor(from / 1000))) });
  }
  const machines = Array.from({ length: WORKERS }, (_, i) => intel.machineState(`host-${i}`));
  return { machines, collateral, anchors: [intel.trustAnchor], policyText: developmentText };
}

/** Made on all cores, given out in order. */
async function* judgedOf(times: readonly UnixMs[], what: YearGiven): AsyncGenerator<JudgedEvidence> {
  const threads = Array.from(
    { length: availableParallelism() },
    () => new Worker(new URL('./evidence-thread.ts', import.meta.url), { workerData: what }),
  );
  const answer = async (thread: Worker, order: EvidenceOrder): Promise<JudgedEvidence[]> => {
    thread.postMessage(order);
    const [made] = (await once(thread, 'message')) as [JudgedEvidence[]];
    return made;
  };
  try {
    const underWay: Promise<JudgedEvidence[]>[] = [];
    const free = threads.map((thread) => ({ thread, last: Promise.resolve() as Promise<unknown> }));
    let ordered = 0;
    const order = (): void => {
      const first = ordered * ORDER;
      if (first >= times.length) return;
      const one = free[ordered++ % free.length] as (typeof free)[0];
      const made = one.last.then(() => answer(one.thread, { first, times: times.slice(first, first + ORDER) }));
      one.last = made.catch(() => undefined);
      underWay.push(made);
    };
    for (let i = 0; i < 4 * threads.length; i++) order();
    for (let made = underWay.shift(); made !== undefined; made = underWay.shift()) {
      yield* await made;
      order();
    }
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}
