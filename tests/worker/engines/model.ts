import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bytes } from '../../../src/core/index.ts';
import type { Engine, GenerateEvent, GenerateRequest, ModelFolder } from '../../../src/worker/engines/index.ts';

/** The model that the repository carries. */
export const MODEL = resolve(
  dirname(fileURLToPath(import.meta.url)),
  '../../../enclave-images/models/chrysalis-tales-3m',
);

export const zeros = (length: number): Bytes => new Uint8Array(length);

export function ask(content: string, more: Partial<GenerateRequest> = {}): GenerateRequest {
  const sampling = { maxTokens: 40, temperature: 0, topP: 1, topK: 0, stop: [] };
  return { messages: [{ role: 'user', content }], ...sampling, ...more };
}

export type Answered = Readonly<{
  text: string;
  pieces: readonly string[];
  tokens: readonly number[];
  done: Extract<GenerateEvent, { kind: 'done' }>;
}>;

export async function answered(engine: Engine, request: GenerateRequest, signal?: AbortSignal): Promise<Answered> {
  const pieces: string[] = [];
  const tokens: number[] = [];
  for await (const event of engine.generate(request, signal ?? new AbortController().signal)) {
    if (event.kind === 'done') return { text: pieces.join(''), pieces, tokens, done: event };
    if (event.kind !== 'token') throw new Error('this engine speaks in tokens');
    pieces.push(event.text);
    tokens.push(event.tokenId);
  }
  throw new Error('the engine ended without saying so');
}

/** A folder in memory. */
export function folderOf(files: ReadonlyMap<string, Bytes>): ModelFolder {
  return {
    name: 'in-memory',
    list: async () => [...files.keys()].sort(),
    read: async (path) => files.get(path) as Bytes,
  };
}
