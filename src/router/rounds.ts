/** Runs work again and again, one after the other, each time some while after it ended. Failures are told and retried. */
export function every(
  seconds: number,
  work: () => Promise<unknown>,
  failed: (error: unknown) => void,
): Readonly<{ close(): Promise<void> }> {
  let closed = false;
  let running: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | null = null;
  const next = (): void => {
    if (closed) return;
    timer = setTimeout(() => {
      running = work()
        .then(() => undefined, failed)
        .finally(next);
    }, seconds * 1000);
    timer.unref();
  };
  next();
  return {
    async close() {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      await running;
    },
  };
}
