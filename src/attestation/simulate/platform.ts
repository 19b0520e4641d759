import { sha256 } from '#crypto';
import { type Bytes, utf8 } from '../../core/index.ts';
import { simulatedMeasurement } from './image.ts';

/** Statuses of a platform TCB level, newest level first: one level of the simulated TCB info gives each. */
export const PLATFORM_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const;
export type PlatformStatus = (typeof PLATFORM_STATUSES)[number] | 'unsupported';

/** Statuses of the TDX module and of the quoting enclave, newest level first. */
export const COMPONENT_STATUSES = ['UpToDate', 'OutOfDate', 'Revoked'] as const;
export type ComponentStatus = (typeof COMPONENT_STATUSES)[number] | 'unsupported';

export const FMSPC: Bytes = Uint8Array.of(0xc4, 0x4a, 0x15, 0x00, 0x00, 0x00);
export const PCE_ID: Bytes = Uint8Array.of(0, 0);
export const PCE_SVN = 13;
export const TDX_MODULE_MAJOR = 1;
export const SEAM_LOADER_SVN = 6;
export const QE_PRODUCT_ID = 2;
/** Not Intel's quoting enclave: the simulator signs with an identity of its own. */
export const QE_MRSIGNER: Bytes = sha256(utf8('chrysalis simulator\nTD QE MRSIGNER'));
export const QE_MRENCLAVE: Bytes = sha256(utf8('chrysalis simulator\nTD QE MRENCLAVE'));
export const MRSEAM: Bytes = simulatedMeasurement('MRSEAM');

/** SVN of component 0 (early microcode) that gets this platform status. */
export function microcodeSvn(status: PlatformStatus): number {
  return status === 'unsupported' ? 1 : 10 - PLATFORM_STATUSES.indexOf(status);
}

/** ISVSVN of the TDX module or of the quoting enclave that gets this status. */
export function componentSvn(status: ComponentStatus): number {
  return status === 'unsupported' ? 1 : 6 - COMPONENT_STATUSES.indexOf(status);
}

/** The 16 SVNs of a PCK certificate, and of TCB levels. */
export function sgxComponents(status: PlatformStatus): number[] {
  return [microcodeSvn(status), 2, 2, 2, 3, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0];
}

/** TEE_TCB_SVN for a module of this status. */
export function teeTcbSvn(module: ComponentStatus): Bytes {
  return Uint8Array.of(componentSvn(module), TDX_MODULE_MAJOR, SEAM_LOADER_SVN, ...new Array<number>(13).fill(0));
}
