import { CodedError, fromHex, parseStrictJson } from '../../core/index.ts';
import type { TrustAnchor } from './trust-anchor.ts';

const ANCHORS_MAX = 16;

/**
 * Reads a list of roots (`[{spkiSha256, name, purpose?}]`), as a development network writes it. Whatever the text says of
 * their kind, roots that come from a text are simulated ones: no policy for production takes them.
 * @throws CodedError CONFIG_INVALID, ENCODING_INVALID
 */
export function parseSimulatedAnchors(text: string): TrustAnchor[] {
  const value = parseStrictJson(text, 'trust anchors');
  const invalid = () => new CodedError('CONFIG_INVALID', 'not a list of trust anchors ({spkiSha256, name, purpose})');
  if (!Array.isArray(value) || value.length === 0 || value.length > ANCHORS_MAX) throw invalid();
  return value.map((item) => {
    const { spkiSha256, name, purpose } = (item ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof spkiSha256 !== 'string' || spkiSha256.length !== 64) throw invalid();
    if (purpose !== undefined && purpose !== 'nvidia-device' && purpose !== 'nvidia-manifest') throw invalid();
    return {
      spkiSha256: fromHex(spkiSha256, 'spkiSha256'),
      kind: 'simulated',
      name: `simulated: ${String(name ?? '')}`,
      purpose,
    };
  });
}
