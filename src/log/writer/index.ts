export * from './blobs.ts';
export * from './client.ts';
export * from './log.ts';
export type { LogEntry } from './reader.ts';
export type { KnownHead } from './recovery.ts';
export type { Appended, BatchStep } from './sequencer.ts';
export * from './server.ts';
export * from './signer.ts';
export * from './witnessing.ts';
