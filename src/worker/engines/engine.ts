import type { CodedError } from '../../core/index.ts';
import type { ChatDelta, ChatMessage, ChatPayload, Finish, TokenLogprob } from '../../session/index.ts';
import type { ModelManifest } from './manifest.ts';

/** A request as it was sealed; see {@link ChatPayload}. What an engine does not have it refuses, and never ignores. */
export type GenerateRequest = Readonly<{
  messages: readonly ChatMessage[];
  /** Text to go on from, instead of messages. */
  prompt?: string;
  /** Text that the answer has already: not repeated, gone on from. */
  prefix?: string;
  /** Tokens to generate at most, ≥ 1; the model's context may end the answer earlier. */
  maxTokens: number;
  /** 0 is greedy: the same request gives the same tokens. */
  temperature: number;
  /** Nucleus: the likeliest tokens that together reach this share; 1 is all of them, 0 the likeliest alone. */
  topP: number;
  /** Only the k likeliest tokens; 0 is all of them. */
  topK: number;
  /** The same seed, request and model give the same tokens. Without it the randomness is fresh. */
  seed?: number;
  /** The answer ends before the first of these texts; it is not part of the answer. */
  stop: readonly string[];
  /** With each token its log-probability, and so many of the likeliest others. */
  logprobs?: number;
  /** Taken from the logit of a token that the answer has: once, and once for each time. -2 to 2. */
  presencePenalty?: number;
  frequencyPenalty?: number;
  /** Added to the logits of these tokens, by token id in decimal. */
  logitBias?: Readonly<Record<string, number>>;
  tools?: ChatPayload['tools'];
  toolChoice?: ChatPayload['toolChoice'];
  responseFormat?: ChatPayload['responseFormat'];
  /** Of whoever asks: an engine that keeps prompts for later shares them within one salt alone. */
  cacheSalt?: string;
}>;

/** Texts to embed. */
export type EmbedRequest = Readonly<{ texts: readonly string[]; dimensions?: number }>;
export type Embeddings = Readonly<{ vectors: readonly (readonly number[])[]; tokensIn: number }>;

/**
 * From an engine with a tokenizer, one event per generated token, the end-of-text token included; its text may be empty (part of a character, or held
 * back because a stop text may begin there), and all texts in a row are the answer. Then exactly one `done`.
 */
export type GenerateEvent =
  | Readonly<{ kind: 'token'; text: string; tokenId: number; logprob?: TokenLogprob }>
  /** An engine that speaks in text alone: as many tokens as it says, or one where it does not say. */
  | Readonly<{ kind: 'delta'; delta: ChatDelta; tokens: number }>
  | Readonly<{ kind: 'done'; finish: Finish; tokensIn: number; tokensCached: number; tokensOut: number }>;

/** A loaded model. Generations may overlap: they take turns, token by token. */
export type Engine = Readonly<{
  modelId: string;
  manifest: ModelManifest;
  /** Prompt and answer together, in tokens. */
  contextTokensMax: number;
  /**
   * Yields the answer as it is made. `signal` ends it before the next token with finish `cancelled`.
   * @throws CodedError REQUEST_UNSUPPORTED (the request asks for what this engine does not have), REQUEST_INVALID (no text to go on from, or the model's template refuses the messages),
   *   REQUEST_CONTEXT_EXCEEDED (no room for an answer), ANSWER_FAILED (the runtime failed)
   */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GenerateEvent>;
  /** @throws CodedError REQUEST_UNSUPPORTED where the model gives no embeddings */
  embed(request: EmbedRequest, signal: AbortSignal): Promise<Embeddings>;
  /** Why no request can be answered now; null where all is well. An engine without it is always well. */
  trouble?(): CodedError | null;
  /** Frees the model. Generations that run end with finish `cancelled`. */
  close(): Promise<void>;
}>;
