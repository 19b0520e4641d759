import { CodedError, type ErrorCode } from '../core/index.ts';

/** The next item, or a CodedError as soon as the signal fires: nothing waits for a peer that has gone quiet. */
export async function nextBefore<Item>(
  iterator: AsyncIterator<Item>,
  signal: AbortSignal,
  code: () => ErrorCode,
): Promise<IteratorResult<Item>> {
  const stopped = () => new CodedError(code(), 'stopped before the answer was complete');
  if (signal.aborted) throw stopped();
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(stopped());
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([iterator.next(), aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
