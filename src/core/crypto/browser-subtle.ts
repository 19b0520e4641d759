import { CodedError } from '../errors.ts';

export type Bytes = Uint8Array<ArrayBuffer>;

/** What WebCrypto throws for keys and inputs that are none. */
const REFUSALS: ReadonlySet<string> = new Set(['DataError', 'OperationError', 'SyntaxError']);

/**
 * Runs something of WebCrypto.
 * @returns what `work` answers, or null where the platform refuses its input
 * @throws CodedError PLATFORM_UNSUPPORTED where the platform lacks the algorithm, or WebCrypto altogether: that says
 *   nothing of the input
 */
export async function withSubtle<T>(work: (subtle: SubtleCrypto) => Promise<T>): Promise<T | null> {
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  if (subtle === undefined) throw unsupported('there is no WebCrypto here: it needs https or localhost');
  try {
    return await work(subtle);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    if (REFUSALS.has(error.name)) return null;
    if (error.name === 'NotSupportedError') throw unsupported('WebCrypto lacks an algorithm here: use a newer browser');
    throw error;
  }
}

const unsupported = (why: string) => new CodedError('PLATFORM_UNSUPPORTED', why);

/** WebCrypto does not take memory that may be shared; the bytes themselves where they are not. */
export function own(data: Uint8Array): Bytes {
  return data.buffer instanceof ArrayBuffer ? (data as Bytes) : Uint8Array.from(data);
}
