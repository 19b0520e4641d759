import type { AnchoredHead } from '../../audit/index.ts';
import { LogAnchorClient } from '../../chain/index.ts';
import { CodedError, parseStrictJson } from '../../core/index.ts';
import { chainEndpoint } from '../compose/chain.ts';
import { readText, systemRandomness } from '../compose/files.ts';
import { anchorConfigOf, type SettlementContracts } from '../compose/settlement.ts';

export type AnchorOptions = Readonly<{ chain?: string; anchor?: string }>;

/**
 * Reads the log's anchor from a chain. The contract's address is recomputed from the configuration that the auditor
 * brings, so it is the one whose code takes no tree that does not extend the one before.
 * @returns undefined where no chain was named @throws CodedError USAGE_INVALID, CONFIG_INVALID
 */
export function anchorReader({ chain, anchor }: AnchorOptions): (() => Promise<AnchoredHead | null>) | undefined {
  if (chain === undefined && anchor === undefined) return undefined;
  if (chain === undefined || anchor === undefined) {
    throw new CodedError('USAGE_INVALID', 'give --chain and --anchor together');
  }
  const contracts = { anchor: parseStrictJson(readText(anchor), anchor) } as unknown as SettlementContracts;
  return async () => {
    const endpoint = chainEndpoint(chain);
    const network = await endpoint.network();
    const caller = { endpoint, network, clock: Date.now, randomness: systemRandomness };
    const view = await new LogAnchorClient(caller, configOf(contracts, network)).view();
    if (view === null) return null;
    const { size, root, at } = view.head;
    return { address: view.address.toRawString(), size: Number(size), root, at: at * 1000 };
  };
}

function configOf(contracts: SettlementContracts, network: number) {
  try {
    return anchorConfigOf(contracts, network);
  } catch (cause) {
    throw new CodedError('CONFIG_INVALID', 'the file does not hold the configuration of a log anchor', {}, { cause });
  }
}
