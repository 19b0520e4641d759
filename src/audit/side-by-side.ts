/** Work that is under way at the same time, never more than so much of it. */
export class SideBySide {
  readonly #most: number;
  readonly #waiting = new Set<() => void>();
  #underWay = 0;
  #broken: Readonly<{ error: unknown }> | null = null;

  constructor(most: number) {
    this.#most = most;
  }

  /** Comes back when there is room for more. @throws what any work before threw */
  async add(work: Promise<void>): Promise<void> {
    this.#underWay++;
    work
      .catch((error: unknown) => {
        this.#broken ??= { error };
      })
      .finally(() => {
        this.#underWay--;
        for (const wake of this.#waiting) wake();
        this.#waiting.clear();
      });
    await this.#until(this.#most - 1);
  }

  /** Until all of it is done. @throws what any of it threw */
  async settled(): Promise<void> {
    await this.#until(0);
  }

  async #until(most: number): Promise<void> {
    while (this.#underWay > most) await new Promise<void>((resolve) => this.#waiting.add(resolve));
    if (this.#broken !== null) throw this.#broken.error;
  }
}
