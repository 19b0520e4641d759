import type { ErrorCode } from '../core/index.ts';
import type { Anew } from '../session/index.ts';
import type { AppraiseEvidence } from './admission-deps.ts';
import type { Usage } from './routing/index.ts';

/** What an operator counts. Numbers and closed sets of words alone: nothing of a request, a key or an account. */
export type Meter = Readonly<{
  /** @param error null where it was answered whole */
  requestEnded(seconds: number, error: ErrorCode | null): void;
  /** From the request's arrival to its first sealed frame. */
  firstFrame(seconds: number): void;
  /**
   * @param outcome the appraisal's status, or `error` where none came of it
   * @param because `group.check` of each check that stood in the way
   */
  evidenceJudged(seconds: number, outcome: string, because: readonly string[]): void;
  /** A worker came back with a ticket. @param outcome `resumed`, or why it has to prove itself anew */
  cameBack(outcome: 'resumed' | Anew): void;
  /** For a slot of a worker. */
  waited(seconds: number): void;
  /** Where prefix tags led: `matched`, `unmatched`, or `untagged` for a request without them. */
  picked(outcome: 'matched' | 'unmatched' | 'untagged'): void;
  /** A final receipt came: what it counts. */
  answered(usage: Usage): void;
  /** Of the answer's tokens after its first frame, each. */
  perToken(seconds: number): void;
  /** The first request of a session came. */
  sessionOpened(suite: 'x-wing' | 'x25519', mode: number): void;
  /** Since a worker's epoch key was made, when it was offered. */
  epochAge(seconds: number): void;
  /** @param check the first that did not pass */
  receiptRefused(check: string): void;
}>;

const nothing = () => undefined;
export const NO_METER: Meter = {
  requestEnded: nothing,
  firstFrame: nothing,
  evidenceJudged: nothing,
  cameBack: nothing,
  waited: nothing,
  picked: nothing,
  answered: nothing,
  perToken: nothing,
  sessionOpened: nothing,
  epochAge: nothing,
  receiptRefused: nothing,
};

export function timedAppraisal(appraise: AppraiseEvidence, meter: Meter, seconds: () => number): AppraiseEvidence {
  return async (...evidence) => {
    const started = seconds();
    try {
      const judged = await appraise(...evidence);
      const { appraisal } = judged;
      // Rules of a policy's own are named by whoever wrote it: all of them are one.
      const because = appraisal.status === 'affirming' ? [] : appraisal.because.map((name) => name.replace(/:.*$/, ''));
      meter.evidenceJudged(seconds() - started, appraisal.status, because);
      return judged;
    } catch (error) {
      meter.evidenceJudged(seconds() - started, 'error', []);
      throw error;
    }
  };
}
