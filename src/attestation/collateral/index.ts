/** Vendors' collateral, fetched and kept: the only part of attestation that knows a network. Only `src/cli/` composes it. */
export type { AmdEndorsementKey } from './amd-tcb.ts';
export {
  BUNDLE_CHARACTERS_MAX,
  BUNDLE_VALUES_MAX,
  type BundledDocument,
  encodeCollateralBundle,
  isCollateralBundle,
  parseCollateralBundle,
} from './bundle.ts';
export type { CollateralEvent } from './document.ts';
export { FRESHNESS, type Freshness } from './document-store.ts';
export type { EvaluationNumbers } from './evaluation-numbers.ts';
export { FETCH_LIMITS, type FetchLimits, type HttpFetch } from './fetcher.ts';
export {
  INTEL_PCS_URL,
  INTEL_ROOT_CRL_URL,
  type IntelSource,
  intelSourceAt,
  type PckCa,
  serviceUrl,
  type TcbChannel,
} from './intel-service.ts';
export { AMD_KDS_URL } from './kds-client.ts';
export { NVIDIA_OCSP_URL, NVIDIA_RIM_URL } from './nvidia-client.ts';
export { claimedAmdPlatform, claimedIntelPlatform, type IntelPlatform, intelPlatformOf } from './platform.ts';
export { amdDocuments, documentsOfIntelSet, intelDocuments, nvidiaDocuments } from './platform-documents.ts';
export {
  type AmdAsk,
  type AmdChain,
  type AmdCollateralSet,
  type CollateralDeps,
  type CollateralDisk,
  type CollateralOptions,
  type CollateralService,
  type DocumentState,
  type IntelAsk,
  type IntelCollateralSet,
  type NvidiaAsk,
  type NvidiaCollateralSet,
  openCollateralService,
} from './service.ts';
