/** What a patrol looks at. @property patrolPlace where it stands there: the patrol's own, -1 where it is not */
export type Patrolled = { patrolPlace: number; look(): void };

/**
 * Looks at everything that is under way, again and again as long as there is anything. For deadlines that hardly ever
 * come: one costs a place in an array, where a timer would have to be made and unmade for each request.
 */
export class Patrol<Item extends Patrolled> {
  readonly #items: Item[] = [];
  readonly #everyMs: number;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  add(item: Item): void {
    item.patrolPlace = this.#items.push(item) - 1;
    this.#timer ??= setInterval(() => this.#round(), this.#everyMs);
  }

  delete(item: Item): void {
    const place = item.patrolPlace;
    if (place < 0) return;
    item.patrolPlace = -1;
    const last = this.#items.pop() as Item;
    if (last === item) return;
    this.#items[place] = last;
    last.patrolPlace = place;
  }

  #round(): void {
    // From the end: whatever goes meanwhile has its place taken by one that was looked at.
    for (let place = this.#items.length - 1; place >= 0; place--) this.#items[place]?.look();
    if (this.#items.length > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
