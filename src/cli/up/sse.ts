import { CodedError } from '../../core/index.ts';

/** One server-sent event, in characters. */
const EVENT_CHARACTERS_MAX = 1 << 20;

/** The `data` of each server-sent event of a response. @throws CodedError REQUEST_TOO_LARGE for an endless event */
export async function* serverSentEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of body) {
    const events = (rest + decoder.decode(piece, { stream: true })).split('\n\n');
    rest = events.pop() ?? '';
    if (rest.length > EVENT_CHARACTERS_MAX) throw new CodedError('REQUEST_TOO_LARGE', 'an event without end');
    for (const event of events) {
      for (const line of event.split('\n')) if (line.startsWith('data: ')) yield line.slice(6);
    }
  }
}
