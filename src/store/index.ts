export { COPY_TIMEOUT_MS, type CopiedTable, copyRows, requireEmpty } from './copy-rows.ts';
export { type Imported, importLedger } from './import-ledger.ts';
export * from './ledger.ts';
export {
  type Ask,
  openPostgres,
  type Postgres,
  type PostgresOptions,
  type PostgresSession,
} from './postgres/database.ts';
export { type DeviceStore, type LeaseRow, openPostgresDevices } from './postgres/devices.ts';
export { openPostgresLedger } from './postgres/ledger.ts';
export { openReleaseStore, type ReleaseStore, type SecretRow } from './release-store.ts';
export { openSqliteLedger } from './sqlite-ledger.ts';
