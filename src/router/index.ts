export {
  ADMINISTRATOR_ROLES,
  type AdministrationMethod,
  type AdministratorRole,
  type AdministratorRoles,
  type Administrators,
  createAdministrators,
  ROLES_OF,
} from './administrators.ts';
export type { AppraiseEvidence, JudgedEvidence } from './admission-deps.ts';
export { createAnchoring } from './anchoring.ts';
export {
  type AuditRecord,
  type ExportMade,
  REVIEW_VERDICTS,
  type ReviewMade,
  type ReviewVerdict,
} from './audit-records.ts';
export { type Devices, sharedDevices } from './devices.ts';
export {
  ACCOUNT_NAME,
  ACCOUNT_URI,
  type ClientAccount,
  type ClientAccounts,
  createIdentities,
  type Identities,
} from './identities.ts';
export type {
  FromServe,
  InferClient,
  InferInput,
  ServeLink,
  ServeListener,
  ServePart,
  ServeRequest,
  WorkerControl,
} from './links.ts';
export type { Meter } from './meter.ts';
export { createPayouts, type PayoutLimits } from './payouts.ts';
export type { AccountLimits } from './placing.ts';
export {
  createPolicyDesk,
  type KeptProposal,
  type PolicyDesk,
  type PolicyDeskDeps,
  type PolicyProposal,
} from './policy-desk.ts';
export type {
  AnchoredLogPort,
  AnchorPort,
  BeaconSource,
  ChainHead,
  ChainPort,
  ChannelView,
  KnownBeacon,
  LogPort,
  PoolPort,
} from './ports.ts';
export type { ModelPrice } from './prices.ts';
export * from './release/index.ts';
export { retireRouter } from './retire.ts';
export { every } from './rounds.ts';
export { createRouter, type RouterDeps } from './router.ts';
export type { RouterService, WorkerRow } from './service.ts';
export type { RouterSnapshot } from './snapshot.ts';
export type { OpenCheck, Standing, StandingState } from './standings.ts';
export type { RouterStatus } from './status.ts';
