import { CodedError, type ErrorCode } from '../../core/index.ts';

/** A document that a caller gave, or did not give, and what became of it. What fails is data here: a verdict reports it. */
export type Judged<T> = Readonly<
  | { state: 'ok'; value: T }
  | { state: 'failed'; code: ErrorCode; reason: string }
  | { state: 'missing'; reason: string }
>;

export function ok<T>(value: T): Judged<T> {
  return { state: 'ok', value };
}

export function wrong(code: ErrorCode, reason: string): Judged<never> {
  return { state: 'failed', code, reason };
}

export function missing(reason: string): Judged<never> {
  return { state: 'missing', reason };
}

/** Runs a parser; its refusal becomes data. What is not a refusal (a bug) goes on as it is. */
export function judgeParse<T>(what: string, parse: () => T): Judged<T> {
  try {
    return ok(parse());
  } catch (error) {
    if (!(error instanceof CodedError) || error.code === 'INVARIANT_BROKEN') throw error;
    const code = error.code === 'ENCODING_INVALID' ? 'ENDORSEMENT_MALFORMED' : error.code;
    return wrong(code, `${what}: ${error.message}`);
  }
}
