import { toHex } from '../core/index.ts';
import type { ModelInfo } from './api.ts';
import type { CallOptions, RouterTransport } from './transport.ts';

/** Each request asks which models there are: not the router each time. */
const FRESH_MS = 1_000;
/** Until then an answer is as good for who asks for a model that stands in it, and the router is asked beside. */
const OLD_MS = 60_000;
const REFRESH_MS_MAX = 15_000;

/** Which models there are, as the router said last. */
export function createOfferedModels(transport: Pick<RouterTransport, 'listModels'>, now: () => number) {
  let listed: Readonly<{ at: number; models: readonly ModelInfo[] }> | null = null;
  let refreshing = false;

  const fresh = async (call: CallOptions): Promise<readonly ModelInfo[]> => {
    if (listed !== null && now() - listed.at < FRESH_MS) return listed.models;
    const models = (await transport.listModels(call)).map(({ modelDigest, ...model }) => ({
      ...model,
      digest: toHex(modelDigest),
    }));
    // What is not there may be there at once: an empty list is never kept.
    listed = models.length === 0 ? null : { at: now(), models };
    return models;
  };

  const refresh = (): void => {
    if (refreshing) return;
    refreshing = true;
    const away = () => undefined; // the list grows older, and is asked for in its turn
    void fresh({ deadline: now() + REFRESH_MS_MAX })
      .catch(away)
      .finally(() => {
        refreshing = false;
      });
  };

  const named = (models: readonly ModelInfo[], wanted: string | undefined) =>
    models.find(({ digest, name }) => wanted === undefined || digest === wanted || name === wanted);

  return {
    fresh,
    /** The model of this name or digest, any where none is named; null where the router has none such now. */
    async find(wanted: string | undefined, call: CallOptions): Promise<ModelInfo | null> {
      const age = listed === null ? Number.POSITIVE_INFINITY : now() - listed.at;
      if (listed !== null && age < OLD_MS) {
        const known = named(listed.models, wanted);
        if (known !== undefined) {
          if (age >= FRESH_MS) refresh();
          return known;
        }
        // Who is not there may have come since.
        listed = null;
      }
      return named(await fresh(call), wanted) ?? null;
    },
    /** No session could be had under what was said last. */
    forget(): void {
      listed = null;
    },
  };
}
