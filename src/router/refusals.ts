import type { AppraisalGroups } from '../attestation/index.ts';
import { type Bytes, type ErrorCode, KIND_OF_CODE } from '../core/index.ts';
import type { AdmissionDeps } from './admission-deps.ts';
import type { Worker } from './fleet.ts';
import { openChecks } from './standings.ts';

/** Tells workers why they are not in, and keeps it for their owners. */
export function createRefusals(deps: Pick<AdmissionDeps, 'now' | 'policy' | 'standings'>) {
  /** Whose identity key has signed for evidence on this connection: to them refusals are told again when they ask. */
  const identified = new WeakMap<Worker, Bytes>();
  return {
    identify(worker: Worker, workerId: Bytes): void {
      identified.set(worker, workerId);
    },
    /** @param retryAfterMs 0: not with the same image */
    refuse(
      worker: Worker,
      code: ErrorCode,
      message: string,
      failedChecks: readonly string[],
      retryAfterMs: number,
      groups: AppraisalGroups | null = null,
    ): void {
      if (worker.admission === null) worker.state = 'refused';
      const workerId = identified.get(worker);
      if (workerId !== undefined) {
        const { number: policyNumber, digest: policyDigest } = deps.policy();
        const checks = openChecks(failedChecks, groups);
        const isOutage =
          groups === null ? KIND_OF_CODE[code] === 'unavailable' : checks.every((one) => one.code === '');
        const told = { code, message, isOutage, checks, retryAfterMs };
        deps.standings.put(workerId, { ...told, at: deps.now(), policyNumber, policyDigest });
      }
      worker.control.send({ kind: 'refusal', code, message, failedChecks, retryAfterMs });
    },
  };
}
