import channel from '../../contracts/compiled/channel.json' with { type: 'json' };
import channelJ from '../../contracts/compiled/channel-j.json' with { type: 'json' };
import court from '../../contracts/compiled/court.json' with { type: 'json' };
import logAnchor from '../../contracts/compiled/log-anchor.json' with { type: 'json' };
import pool from '../../contracts/compiled/pool.json' with { type: 'json' };
import registry from '../../contracts/compiled/registry.json' with { type: 'json' };
import stake from '../../contracts/compiled/stake.json' with { type: 'json' };
import type { ContractName } from './contract.ts';

/** The committed code of each contract, made by `scripts/compile-contracts.ts`; imported, so that pages have it too. */
export const COMPILED: Readonly<Record<ContractName, Readonly<{ code: string; codeHash: string }>>> = {
  channel,
  'channel-j': channelJ,
  court,
  'log-anchor': logAnchor,
  pool,
  registry,
  stake,
};
