/**
 * Reads a source ahead of whoever consumes it, by at most `most` items, so that a slow consumer does not hold up what
 * the source shares with others. Order, end and error stay the source's; a consumer that leaves ends the source.
 */
export async function* ahead<Item>(source: AsyncGenerator<Item>, most: number): AsyncGenerator<Item> {
  const items: Item[] = [];
  const over: { yet: boolean; failed: boolean; error: unknown } = { yet: false, failed: false, error: undefined };
  let left = false;
  let wake = Promise.withResolvers<void>();
  const changed = () => {
    wake.resolve();
    wake = Promise.withResolvers<void>();
  };
  const reading = (async () => {
    try {
      while (!left) {
        const { value, done } = await source.next();
        if (done === true) break;
        items.push(value);
        changed();
        while (items.length >= most && !left) await wake.promise;
      }
    } catch (error) {
      over.failed = true;
      over.error = error;
    }
    over.yet = true;
    changed();
  })();
  try {
    for (;;) {
      if (items.length > 0) {
        const item = items.shift() as Item;
        changed();
        yield item;
      } else if (over.yet) {
        if (over.failed) throw over.error;
        return;
      } else await wake.promise;
    }
  } finally {
    left = true;
    changed();
    await reading;
    await source.return(undefined);
  }
}
