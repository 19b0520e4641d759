import type { Client } from '../../../src/client/index.ts';

/** The whole answer of a request, and what the client said of it. */
export async function ask(
  client: Client,
  content: string,
  options: Parameters<Client['chat']>[1] = {},
  maxTokens = 64,
) {
  const events = await collect(client.chat({ messages: [{ role: 'user', content }], maxTokens }, options));
  const answer = events.map((event) => (event.kind === 'text' ? event.text : '')).join('');
  return { answer, done: events.find((event) => event.kind === 'done'), events };
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
