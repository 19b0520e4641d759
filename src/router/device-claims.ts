import type { AffirmingAppraisal } from '../attestation/index.ts';
import { fromHex, toHex, type UnixMs } from '../core/index.ts';
import type { AdmissionDeps } from './admission-deps.ts';
import type { Worker } from './fleet.ts';

export const UNIQUE_DEVICES = 'uniqueDevices';
const RETRY_AFTER_MS = 30_000;
/** After that a router that is silent counts as gone. */
const UNKNOWN_RETRY_MS = 12_000;

type Judged = Readonly<{ appraisal: AffirmingAppraisal; judgedAt: UnixMs }>;

/**
 * Which attached worker each device backs. One device backs one live worker; a twin puts both out, until neither lease is
 * left.
 * @param tell.unknown it cannot be told now whether another has a device of the worker
 * @param tell.twin a device of this worker backs another one as well
 * @param tell.refused a claim was refused for that
 */
export function createDeviceClaims(
  deps: Pick<AdmissionDeps, 'devices' | 'fleet' | 'now'>,
  tell: Readonly<{
    unknown: (worker: Worker, retryAfterMs: number) => void;
    twin: (worker: Worker, retryAfterMs: number) => void;
    refused: () => void;
  }>,
) {
  const claimedBy = new WeakMap<Worker, Readonly<{ worker: string; serials: readonly string[] }>>();
  /** Connections that claimed for one identity: a worker that dials twice is gone with the last of them that is in. */
  const connections = new Map<string, Set<Worker>>();

  /** @returns whether it has left every router */
  const released = async (worker: Worker): Promise<boolean> => {
    const claimed = claimedBy.get(worker);
    if (claimed === undefined) return true;
    const same = connections.get(claimed.worker);
    const isStillIn = [...(same ?? [])].some(
      (one) => one !== worker && (one.state === 'admitted' || one.state === 'draining'),
    );
    const isGone = !isStillIn && (await deps.devices.release(claimed.worker));
    claimedBy.delete(worker);
    same?.delete(worker);
    if (same?.size === 0) connections.delete(claimed.worker);
    return isGone;
  };

  /** By the clock that the log entry has too: an auditor who replays the leases comes to the same. */
  const asked = (worker: Worker, { appraisal, judgedAt }: Judged, until: UnixMs) => {
    const holder = toHex(appraisal.workerId);
    claimedBy.set(worker, { worker: holder, serials: appraisal.devices.map(({ serial }) => serial) });
    connections.set(holder, (connections.get(holder) ?? new Set()).add(worker));
    return [holder, appraisal.devices, until, judgedAt] as const;
  };

  /** Whoever is gone once its claim was made holds nothing. */
  const isHeld = async (worker: Worker): Promise<boolean> => {
    if (worker.state !== 'gone') return true;
    await released(worker);
    return false;
  };

  return {
    released,
    /** False where it did not get them, and was told so. */
    async claim(worker: Worker, judged: Judged, until: UnixMs): Promise<boolean> {
      const claimed = await deps.devices.claim(...asked(worker, judged, until));
      if (!(await isHeld(worker))) return false;
      if (claimed.outcome === 'claimed') return true;
      if (claimed.outcome === 'unknown') {
        tell.unknown(worker, UNKNOWN_RETRY_MS);
        return false;
      }
      const retry = claimed.outcome === 'full' ? RETRY_AFTER_MS : Math.max(claimed.until - deps.now(), RETRY_AFTER_MS);
      for (const twin of claimed.outcome === 'twin' ? claimed.holders : []) {
        const other = deps.fleet.byId(fromHex(twin));
        if (other !== undefined && other !== worker) tell.twin(other, retry);
      }
      tell.twin(worker, retry);
      tell.refused();
      return false;
    },
    /** For evidence of before: whoever came meanwhile with one of the devices keeps it, and nobody is told anything. */
    async claimFree(worker: Worker, judged: Judged, until: UnixMs): Promise<boolean> {
      const isFree = await deps.devices.claimFree(...asked(worker, judged, until));
      return (await isHeld(worker)) && isFree;
    },
    /** Devices that two workers claimed, at whatever router: whoever has one here is put out. */
    twins(quarantined: ReadonlySet<string>): void {
      for (const worker of deps.fleet.all()) {
        const serials = claimedBy.get(worker)?.serials ?? [];
        if (worker.state === 'admitted' && serials.some((serial) => quarantined.has(serial))) {
          tell.twin(worker, RETRY_AFTER_MS);
        }
      }
    },
  };
}
