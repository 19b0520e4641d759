/** The worker's engine without the worker: a process of its own, behind the least HTTP server that streams tokens. */
import { createServer } from 'node:http';
import { join } from 'node:path';
import { announce } from '../../src/cli/child.ts';
import { engineWithin } from '../../src/cli/compose/worker.ts';
import { DEFAULT_MODEL, MODELS } from '../../src/cli/paths.ts';
import { modelFolderOnDisk } from '../../src/worker/index.ts';

type Body = { messages: { role: 'user'; content: string }[]; max_tokens: number };

const engine = await engineWithin(modelFolderOnDisk(join(MODELS, DEFAULT_MODEL)));
const never = new AbortController().signal;
const sampling = { temperature: 0, topP: 1, topK: 0, stop: [] };

const server = createServer(async (request, response) => {
  let body = '';
  for await (const piece of request) body += String(piece);
  const { messages, max_tokens: maxTokens } = JSON.parse(body) as Body;
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for await (const event of engine.generate({ messages, maxTokens, ...sampling }, never)) {
    if (event.kind !== 'token' || event.text === '') continue;
    response.write(`data: ${JSON.stringify({ choices: [{ delta: { content: event.text } }] })}\n\n`);
  }
  response.end('data: [DONE]\n\n');
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as { port: number };
  announce({ event: 'ready', port });
});
process.stdin.resume().once('end', () => process.exit());
