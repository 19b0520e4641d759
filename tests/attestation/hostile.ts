import fc from 'fast-check';
import { CodedError } from '../../src/core/index.ts';

/** What every parser of hostile input owes: an answer or a coded refusal, within this. */
const MILLISECONDS_MAX = 50;
const ATTEMPTS_MAX = 20;

type Edit = Readonly<{
  kind: 'flip' | 'set' | 'insert' | 'remove' | 'repeat' | 'cut';
  at: number;
  length: number;
  byte: number;
}>;

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom('flip', 'flip', 'set', 'set', 'insert', 'remove', 'repeat', 'cut'),
  at: fc.nat(),
  length: fc.integer({ min: 1, max: 64 }),
  byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
});

function apply(bytes: Uint8Array, { kind, at, length, byte }: Edit): Uint8Array {
  if (bytes.length === 0) return Uint8Array.of(byte);
  const start = at % bytes.length;
  const end = Math.min(bytes.length, start + length);
  const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
  if (kind === 'insert')
    return join(bytes.subarray(0, start), new Uint8Array(length).fill(byte), bytes.subarray(start));
  if (kind === 'remove') return join(bytes.subarray(0, start), bytes.subarray(end));
  if (kind === 'repeat') return join(bytes.subarray(0, end), bytes.subarray(start));
  if (kind === 'cut') return bytes.slice(0, start);
  const out = Uint8Array.from(bytes);
  out[start] = kind === 'flip' ? (out[start] as number) ^ (1 << (byte & 7)) : byte;
  return out;
}

/** A good input with a few edits, or anything at all. */
export function hostileBytes(good: Uint8Array): fc.Arbitrary<Uint8Array> {
  const edited = fc.array(edit, { minLength: 1, maxLength: 4 }).map((edits) => edits.reduce(apply, good));
  return fc.oneof({ weight: 9, arbitrary: edited }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) });
}

const decoder = new TextDecoder('latin1');
/** The same for text; characters outside ASCII come in too. */
export function hostileText(good: string): fc.Arbitrary<string> {
  return hostileBytes(new TextEncoder().encode(good)).map((bytes) => decoder.decode(bytes));
}

export type Answer<T> = Readonly<{ code: null; value: T } | { code: string; value: null }>;

/** Throws where an answer took too long; one that did is asked again, because the machine has other work too. */
export async function inTime<T>(ask: () => T | Promise<T>, attemptsMax = ATTEMPTS_MAX): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const start = performance.now();
    const answer = await ask();
    const spent = performance.now() - start;
    if (spent <= MILLISECONDS_MAX) return answer;
    if (attempt === attemptsMax) throw new Error(`an answer after ${spent.toFixed(0)} ms: ${JSON.stringify(answer)}`);
  }
}

/** {@link inTime} of a parser: its answer, or the code of its refusal. Anything else it throws is a defect. */
export function answerOf<T>(parse: () => T): Answer<T> {
  for (let attempt = 1; ; attempt++) {
    const start = performance.now();
    const answer = coded(parse);
    const spent = performance.now() - start;
    if (spent <= MILLISECONDS_MAX) return answer;
    if (attempt === ATTEMPTS_MAX) throw new Error(`${answer.code ?? 'an answer'} after ${spent.toFixed(0)} ms`);
  }
}

function coded<T>(parse: () => T): Answer<T> {
  try {
    return { code: null, value: parse() };
  } catch (error) {
    if (error instanceof CodedError && error.code !== 'INVARIANT_BROKEN') return { code: error.code, value: null };
    throw error;
  }
}
