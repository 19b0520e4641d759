import { asCodedError, formatTraceparent, parseTraceparent, type Span, type Tracer } from '../core/index.ts';
import type { AskOptions, ChatEvent, ChatRequest, Client, Usage } from './api.ts';

/**
 * The same client, with a span for each request. The router is told of another trace than ours: one drawn for this request
 * alone, so that it can't tell by it which requests are of one conversation, user or program. That our span belongs to it
 * is written down on our side alone, as a link.
 */
export function tracedClient(client: Client, tracer: Tracer): Client {
  const begin = async (name: 'chat' | 'embeddings', model: string | undefined, options: AskOptions) => {
    const { parentTrace, ...rest } = options;
    const hop = tracer.newContext();
    const span = tracer.start({ name, kind: 'client', parent: parseTraceparent(parentTrace), link: hop });
    span.set({ 'gen_ai.operation.name': name });
    await nameModel(span, client, model);
    return { span, options: { ...rest, routerTrace: formatTraceparent(hop) } };
  };

  async function* chat(request: ChatRequest, given: AskOptions = {}): AsyncGenerator<ChatEvent> {
    const { span, options } = await begin('chat', request.model, given);
    let error: unknown = null;
    let isFirst = true;
    try {
      for await (const event of client.chat(request, options)) {
        if (event.kind === 'readers') span.event('worker verified');
        else if (event.kind === 'worker') span.set({ 'chrysalis.worker.id': event.worker.workerId });
        else if (event.kind === 'done') span.set(usageOf(event.usage));
        else if (isFirst && (event.kind === 'text' || event.kind === 'toolCalls')) {
          isFirst = false;
          span.event('first token');
        }
        yield event;
      }
    } catch (thrown) {
      error = thrown;
      throw thrown;
    } finally {
      span.end(error === null ? null : asCodedError(error).code);
    }
  }

  return {
    ...client,
    chat,
    async embed(request, given = {}) {
      const { span, options } = await begin('embeddings', request.model, given);
      try {
        const embedded = await client.embed(request, options);
        span.set({ 'chrysalis.worker.id': embedded.worker.workerId, ...usageOf(embedded.usage) });
        span.end(null);
        return embedded;
      } catch (thrown) {
        span.end(asCodedError(thrown).code);
        throw thrown;
      }
    },
  };
}

/** A name that the router lists; what a caller wrote in its place may be anything. */
async function nameModel(span: Span, client: Client, asked: string | undefined): Promise<void> {
  const found = await client.findModel(asked).catch(() => null);
  if (found !== null) span.set({ 'gen_ai.request.model': found.name });
}

const usageOf = ({ tokensIn, tokensCached, tokensOut }: Usage) => ({
  'gen_ai.usage.input_tokens': tokensIn + tokensCached,
  'gen_ai.usage.cache_read.input_tokens': tokensCached,
  'gen_ai.usage.output_tokens': tokensOut,
});
