export { createAttester, type Machine } from './attester.ts';
export { type CheckedDevices, checkDevices, type Device, type DeviceTrust, NO_DEVICES } from './devices.ts';
export * from './engines/index.ts';
export * from './guest/index.ts';
export type { RouterLink, ServedRequest, ServePart } from './links.ts';
export { createWorker, type WorkerDeps, type WorkerEvent, type WorkerOptions } from './worker.ts';
