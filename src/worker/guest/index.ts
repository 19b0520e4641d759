export type { GuestFiles } from './files.ts';
export { CCEL, openLinuxGuest, RTMR3 } from './machine.ts';
export { COLLECTOR, type NvidiaDeps, openNvidiaDevices, type RunProgram, setGpusReady } from './nvidia.ts';
export { ATTEMPTS_MAX, AUXILIARY_BYTES_MAX, REPORT_BYTES_MAX, STUCK_MAX, TSM_REPORTS, type TsmDeps } from './tsm.ts';
