/** Lets so many in at the same time, the others in the order in which they came. Each calls what it got to leave. */
export function createLanes(most: number): (signal: AbortSignal) => Promise<(() => void) | null> {
  let free = most;
  const waiting = new Set<() => void>();
  const leave = () => {
    const [next] = waiting;
    if (next === undefined) free += 1;
    else next();
  };
  /** @returns null where the signal fires first */
  return async (signal) => {
    if (signal.aborted) return null;
    if (free > 0) {
      free -= 1;
      return leave;
    }
    return new Promise((resolve) => {
      const settle = (entered: boolean) => {
        waiting.delete(enter);
        signal.removeEventListener('abort', give);
        resolve(entered ? leave : null);
      };
      const enter = () => settle(true);
      const give = () => settle(false);
      waiting.add(enter);
      signal.addEventListener('abort', give, { once: true });
    });
  };
}
