import { type DeviceClaim, DeviceRegistry } from '../attestation/index.ts';
import type { UnixMs } from '../core/index.ts';
import type { DeviceStore, LeaseRow } from '../store/index.ts';

export type Serial = Readonly<{ serial: string }>;

/** Which live worker each device backs: of this router alone, or of all replicas of it. Workers by id, hexadecimal. */
export type Devices = Readonly<{
  /** @returns `unknown` where it cannot be told now whether a holder is gone */
  claim(
    worker: string,
    devices: readonly Serial[],
    until: UnixMs,
    now: UnixMs,
  ): Promise<DeviceClaim | Readonly<{ outcome: 'unknown' }>>;
  /** The entry that says that the worker is in. */
  admitted(worker: string, logIndex: number): Promise<void>;
  /** The worker is gone from this router. @returns whether it is gone altogether */
  release(worker: string): Promise<boolean>;
  /** Called each second. @returns serials that two workers have claimed, and whom routers that are gone have left in */
  look(): Promise<Readonly<{ quarantined: ReadonlySet<string>; orphans: readonly LeaseRow[] }>>;
  /** Those who were left in stand in the log as gone. */
  forget(orphans: readonly LeaseRow[]): Promise<void>;
}>;

const NOTHING = { quarantined: new Set<string>(), orphans: [] };

/** In the memory of the one router there is. */
export function ownDevices(): Devices {
  const registry = new DeviceRegistry();
  return {
    claim: async (...asked) => registry.claim(...asked),
    admitted: async () => undefined,
    release: async (worker) => {
      registry.release(worker);
      return true;
    },
    look: async () => NOTHING,
    forget: async () => undefined,
  };
}

/** In a store that replicas share: the same decisions, one after the other. */
export function sharedDevices(store: DeviceStore): Devices {
  /** In the order in which this router asked: a worker that comes back comes after it went. */
  let last: Promise<unknown> = Promise.resolve();
  const inOrder = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const run = last.then(work, work);
    last = run.catch(() => undefined);
    return run;
  };
  return {
    claim: (worker, devices, until, now) =>
      inOrder(async () => {
        const serials = devices.map(({ serial }) => serial);
        const decided = await store.claim({ worker, serials }, (claims) => {
          const registry = new DeviceRegistry(undefined, claims);
          const result = registry.claim(worker, devices, until, now);
          return { result, claims: registry.claims() };
        });
        return decided?.result ?? { outcome: 'unknown' };
      }),
    admitted: (worker, logIndex) => inOrder(() => store.admitted(worker, logIndex)),
    release: (worker) => inOrder(() => store.release(worker)),
    look: async () => {
      const { quarantined, orphans } = await store.look();
      return { quarantined: new Set(quarantined), orphans };
    },
    forget: (orphans) => inOrder(() => store.forget(orphans)),
  };
}
