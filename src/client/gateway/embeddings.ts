import { z } from 'zod';
import { toBase64 } from '../../core/index.ts';
import type { Embedded, EmbedRequest } from '../api.ts';
import { answerFacts } from './facts.ts';
import { checked, model } from './request.ts';

const INPUTS_MAX = 2_048;

export const embeddingsBody = z.object({
  model,
  input: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(INPUTS_MAX)], {
    error: 'must be a text or an array of texts',
  }),
  dimensions: z.int().min(1).max(65_536).nullish(),
  encoding_format: z.enum(['float', 'base64']).nullish(),
});

/** Body of `POST /v1/embeddings`. @throws CodedError REQUEST_INVALID, `facts.param` names the field */
export function parseEmbeddingsBody(json: unknown): Readonly<{ request: EmbedRequest; base64: boolean }> {
  const body = checked(embeddingsBody, json);
  return {
    request: {
      ...(body.model === undefined ? {} : { model: body.model }),
      texts: typeof body.input === 'string' ? [body.input] : body.input,
      ...(body.dimensions == null ? {} : { dimensions: body.dimensions }),
    },
    base64: body.encoding_format === 'base64',
  };
}

export function embeddingsAnswer(named: string, embedded: Embedded, base64: boolean) {
  const { vectors, usage, worker, receipt } = embedded;
  const tokens = usage.tokensIn + usage.tokensCached;
  const encode = (vector: readonly number[]) =>
    base64 ? toBase64(new Uint8Array(Float32Array.from(vector).buffer)) : vector;
  return {
    object: 'list',
    model: named,
    data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: encode(vector) })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
    chrysalis: answerFacts(worker, { receipt, earlier: [] }),
  };
}
