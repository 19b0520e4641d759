import type { ErrorCode } from '../core/index.ts';
import type { AppraiseEvidence } from './admission-deps.ts';
import type { Usage } from './routing/index.ts';

/** What an operator counts. Numbers and closed sets of words alone: nothing of a request, a key or an account. */
export type Meter = Readonly<{
  /** @param error null where it was answered whole */
  requestEnded(seconds: number, error: ErrorCode | null): void;
  /** From the request's arrival to its first sealed frame. */
  firstFrame(seconds: number): void;
  /** @param outcome the appraisal's status, or `error` where none came of it */
  evidenceJudged(seconds: number, outcome: string): void;
  /** For a slot of a worker. */
  waited(seconds: number): void;
  /** A final receipt came: what it counts. */
  answered(usage: Usage): void;
}>;

const nothing = () => undefined;
export const NO_METER: Meter = {
  requestEnded: nothing,
  firstFrame: nothing,
  evidenceJudged: nothing,
  waited: nothing,
  answered: nothing,
};

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
