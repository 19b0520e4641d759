import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** A server in vLLM's shapes: what it does is told by the last message. */
export type FakeUpstream = Readonly<{
  url: string;
  /** Bodies that were asked, newest last. */
  asked: Record<string, unknown>[];
  /** Requests whose client went away before the end. */
  cancelled: () => number;
  healthy: (now: boolean) => void;
  close(): Promise<void>;
}>;

const CONTEXT = 4096;

export async function startFakeUpstream(): Promise<FakeUpstream> {
  const asked: Record<string, unknown>[] = [];
  let cancelled = 0;
  let healthy = true;
  const server = createServer((request, response) => {
    void handle(request, response).catch(() => response.destroy());
  });
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const json = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    if (request.url === '/health') return void response.writeHead(healthy ? 200 : 503).end();
    if (request.url === '/version') return json(200, { version: '0.99.0-fake' });
    if (request.url === '/v1/models') {
      return json(200, { object: 'list', data: [{ id: 'fake-7b', object: 'model', max_model_len: CONTEXT }] });
    }
    let text = '';
    for await (const piece of request) text += String(piece);
    const body = JSON.parse(text) as Record<string, unknown>;
    asked.push(body);
    response.on('close', () => {
      if (!response.writableEnded) cancelled++;
    });
    if (request.url === '/v1/embeddings') {
      const texts = body.input as string[];
      const data = texts.map((one, index) => ({ object: 'embedding', index, embedding: [one.length, 0.5, -1.25] }));
      return json(200, { object: 'list', data: data.reverse(), usage: { prompt_tokens: texts.join('').length } });
    }
    await stream(body, response, json);
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    cancelled: () => cancelled,
    healthy: (now) => {
      healthy = now;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

type Said = Readonly<{ role: string; content: string | { type: string; text?: string }[] }>;

function lastOf(body: Record<string, unknown>): { text: string; begun: string } {
  if (typeof body.prompt === 'string') return { text: body.prompt, begun: '' };
  const messages = [...(body.messages as Said[])];
  const begun = body.continue_final_message === true ? String(messages.pop()?.content) : '';
  const content = messages.at(-1)?.content ?? '';
  return { text: typeof content === 'string' ? content : content.map(({ text = '' }) => text).join(''), begun };
}

async function stream(
  body: Record<string, unknown>,
  response: ServerResponse,
  json: (status: number, body: unknown) => void,
): Promise<void> {
  const { text, begun } = lastOf(body);
  const chat = body.messages !== undefined;
  const error = (message: string, status: number) =>
    json(status, { error: { message, type: 'BadRequestError', param: null, code: status } });
  if (text.length > 4 * CONTEXT) {
    return error(`This model's maximum context length is ${CONTEXT} tokens. However, you requested more.`, 400);
  }
  if (text === 'fail') return error('out of memory at 0x7f', 500);
  if (text === 'busy') return error('overloaded', 503);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const say = (choice: object, more: object = {}) =>
    response.write(
      `data: ${JSON.stringify({ id: 'x', object: 'chunk', choices: [{ index: 0, ...choice }], ...more })}\n\n`,
    );
  if (text === 'garbage') return void response.end('data: {"choices": [nonsense\n\n');
  if (text === 'error inside') return void response.end('data: {"error":{"message":"boom"}}\n\n');
  const words = wordsOf(body, text);
  const count = Math.min(words.length, body.max_tokens as number);
  const prompt = text.split(' ').length;
  const skip = begun === '' ? 0 : begun.split(' ').length - 1;
  const usage = (made: number) => ({
    prompt_tokens: prompt,
    completion_tokens: made,
    total_tokens: prompt + made,
    prompt_tokens_details: { cached_tokens: 1 },
  });
  if (chat) say({ delta: { role: 'assistant', content: '' }, finish_reason: null });
  for (let i = skip; i < count; i++) {
    if (response.destroyed) return;
    if (text.startsWith('slowly')) await new Promise((done) => setTimeout(done, 5));
    if (text === 'cut off' && i === 1) return void response.destroy();
    const token = `${words[i]}${i + 1 < words.length ? ' ' : ''}`;
    const top = [{ token, logprob: -0.25, bytes: null }];
    const logprobs = body.logprobs === true ? { content: [{ ...top[0], top_logprobs: top }] } : null;
    say(
      chat
        ? { delta: { content: token }, logprobs, finish_reason: null }
        : { text: token, logprobs: null, finish_reason: null },
      {
        usage: usage(i + 1 - skip),
      },
    );
  }
  const tools = (body.tools as { function: { name: string } }[] | undefined) ?? [];
  if (chat && tools.length > 0) sayCall(say, tools[0]?.function.name ?? '');
  const finish = tools.length > 0 ? 'tool_calls' : count < words.length ? 'length' : 'stop';
  say(chat ? { delta: {}, finish_reason: finish } : { text: '', finish_reason: finish });
  response.end(`data: ${JSON.stringify({ choices: [], usage: usage(count - skip) })}\n\ndata: [DONE]\n\n`);
}

/** A call as vLLM streams it: name first, its arguments in pieces. */
function sayCall(say: (choice: object) => void, name: string): void {
  const call = (of: object) => say({ delta: { tool_calls: [{ index: 0, ...of }] }, finish_reason: null });
  call({ id: 'call_1', type: 'function', function: { name, arguments: '' } });
  call({ id: null, function: { name: null, arguments: '{"city":' } });
  call({ function: { arguments: '"Ghent"}' } });
}

function wordsOf(body: Record<string, unknown>, text: string): string[] {
  if ((body.tools as unknown[] | undefined)?.length) return [];
  const format = body.response_format as { type?: string; json_schema?: { name: string } } | undefined;
  if (format?.type === 'json_schema') return [JSON.stringify({ schema: format.json_schema?.name, said: text })];
  if (text.startsWith('slowly')) return Array.from({ length: 2000 }, (_, i) => `w${i}`);
  return text.split(' ');
}
