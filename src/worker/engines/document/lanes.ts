/** Lets so many in at the same time, the others in the order in which they came. Each calls what it got to leave. */
export function createLanes(most: number): () => Promise<() => void> {
  let free = most;
  const waiting: (() => void)[] = [];
  return async () => {
    if (free > 0) free -= 1;
    else await new Promise<void>((enter) => waiting.push(enter));
    return () => {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    };
  };
}
