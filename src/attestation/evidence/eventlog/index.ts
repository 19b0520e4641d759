export * from './dstack.ts';
export * from './event.ts';
export * from './facts.ts';
export * from './parse.ts';
export * from './proven.ts';
export * from './replay.ts';
export * from './tcg2.ts';
