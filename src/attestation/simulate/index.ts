/** Simulated vendors with roots of their own, for development and tests. Only `src/cli/` composes it. */
export type { AmdLeafClaims, PssProfile } from './amd/certificates.ts';
export { amdInteger } from './amd/certificates.ts';
export {
  type AmdAuthority,
  type AmdCollateralDefects,
  type AmdDocument,
  SIMULATED_CSP_ID,
  type SimulatedAmdCollateral,
} from './amd/collateral.ts';
export { DEVELOPMENT_SNP_IMAGE, type SimulatedSnpImage, simulatedSnpImage } from './amd/image.ts';
export {
  openSimulatedSnpMachine,
  type SimulatedSnpMachine,
  type SimulatedSnpMachineState,
  type SnpReportFields,
  type SnpReportRequest,
} from './amd/machine.ts';
export {
  createSimulatedAmd,
  openSimulatedAmd,
  type SimulatedAmd,
  type SimulatedAmdState,
  type SimulatedSnpHost,
} from './amd/vendor.ts';
export type { CollateralDefects, CollateralDocument, SimulatedCollateral } from './collateral.ts';
export { DEVELOPMENT_IMAGE, type SimulatedImage, simulatedImage } from './image.ts';
export { createSimulatedIntel, openSimulatedIntel, type SimulatedIntel, type SimulatedIntelState } from './intel.ts';
export {
  type MachineOptions,
  openSimulatedTdxMachine,
  type QuoteRequest,
  type SimulatedMachineState,
  type SimulatedTdxMachine,
} from './machine.ts';
export { type NvidiaAuthority, nvidiaName, serialOf } from './nvidia/certificates.ts';
export {
  type NvidiaDeviceState,
  openSimulatedNvidiaDevice,
  type SimulatedDevicesState,
  type SimulatedNvidiaDevice,
} from './nvidia/device.ts';
export { type NvidiaFirmware, SIMULATED_B200, SIMULATED_H100, SIMULATED_SWITCH } from './nvidia/firmware.ts';
export type { NvidiaReportFields } from './nvidia/report.ts';
export { issueNvidiaCrl, issueOcspResponse, issueResponder, ocspError } from './nvidia/revocation.ts';
export {
  createSimulatedNvidia,
  openSimulatedNvidia,
  type SimulatedNvidia,
  type SimulatedNvidiaState,
} from './nvidia/vendor.ts';
export type { ComponentStatus, PlatformStatus } from './platform.ts';
export { COMPONENT_STATUSES, PLATFORM_STATUSES } from './platform.ts';
