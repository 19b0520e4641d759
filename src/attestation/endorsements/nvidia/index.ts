export * from './chain.ts';
export * from './device-chain.ts';
export * from './load.ts';
export * from './nras-keys.ts';
export * from './revocation.ts';
export * from './rim.ts';
export * from './rim-id.ts';
export * from './roots.ts';
