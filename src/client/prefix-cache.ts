import { hmacSha256 } from '#crypto';
import { type Bytes, type Randomness, toBase64, type UnixMs, utf8 } from '../core/index.ts';
import { cacheSalt, prefixTags } from '../session/index.ts';
import type { ChatRequest } from './api.ts';

/** How a client lets workers use again what they have computed of a prompt. */
export type PrefixCacheOptions = Readonly<{
  /** 32 bytes, of one user: whoever has it can test guesses of the others' prompts together with the router. */
  secret: Bytes;
}>;

export type PrefixCache = Readonly<{
  /**
   * Blinded tags of a prompt's beginnings, 48 bytes (AIS/1 section 11).
   * @param scope of users of one client who must not learn of each other; empty for its only one
   */
  tags(model: Bytes, request: ChatRequest, scope: string): Bytes;
  /** What the engine mixes into its cache's keys; base64. It travels sealed. */
  salt(model: Bytes, scope: string): string;
}>;

/** A client has no tokenizer: so many bytes of UTF-8 stand for a token, as the router reckons too. */
const TOKEN_BYTES = 4;
/** The longest prefix that has a tag. */
const TOKENS_MAX = 1024 * 2 ** 7;

export function createPrefixCache(
  { secret }: PrefixCacheOptions,
  now: () => UnixMs,
  randomness: Randomness,
): PrefixCache {
  const secretOf = (scope: string): Bytes =>
    scope === '' ? secret : hmacSha256(secret, utf8(`chrysalis cache scope ${scope}`));
  return {
    tags: (model, request, scope) => prefixTags(secretOf(scope), model, promptTokens(request), now(), randomness),
    salt: (model, scope) => toBase64(cacheSalt(secretOf(scope), model)),
  };
}

/** The prompt in the order in which templates write it, so that a conversation that goes on begins with itself. */
export function promptTokens({ prompt, tools, messages }: ChatRequest): Uint32Array {
  const parts = prompt === undefined ? [...(tools === undefined ? [] : [tools]), ...messages] : [];
  const bytes = utf8(prompt ?? parts.map((part) => JSON.stringify(part)).join('\n'));
  const tokens = new Uint32Array(Math.min(TOKENS_MAX, Math.floor(bytes.length / TOKEN_BYTES)));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = 0; i < tokens.length; i++) tokens[i] = view.getUint32(TOKEN_BYTES * i);
  return tokens;
}
