import type { CodedError } from '../../core/index.ts';
import type { ChatDelta, ChatPayload, Finish, TokenLogprob } from '../../session/index.ts';
import type { ModelManifest } from './manifest.ts';

/** A request as it was sealed. What an engine does not have it refuses, and never ignores. */
export type GenerateRequest = ChatPayload;

/** Texts to embed. */
export type EmbedRequest = Readonly<{ texts: readonly string[]; dimensions?: number }>;
export type Embeddings = Readonly<{ vectors: readonly (readonly number[])[]; tokensIn: number }>;

/**
 * From an engine with a tokenizer, one event per generated token, the end-of-text token included; its text may be empty
 * (part of a character, or held back because a stop text may begin there), and all texts in a row are the answer. Then
 * exactly one `done`.
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
