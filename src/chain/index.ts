/** TON: the payment channel and its vouchers, access to an endpoint, and a development chain. Contracts document. */
export { Address } from '@ton/core';
export * from './account.ts';
export { type CallerOptions, ContractCaller } from './caller.ts';
export * from './channel.ts';
export * from './channel-client.ts';
export * from './channel-j.ts';
export * from './contract.ts';
export * from './court.ts';
export type { DevelopmentChain, DevelopmentChainOptions } from './dev/server.ts';
export * from './endpoint.ts';
export * from './log-anchor.ts';
export * from './log-anchor-client.ts';
export * from './networks.ts';
export * from './pool.ts';
export * from './pool-challenge.ts';
export * from './pool-client.ts';
export type { AccountState, MasterchainBlock, TimedBlock } from './provider/provider.ts';
export * from './reader.ts';
export * from './registry.ts';
export * from './stake.ts';
export * from './sum-tree.ts';
export * from './voucher.ts';
export * from './wallet.ts';
export * from './worker-voucher.ts';

import type { DevelopmentChain, DevelopmentChainOptions } from './dev/server.ts';

/**
 * Starts the development chain of a data directory. The emulator is loaded here, so that nobody else waits for it.
 * @throws CodedError STATE_LOCKED, CHAIN_STATE_FOREIGN, CHAIN_STATE_CORRUPT, STORAGE_FULL, PORT_IN_USE
 */
export async function startDevelopmentChain(options: DevelopmentChainOptions): Promise<DevelopmentChain> {
  const dev = await import('./dev/server.ts');
  return dev.startDevelopmentChain(options);
}
