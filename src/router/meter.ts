import { asCodedError, type ErrorCode } from '../core/index.ts';
import type { AppraiseEvidence } from './admission-deps.ts';
import type { InferClient } from './links.ts';
import type { Usage } from './routing/index.ts';

/** What an operator counts. Numbers and closed sets of words alone: nothing of a request, a key or an account. */
export type Meter = Readonly<{
  /** @param error null where it was answered whole */
  requestEnded(seconds: number, error: ErrorCode | null): void;
  /** From the request's arrival to its first sealed frame. */
  firstFrame(seconds: number): void;
  /** @param outcome the appraisal's status, or `error` where none came of it */
  evidenceJudged(seconds: number, outcome: string): void;
  /** A final receipt came: what it counts. */
  answered(usage: Usage): void;
}>;

const nothing = () => undefined;
export const NO_METER: Meter = {
  requestEnded: nothing,
  firstFrame: nothing,
  evidenceJudged: nothing,
  answered: nothing,
};

/** A client whose request is counted and timed. @param seconds a clock that never goes back */
export function metered(client: InferClient, meter: Meter, seconds: () => number) {
  const started = seconds();
  return {
    firstFrame: () => meter.firstFrame(seconds() - started),
    client: {
      write: client.write,
      pause: client.pause,
      resume: client.resume,
      finish: (error: unknown) => {
        meter.requestEnded(seconds() - started, error === null ? null : asCodedError(error).code);
        client.finish(error);
      },
    } satisfies InferClient,
  };
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
