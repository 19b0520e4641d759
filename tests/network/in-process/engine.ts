import { sha256 } from '#crypto';
import { type Bytes, CodedError, utf8 } from '../../../src/core/index.ts';
import { type Engine, modelDigest } from '../../../src/worker/index.ts';

/**
 * An engine whose answer is known: the words of the last message, one token each, after `delayMs` a token. It dies after
 * `diesAfter` tokens, and says at the end that it was `says` tokens.
 */
export function echoEngine(
  options: Readonly<{ delayMs?: number; tokens?: number; diesAfter?: number; says?: number }> = {},
): Engine & { generated: number; stoppedAt: number } {
  const engine = {
    modelId: 'echo',
    manifest: { files: [] } as unknown as Engine['manifest'],
    contextTokensMax: 4096,
    generated: 0,
    stoppedAt: 0,
    async *generate(request: Parameters<Engine['generate']>[0], signal: AbortSignal) {
      const words = String(request.messages.at(-1)?.content ?? request.prompt ?? '').split(' ');
      const whole = options.tokens ?? words.length;
      // An answer that another worker began is gone on with.
      const begun = (request.prefix ?? '').split(' ').length - 1;
      const count = Math.min(whole - begun, request.maxTokens);
      for (let i = 0; i < count; i++) {
        if (options.delayMs !== undefined) await new Promise((done) => setTimeout(done, options.delayMs));
        if (signal.aborted) {
          engine.stoppedAt = performance.now();
          yield { kind: 'done', finish: 'cancelled', tokensIn: words.length, tokensCached: 0, tokensOut: i } as const;
          return;
        }
        if (i === options.diesAfter) throw new CodedError('ENGINE_UNREACHABLE', 'the engine died');
        engine.generated += 1;
        yield { kind: 'token', text: `${words[(begun + i) % words.length]} `, tokenId: begun + i } as const;
      }
      yield {
        kind: 'done',
        finish: 'stop',
        tokensIn: words.length,
        tokensCached: 0,
        tokensOut: options.says ?? count,
      } as const;
    },
    embed: async () => Promise.reject(new Error('no embeddings')),
    close: async () => undefined,
  };
  return engine;
}

/** What evidence names; an echo has no files. */
export const modelOf = ({ manifest }: Engine): Bytes =>
  manifest.files.length === 0 ? sha256(utf8('echo')) : modelDigest(manifest);
