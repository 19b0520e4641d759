/** Simulated vendors with roots of their own, for development and tests. Only `src/cli/` composes it. */
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
export type { ComponentStatus, PlatformStatus } from './platform.ts';
export { COMPONENT_STATUSES, PLATFORM_STATUSES } from './platform.ts';
