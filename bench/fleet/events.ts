type Event = { at: number; order: number; run: () => void; live: boolean };

/** A clock that jumps from event to event; events of one instant run in the order they were made. */
export class VirtualTime {
  #now = 0;
  #order = 0;
  readonly #heap: Event[] = [];

  now = (): number => this.#now;

  /** @returns how to take it back */
  schedule = (ms: number, run: () => void): (() => void) => {
    const event: Event = { at: this.#now + Math.max(0, ms), order: this.#order++, run, live: true };
    this.#push(event);
    return () => {
      event.live = false;
    };
  };

  /** Runs until nothing is left to happen. */
  run(): void {
    for (let event = this.#pop(); event !== undefined; event = this.#pop()) {
      if (!event.live) continue;
      this.#now = event.at;
      event.run();
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!before(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
