/** By what workers are put in order; the first is the one at the start. */
export const SORTS = [
  'name',
  'state',
  'model',
  'lease',
  'slots',
  'tokens',
  'first token',
  'breaker',
  'failed',
] as const;
export type Sort = (typeof SORTS)[number];

/** What the person at the keyboard has chosen. */
export type Choices = Readonly<{
  sort: Sort;
  reversed: boolean;
  /** Only workers whose name, state, model or TEE has these words. */
  filter: string;
  typing: boolean;
  paused: boolean;
  /** Workers scrolled away above. */
  from: number;
}>;

export const AT_FIRST: Choices = { sort: 'name', reversed: false, filter: '', typing: false, paused: false, from: 0 };
const FILTER_MAX = 64;
const PAGE = 10;

/**
 * What a key does. @param key as a terminal in raw mode sends it
 * @returns `quit`, or the choices after it: the same object where the key means nothing
 */
export function pressed(choices: Choices, key: string): Choices | 'quit' {
  if (key === '\u0003') return 'quit'; // Ctrl-C
  if (choices.typing) return typed(choices, key);
  switch (key) {
    case 'q':
    case 'Q':
      return 'quit';
    case 's':
      return { ...choices, sort: SORTS[(SORTS.indexOf(choices.sort) + 1) % SORTS.length] as Sort };
    case 'r':
      return { ...choices, reversed: !choices.reversed };
    case '/':
      return { ...choices, typing: true };
    case '\u001b':
      return { ...choices, filter: '', from: 0 };
    case ' ':
      return { ...choices, paused: !choices.paused };
    case '\u001b[A':
    case 'k':
      return scrolled(choices, -1);
    case '\u001b[B':
    case 'j':
      return scrolled(choices, 1);
    case '\u001b[5~':
      return scrolled(choices, -PAGE);
    case '\u001b[6~':
      return scrolled(choices, PAGE);
    default:
      return choices;
  }
}

function typed(choices: Choices, key: string): Choices {
  if (key === '\r' || key === '\n') return { ...choices, typing: false };
  if (key === '\u001b') return { ...choices, typing: false, filter: '', from: 0 };
  if (key === '\u007f' || key === '\b')
    return { ...choices, filter: [...choices.filter].slice(0, -1).join(''), from: 0 };
  if (!/^[\p{L}\p{N}\p{P}\p{S} ]+$/u.test(key)) return choices;
  return { ...choices, filter: (choices.filter + key).slice(0, FILTER_MAX), from: 0 };
}

function scrolled(choices: Choices, by: number): Choices {
  return { ...choices, from: Math.max(0, choices.from + by) };
}
