export { createAttester, type Machine } from './attester.ts';
export { type Boot, type BootOptions, startBoot } from './boot.ts';
export { type CheckedDevices, checkDevices, type Device, type DeviceTrust, NO_DEVICES, reportOf } from './devices.ts';
export * from './engines/index.ts';
export * from './guest/index.ts';
export type { RouterLink, ServedRequest, ServePart } from './links.ts';
export { fetchReleasedSecret, type ReleaseDeps, type ReleaseLink } from './release.ts';
export * from './sealed/index.ts';
export { createWorker, type WorkerDeps, type WorkerEvent, type WorkerOptions } from './worker.ts';
