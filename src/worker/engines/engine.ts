import type { Finish } from '../../session/index.ts';
import type { ModelManifest } from './manifest.ts';

export type ChatMessage = Readonly<{ role: 'system' | 'user' | 'assistant' | 'tool'; content: string }>;

/** What to generate: chat messages, or a prompt to go on from (then `messages` is empty). */
export type GenerateRequest = Readonly<{
  messages: readonly ChatMessage[];
  prompt?: string;
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
}>;

/**
 * One event per generated token, the end-of-text token included; its text may be empty (part of a character, or held
 * back because a stop text may begin there), and all texts in a row are the answer. Then exactly one `done`.
 */
export type GenerateEvent =
  | Readonly<{ kind: 'token'; text: string; tokenId: number }>
  | Readonly<{ kind: 'done'; finish: Finish; tokensIn: number; tokensOut: number }>;

/** A loaded model. Generations may overlap: they take turns, token by token. */
export type Engine = Readonly<{
  modelId: string;
  manifest: ModelManifest;
  /** Prompt and answer together, in tokens. */
  contextTokensMax: number;
  /**
   * Yields the answer as it is made. `signal` ends it before the next token with finish `cancelled`.
   * @throws CodedError REQUEST_INVALID (no text to go on from, or the model's template refuses the messages),
   *   REQUEST_CONTEXT_EXCEEDED (no room for an answer), ANSWER_FAILED (the runtime failed)
   */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GenerateEvent>;
  /** Frees the model. Generations that run end with finish `cancelled`. */
  close(): Promise<void>;
}>;
