import { CodedError, type Randomness } from '../../core/index.ts';
import { createStopCutter } from './answer-text.ts';
import type { LogitsAt, TokenSequence } from './decoder-graph.ts';
import type { GenerateEvent, GenerateRequest } from './engine.ts';
import { promptText } from './prompt.ts';
import { createSampler, logProbabilities, seedBytes, seededNumbers } from './sampler.ts';
import type { ModelTokenizer } from './tokenizer.ts';

/** Whatever the tokenizer, a token of a prompt stands for at least some text: longer prompts cannot fit. */
const CHARACTERS_PER_TOKEN_MAX = 256;

export type GeneratingModel = Readonly<{
  tokenizer: ModelTokenizer;
  vocabulary: number;
  contextTokensMax: number;
  endTokens: ReadonlySet<number>;
  randomness: Randomness;
  /** A sequence of at most so many tokens, when there is room for it. */
  begin(lengthMax: number): Promise<TokenSequence>;
}>;

/** Prompt to answer, token by token: the part of generating that knows no runtime. */
export async function* generate(
  model: GeneratingModel,
  request: GenerateRequest,
  cancelled: () => boolean,
): AsyncGenerator<GenerateEvent> {
  const ids = promptTokens(model, request);
  const room = Math.min(request.maxTokens, model.contextTokensMax - ids.length);
  const done = (finish: 'stop' | 'length' | 'cancelled', tokensOut: number): GenerateEvent => ({
    kind: 'done',
    finish,
    tokensIn: ids.length,
    tokensCached: 0,
    tokensOut,
  });
  if (cancelled()) return yield done('cancelled', 0);
  const sequence = await model.begin(ids.length + room);
  try {
    const answer = createAnswer(model, request);
    let tokenId = -1;
    for (let count = 1; ; count++) {
      if (cancelled()) return yield done('cancelled', count - 1);
      const step = count === 1 ? sequence.prompt(ids) : sequence.next(tokenId);
      // What ends an engine while a step runs is no failure of the step.
      const out = await step.catch((error: unknown) => (cancelled() ? null : runtimeFailed(error)));
      if (out === null || cancelled()) return yield done('cancelled', count - 1);
      const { event, ended } = answer.token(out, count >= room);
      tokenId = event.tokenId;
      yield event;
      if (ended) return yield done('stop', count);
      if (count >= room) return yield done('length', count);
    }
  } finally {
    sequence.end();
  }
}

/** Samples, and turns tokens into text that ends before a stop text. */
function createAnswer(model: GeneratingModel, request: GenerateRequest) {
  const { tokenizer, vocabulary } = model;
  const seed = request.seed === undefined ? model.randomness(16) : seedBytes(request.seed);
  const sample = createSampler(vocabulary, request, seededNumbers(seed));
  const text = tokenizer.text();
  const cutter = createStopCutter(request.stop);
  return {
    /** @param last whether there is room for no more */
    token({ logits, at }: LogitsAt, last: boolean) {
      const tokenId = sample(logits, at);
      const atEnd = model.endTokens.has(tokenId);
      const { text: piece, stopped } = cutter.push(atEnd ? text.flush() : text.push(tokenId));
      const tail = (last || atEnd) && !stopped ? flushed(atEnd ? '' : text.flush(), cutter) : '';
      const logprobs =
        request.logprobs === undefined ? null : logProbabilities(logits, at, vocabulary, tokenId, request.logprobs);
      const named = (id: number, logprob: number) => {
        const bytes = tokenizer.bytesOf(id);
        return { token: new TextDecoder().decode(bytes), logprob, bytes: [...bytes] };
      };
      const logprob =
        logprobs === null
          ? {}
          : {
              logprob: {
                ...named(tokenId, logprobs.chosen),
                top_logprobs: logprobs.top.map(([id, value]) => named(id, value)),
              },
            };
      const event = { kind: 'token' as const, text: piece + tail, tokenId, ...logprob };
      return { event, ended: atEnd || stopped };
    },
  };
}

/** What is left at the end; a stop text may still end in it. */
function flushed(rest: string, cutter: ReturnType<typeof createStopCutter>): string {
  const { text, stopped } = cutter.push(rest);
  return stopped ? text : text + cutter.flush();
}

function promptTokens({ tokenizer, contextTokensMax }: GeneratingModel, request: GenerateRequest): number[] {
  const { text, addSpecialTokens } = promptText(request, tokenizer.template, tokenizer.specialTokens);
  const exceeded = (facts: Record<string, number>) =>
    new CodedError(
      'REQUEST_CONTEXT_EXCEEDED',
      `the model's context holds ${contextTokensMax} tokens, prompt and answer together`,
      {
        contextTokensMax,
        ...facts,
      },
    );
  if (text.length > contextTokensMax * CHARACTERS_PER_TOKEN_MAX) throw exceeded({ characters: text.length });
  const ids = tokenizer.encode(text, addSpecialTokens);
  if (ids.length === 0) throw new CodedError('REQUEST_INVALID', 'the request has no text to go on from');
  if (ids.length >= contextTokensMax) throw exceeded({ tokensIn: ids.length });
  return ids;
}

function runtimeFailed(cause: unknown): never {
  throw new CodedError('ANSWER_FAILED', 'the runtime could not compute the next token', {}, { cause });
}
