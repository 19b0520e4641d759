import { CodedError, type ErrorCode } from '../core/index.ts';
import type { ResponsePart } from '../session/index.ts';
import type { AppraiseEvidence } from './admission-deps.ts';

/** What an operator counts. Numbers and closed sets of words alone: nothing of a request, a key or an account. */
export type Meter = Readonly<{
  /** @param error null where it was answered whole */
  requestEnded(seconds: number, error: ErrorCode | null): void;
  /** From the request's arrival to its first sealed frame. */
  firstFrame(seconds: number): void;
  /** @param outcome the appraisal's status, or `error` where none came of it */
  evidenceJudged(seconds: number, outcome: string): void;
}>;

const nothing = () => undefined;
export const NO_METER: Meter = {
  requestEnded: nothing,
  firstFrame: nothing,
  evidenceJudged: nothing,
};

/** The parts of one request as they come, counted and timed. @param seconds a clock that never goes back */
export async function* metered(
  parts: AsyncIterable<ResponsePart>,
  meter: Meter,
  seconds: () => number,
): AsyncGenerator<ResponsePart> {
  const started = seconds();
  let begun = false;
  let error: ErrorCode | null = 'REQUEST_CANCELLED'; // whoever leaves the loop early has hung up
  try {
    for await (const part of parts) {
      if (part.kind === 'frame' && !begun) {
        begun = true;
        meter.firstFrame(seconds() - started);
      }
      yield part;
    }
    error = null;
  } catch (thrown) {
    error = thrown instanceof CodedError ? thrown.code : 'INVARIANT_BROKEN';
    throw thrown;
  } finally {
    meter.requestEnded(seconds() - started, error);
  }
}

export function timedAppraisal(appraise: AppraiseEvidence, meter: Meter, seconds: () => number): AppraiseEvidence {
  return async (...evidence) => {
    const started = seconds();
    try {
      const judged = await appraise(...evidence);
      meter.evidenceJudged(seconds() - started, judged.appraisal.status);
      return judged;
    } catch (error) {
      meter.evidenceJudged(seconds() - started, 'error');
      throw error;
    }
  };
}
