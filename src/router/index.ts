export type { AppraiseEvidence } from './admission.ts';
export type { FromServe, ServeLink, ToServe, WorkerControl } from './links.ts';
export type { BeaconSource, ChainHead, ChainPort, ChannelView, LogPort } from './ports.ts';
export { createRouter, type RouterDeps } from './router.ts';
export type { RouterService, WorkerRow } from './service.ts';
