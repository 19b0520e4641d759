import { CodedError } from '../../core/index.ts';

/**
 * What goes wrong on purpose. Counts run down to nothing; the rest stays until it is set back.
 * @property delayMs external messages are acknowledged at once and applied this much later
 * @property drop so many next ones are acknowledged and never applied
 * @property duplicate so many next ones arrive twice
 * @property status with `failures`: so many next calls are answered with this HTTP status
 */
export type FaultPlan = Readonly<{
  delayMs: number;
  drop: number;
  duplicate: number;
  status: number;
  failures: number;
}>;

export const NO_FAULTS: FaultPlan = { delayMs: 0, drop: 0, duplicate: 0, status: 503, failures: 0 };
const WAITING_MAX = 256;

/** Faults of a network, on demand: not durable, gone with the process. */
export class Faults {
  #plan: FaultPlan = NO_FAULTS;
  readonly #waiting = new Set<NodeJS.Timeout>();

  get plan(): FaultPlan {
    return this.#plan;
  }

  set(plan: FaultPlan): void {
    this.#plan = plan;
  }

  #spend(field: 'drop' | 'duplicate' | 'failures'): boolean {
    if (this.#plan[field] === 0) return false;
    this.#plan = { ...this.#plan, [field]: this.#plan[field] - 1 };
    return true;
  }

  /** The HTTP status that this call is to fail with, or null. */
  failure(): number | null {
    return this.#spend('failures') ? this.#plan.status : null;
  }

  /** Hands an external message over as the plan says. @throws what `apply` throws, where it runs at once */
  async deliver(apply: () => Promise<void>): Promise<void> {
    if (this.#spend('drop')) return;
    const twice = this.#spend('duplicate');
    const run = async () => {
      await apply();
      // The second one is for the receiver to refuse.
      if (twice) await apply().catch(() => undefined);
    };
    const { delayMs } = this.#plan;
    if (delayMs === 0) return run();
    if (this.#waiting.size >= WAITING_MAX) throw new CodedError('CHAIN_BUSY', 'too many delayed messages');
    const timer = setTimeout(() => {
      this.#waiting.delete(timer);
      run().catch(() => undefined);
    }, delayMs);
    this.#waiting.add(timer);
  }

  /** What is under way is lost, as on a network that went down. */
  close(): void {
    for (const timer of this.#waiting) clearTimeout(timer);
    this.#waiting.clear();
  }
}
