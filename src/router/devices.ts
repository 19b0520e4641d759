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
  /** As `claim`, where that takes no device from anybody. @returns false where it would, and nothing has changed */
  claimFree(worker: string, devices: readonly Serial[], until: UnixMs, now: UnixMs): Promise<boolean>;
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

const claimedFree = (
  registry: DeviceRegistry,
  worker: string,
  devices: readonly Serial[],
  until: UnixMs,
  now: UnixMs,
) => registry.isFree(worker, devices, now) && registry.claim(worker, devices, until, now).outcome === 'claimed';

/** In the memory of the one router there is. */
export function ownDevices(): Devices {
  const registry = new DeviceRegistry();
  return {
    claim: async (...asked) => registry.claim(...asked),
    claimFree: async (...asked) => claimedFree(registry, ...asked),
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
  const decide = <Result>(worker: string, devices: readonly Serial[], by: (registry: DeviceRegistry) => Result) =>
    inOrder(() =>
      store.claim({ worker, serials: devices.map(({ serial }) => serial) }, (claims) => {
        const registry = new DeviceRegistry(undefined, claims);
        const result = by(registry);
        return { result, claims: registry.claims() };
      }),
    );
  return {
    claim: async (...asked) => {
      const decided = await decide(asked[0], asked[1], (registry) => registry.claim(...asked));
      return decided?.result ?? { outcome: 'unknown' };
    },
    claimFree: async (...asked) => {
      const decided = await decide(asked[0], asked[1], (registry) => claimedFree(registry, ...asked));
      return decided?.result ?? false;
    },
    admitted: (worker, logIndex) => inOrder(() => store.admitted(worker, logIndex)),
    release: (worker) => inOrder(() => store.release(worker)),
    look: async () => {
      const { quarantined, orphans } = await store.look();
      return { quarantined: new Set(quarantined), orphans };
    },
    forget: (orphans) => inOrder(() => store.forget(orphans)),
  };
}
