import { DeviceRegistry } from '../attestation/index.ts';
import type { UnixMs } from '../core/index.ts';
import type { Digest } from '../log/index.ts';
import type { AffirmedLeaf } from './history.ts';

type Admitted = Readonly<{ index: number; leaf: AffirmedLeaf }>;
/** What an entry does to leases. @property devices serials, once the appraisal is made again; null until then */
type Step = (Admitted & { devices: readonly string[] | null }) | Readonly<{ evicted: Digest }>;

/** @property outcome `twin`: the admission should have been refused; `full`: too many devices to tell */
export type LeaseFinding = Readonly<{ index: number; subject: string; outcome: 'twin' | 'full'; message: string }>;

/**
 * Gives out the leases of a log once more, in the order of its entries, with the registry that a router keeps: a router
 * judges at `judgedAt`, gives a lease until `leaseUntil`, and an `evicted` entry ends it. Whatever the router says it
 * saw, a device that the log shows in two workers at the same time was refused by nobody.
 */
export class DeviceLeases {
  readonly #registry = new DeviceRegistry();
  readonly #steps: Step[] = [];
  /** Newest admission of each worker that is in. */
  readonly #in = new Map<string, Readonly<{ index: number; until: UnixMs }>>();

  /** Steps that are not replayed yet. */
  get waiting(): number {
    return this.#steps.length;
  }

  /** Takes its place in the order now; tell the serials of its devices when they are known. */
  admitted(index: number, leaf: AffirmedLeaf): (devices: readonly string[]) => void {
    const step: Step = { index, leaf, devices: null };
    this.#steps.push(step);
    return (devices) => {
      step.devices = devices;
    };
  }

  evicted(worker: Digest): void {
    this.#steps.push({ evicted: worker });
  }

  /** Goes on to the first admission whose devices are not known yet. */
  replay(): LeaseFinding[] {
    const found: LeaseFinding[] = [];
    let done = 0;
    for (const step of this.#steps) {
      if ('evicted' in step) {
        this.#registry.release(step.evicted);
        this.#in.delete(step.evicted);
      } else {
        if (step.devices === null) break;
        const one = this.#claim(step, step.devices);
        if (one !== null) found.push(one);
      }
      done++;
    }
    this.#steps.splice(0, done);
    return found;
  }

  #claim({ index, leaf: { subject, body } }: Admitted, serials: readonly string[]): LeaseFinding | null {
    const { workerKey: worker, judgedAt } = body;
    // A lease that does not say when it ends ends with its eviction.
    const until = typeof body.leaseUntil === 'number' ? body.leaseUntil : Number.POSITIVE_INFINITY;
    for (const [other, lease] of this.#in) if (lease.until <= judgedAt) this.#in.delete(other);
    const devices = serials.map((serial) => ({ serial }));
    const claimed = this.#registry.claim(worker, devices, until, judgedAt);
    const entries = claimed.outcome === 'twin' ? claimed.holders.map((holder) => this.#in.get(holder)?.index) : [];
    this.#in.set(worker, { index, until: Math.max(until, this.#in.get(worker)?.until ?? 0) });
    switch (claimed.outcome) {
      case 'claimed':
        return null;
      case 'twin': {
        const message = `uniqueDevices: a device of this worker backs that of entry ${entries.join(', ')} as well`;
        return { index, subject, outcome: 'twin', message };
      }
      case 'quarantined': {
        const message = 'uniqueDevices: a device of this worker was found in two, and their leases are not over';
        return { index, subject, outcome: 'twin', message };
      }
      case 'full':
        return { index, subject, outcome: 'full', message: 'too many devices at the same time to look for twins' };
    }
  }
}
