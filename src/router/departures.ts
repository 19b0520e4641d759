import { fromHex } from '../core/index.ts';
import type { Admissions } from './admission.ts';
import type { Devices } from './devices.ts';
import type { Evictions } from './evictions.ts';
import { type Admission, WORKERS_MAX, type Worker } from './fleet.ts';
import { every } from './rounds.ts';

const LOOK_SECONDS = 1;

/**
 * Workers that leave this router, and those that routers which are gone have left in: their devices may back others once
 * the log says that they are gone. A worker that another replica has still is not gone.
 */
export function createDepartures(
  deps: Readonly<{
    admission: Pick<Admissions, 'gone' | 'twins'>;
    devices: Devices;
    evictions: Pick<Evictions, 'add' | 'written'>;
    failed: (what: string, error: unknown) => void;
  }>,
) {
  const { admission, devices, evictions } = deps;
  /** What the store could not be told yet. */
  const leaving = new Set<() => Promise<void>>();

  const look = async (): Promise<void> => {
    for (const leave of [...leaving]) await leave();
    const { quarantined, orphans } = await devices.look();
    if (quarantined.size > 0) admission.twins(quarantined);
    if (orphans.length === 0) return;
    for (const { worker, logIndex } of orphans) {
      if (logIndex !== null) evictions.add(fromHex(worker, 'worker'), logIndex, { cause: 'router lost' });
    }
    await evictions.written();
    await devices.forget(orphans);
  };
  const looking = every(LOOK_SECONDS, look, (error) => deps.failed('devices of replicas', error));

  return {
    /**
     * @param last its admission that ends with this; null where the log has that already, or there was none
     * @param cause why, as the log says it
     */
    left(worker: Worker, last: Admission | null, cause: string): void {
      const leave = async (): Promise<void> => {
        const isGone = await admission.gone(worker);
        leaving.delete(leave);
        if (isGone && last !== null) evictions.add(last.workerId, last.logIndex, { cause });
      };
      if (leaving.size < WORKERS_MAX) leaving.add(leave);
      void leave().catch(() => undefined); // the store is away: tried again
    },
    close: looking.close,
  };
}
