/** Cuts a growing text before the first stop text, and holds back an end that may still become one. */
export function createStopCutter(stop: readonly string[]) {
  const stops = stop.filter((text) => text !== '');
  let held = '';
  return {
    /** @returns the text that is safe to give out, and whether a stop text was met (nothing comes after it). */
    push(text: string): Readonly<{ text: string; stopped: boolean }> {
      if (stops.length === 0) return { text, stopped: false };
      held += text;
      let cut = -1;
      for (const one of stops) {
        const at = held.indexOf(one);
        if (at !== -1 && (cut === -1 || at < cut)) cut = at;
      }
      if (cut !== -1) {
        const out = held.slice(0, cut);
        held = '';
        return { text: out, stopped: true };
      }
      const keep = longestBeginning(held, stops);
      const out = held.slice(0, held.length - keep);
      held = held.slice(held.length - keep);
      return { text: out, stopped: false };
    },
    /** What was held back, where the answer ends without a stop text. */
    flush(): string {
      const out = held;
      held = '';
      return out;
    },
  };
}

/** Length of the longest end of `text` that begins one of `stops`. */
function longestBeginning(text: string, stops: readonly string[]): number {
  let keep = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > keep; length--) {
      if (text.endsWith(stop.slice(0, length))) {
        keep = length;
        break;
      }
    }
  }
  return keep;
}

/** Turns tokens into text as they come; a character that spans tokens comes with the last of them. */
export type TokenText = Readonly<{ push(tokenId: number): string; flush(): string }>;

/** For tokenizers whose tokens are bytes: `bytesOf` answers with a token's bytes, null for special tokens. */
export function textOfByteTokens(bytesOf: (tokenId: number) => Uint8Array | null): TokenText {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    push: (tokenId) => {
      const bytes = bytesOf(tokenId);
      return bytes === null ? '' : decoder.decode(bytes, { stream: true });
    },
    flush: () => decoder.decode(),
  };
}

/**
 * For every other tokenizer: decodes the tokens since the last complete character anew, after a few that came before
 * (decoders drop a leading space, so a token's text depends on the one before it).
 */
export function textByDecoding(decode: (tokenIds: number[]) => string): TokenText {
  const ids: number[] = [];
  let from = 0;
  let given = 0;
  const rest = (): string => {
    const before = decode(ids.slice(from, given));
    return decode(ids.slice(from)).slice(before.length);
  };
  return {
    push(tokenId) {
      ids.push(tokenId);
      const text = rest();
      if (text === '' || text.endsWith('\uFFFD')) return '';
      from = given;
      given = ids.length;
      return text;
    },
    flush: rest,
  };
}
