import type { UnixMs } from '../../core/index.ts';
import { type Ask, openPostgres, type PostgresOptions, type Row } from './database.ts';

/** Null holds a device in quarantine: two workers have claimed it. */
export type DeviceClaimRow = Readonly<{ serial: string; worker: string | null; until: UnixMs }>;
/** A worker as one router has admitted it. @property logIndex entry that says so; null where another has it still, or none */
export type LeaseRow = Readonly<{ worker: string; router: string; logIndex: number | null }>;

/** Which live worker each device backs, and which router has which worker: shared by replicas. */
export type DeviceStore = Readonly<{
  /**
   * Decides about devices with what is claimed of them, one claim after the other over all replicas.
   * @param decide from the claims on these serials, and all others of whoever holds them, to those that replace them
   * @returns null while it is not known whether a holder is gone: its routers have just fallen silent
   */
  claim<Result>(
    asked: Readonly<{ worker: string; serials: readonly string[] }>,
    decide: (claims: readonly DeviceClaimRow[]) => Readonly<{ claims: readonly DeviceClaimRow[]; result: Result }>,
  ): Promise<Readonly<{ result: Result }> | null>;
  /** This router has admitted the worker. */
  admitted(worker: string, logIndex: number): Promise<void>;
  /** The worker is gone from this router; its devices are free when it is gone from all. @returns whether it is */
  release(worker: string): Promise<boolean>;
  /** Says that this router lives. @returns serials in quarantine, and what routers that are gone have left */
  look(): Promise<Readonly<{ quarantined: readonly string[]; orphans: readonly LeaseRow[] }>>;
  /** What was left is dealt with. */
  forget(orphans: readonly LeaseRow[]): Promise<void>;
  close(): Promise<void>;
}>;

const SCHEMA = `
CREATE TABLE IF NOT EXISTS routers (name text PRIMARY KEY, seen_at timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS leases (
  worker text NOT NULL, router text NOT NULL, log_index bigint, PRIMARY KEY (worker, router));
CREATE TABLE IF NOT EXISTS device_claims (serial text PRIMARY KEY, worker text, until bigint NOT NULL);
CREATE INDEX IF NOT EXISTS device_claims_by_worker ON device_claims (worker);
`;
const DEVICES_LOCK = 0x6465_7631; // "dev1"
const CONNECTIONS_MAX = 4;
/** A router that has not said for so long that it lives is gone, and serves nobody: it has lost its ledger too. */
const GONE = "interval '10 seconds'";
/** It says so each second: after this nobody knows. */
const SILENT = "interval '3 seconds'";

/**
 * @param router name of this replica; what an earlier run of it has left are orphans at once
 * @throws CodedError STORAGE_UNREACHABLE, CONFIG_INVALID
 */
export async function openPostgresDevices(options: PostgresOptions, router: string): Promise<DeviceStore> {
  const db = await openPostgres({ connectionsMax: CONNECTIONS_MAX, ...options });
  await db.prepare(SCHEMA);
  await db.ask("UPDATE leases SET router = $1 || ' until ' || clock_timestamp() WHERE router = $1", [router]);
  const beat = () =>
    db.ask(
      'INSERT INTO routers VALUES ($1, clock_timestamp()) ON CONFLICT (name) DO UPDATE SET seen_at = clock_timestamp()',
      [router],
    );
  await beat();
  const locked = <Result>(work: (ask: Ask) => Promise<Result>): Promise<Result> =>
    db.transaction(async (ask) => {
      await ask('SELECT pg_advisory_xact_lock($1)', [DEVICES_LOCK]);
      return work(ask);
    });
  return {
    claim: ({ worker, serials }, decide) =>
      locked(async (ask) => {
        const claims = (
          await ask(
            'SELECT serial, worker, until FROM device_claims WHERE serial = ANY($1::text[]) OR worker = $2 OR worker IN (SELECT worker FROM device_claims WHERE serial = ANY($1::text[]))',
            [serials, worker],
          )
        ).map(claimRow);
        const holders = new Set(
          claims.flatMap((one) => (one.worker === null || one.worker === worker ? [] : one.worker)),
        );
        if (!(await areKnown(ask, [...holders]))) return null;
        const { claims: next, result } = decide(claims);
        await ask('DELETE FROM device_claims WHERE serial = ANY($1::text[])', [claims.map(({ serial }) => serial)]);
        await ask('INSERT INTO device_claims SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])', [
          next.map(({ serial }) => serial),
          next.map((one) => one.worker),
          next.map(({ until }) => until),
        ]);
        await ask('INSERT INTO leases VALUES ($1, $2) ON CONFLICT DO NOTHING', [worker, router]);
        return { result };
      }),
    admitted: async (worker, logIndex) => {
      const sql =
        'INSERT INTO leases VALUES ($1,$2,$3) ON CONFLICT (worker, router) DO UPDATE SET log_index = excluded.log_index';
      await db.ask(sql, [worker, router, logIndex]);
    },
    release: (worker) =>
      locked(async (ask) => {
        await free(ask, [{ worker, router, logIndex: null }]);
        return (await ask('SELECT 1 FROM leases WHERE worker = $1', [worker])).length === 0;
      }),
    async look() {
      await beat();
      const [quarantined, left] = await Promise.all([
        db.ask('SELECT serial FROM device_claims WHERE worker IS NULL'),
        db.ask(
          `SELECT worker, router, CASE WHEN elsewhere THEN NULL ELSE log_index END AS log_index FROM (
             SELECT *, seen_at >= clock_timestamp() - ${GONE} AS lives,
               bool_or(seen_at >= clock_timestamp() - ${GONE}) OVER (PARTITION BY worker) AS elsewhere
             FROM leases LEFT JOIN routers ON name = router) AS of
           WHERE lives IS NOT TRUE`,
        ),
      ]);
      return {
        quarantined: quarantined.map(({ serial }) => serial as string),
        orphans: left.map(leaseRow),
      };
    },
    async forget(orphans) {
      if (orphans.length === 0) return;
      await locked((ask) => free(ask, orphans));
    },
    close: db.close,
  };
}

/** Whether each of these workers is at a router that lives, or at none. */
async function areKnown(ask: Ask, workers: readonly string[]): Promise<boolean> {
  const silent = await ask(
    `SELECT worker FROM leases LEFT JOIN routers ON name = router WHERE worker = ANY($1::text[]) GROUP BY worker
     HAVING bool_and(seen_at IS NULL OR seen_at < clock_timestamp() - ${SILENT})`,
    [workers],
  );
  return silent.length === 0;
}

async function free(ask: Ask, leases: readonly LeaseRow[]): Promise<void> {
  const [workers, routers] = [leases.map(({ worker }) => worker), leases.map(({ router }) => router)];
  await ask(
    'DELETE FROM leases USING unnest($1::text[], $2::text[]) AS gone (worker, router) WHERE leases.worker = gone.worker AND leases.router = gone.router',
    [workers, routers],
  );
  await ask('DELETE FROM device_claims WHERE worker = ANY($1::text[]) AND worker NOT IN (SELECT worker FROM leases)', [
    workers,
  ]);
}

const claimRow = (row: Row): DeviceClaimRow => ({
  serial: row.serial as string,
  worker: row.worker as string | null,
  until: Number(row.until),
});

const leaseRow = (row: Row): LeaseRow => ({
  worker: row.worker as string,
  router: row.router as string,
  logIndex: row.log_index === null ? null : Number(row.log_index),
});
