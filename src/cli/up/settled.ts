import { setTimeout as sleep } from 'node:timers/promises';
import { Address, LogAnchorClient, PoolClient } from '../../chain/index.ts';
import { CodedError, equalBytes, type Randomness, toHex, utf8 } from '../../core/index.ts';
import { parseCheckpoint, parseVkey, verifyConsistency, verifyNote } from '../../log/index.ts';
import { createLogClient } from '../../log/writer/index.ts';
import { chainEndpoint } from '../compose/chain.ts';
import { anchorConfigOf, poolConfigOf, type SettlementContracts } from '../compose/settlement.ts';

const POLL_MS = 250;

/** A log head as the anchor's own state on chain shows it. */
export type AnchorFacts = Readonly<{ address: string; size: number; root: string; block: number }>;
/** What a worker was paid, as the pool's own state on chain shows it. Amounts in nanoTON. */
export type PayoutFacts = Readonly<{ pool: string; payee: string; paid: string; epoch: number; block: number }>;

/** What the chain itself shows of a settlement; nobody's word for it is taken. */
export type SettlementReader = Readonly<{
  /** nanoTON that this worker's payee has had from the pool so far. */
  paid(worker: string): Promise<bigint>;
  /** Waits until the worker has had this much. @throws CodedError CHAIN_UNREACHABLE; ends with the signal */
  paidAtLeast(worker: string, amount: bigint, signal: AbortSignal): Promise<PayoutFacts>;
  /** Waits until a head that holds this entry is anchored, and checks that it is a head of this very log. */
  anchored(entry: number, signal: AbortSignal): Promise<AnchorFacts>;
  /** The workers' part of an amount. */
  share(amount: bigint): bigint;
}>;

export type SettlementSources = Readonly<{
  contracts: SettlementContracts;
  chain: string;
  log: string;
  /** The log's verifier key, from the log and not from the router. */
  logVkey: string;
  /** Raw addresses by worker. */
  payees: Readonly<Record<string, string>>;
  randomness: Randomness;
}>;

export async function readSettlement(sources: SettlementSources): Promise<SettlementReader> {
  const { contracts, chain, randomness } = sources;
  const endpoint = chainEndpoint(chain);
  const network = await endpoint.network();
  const caller = { endpoint, network, clock: Date.now, randomness };
  const pool = new PoolClient(caller, poolConfigOf(contracts, network));
  const anchor = new LogAnchorClient(caller, anchorConfigOf(contracts, network));
  const log = createLogClient({ url: sources.log });
  const logKey = parseVkey(sources.logVkey);
  if (!equalBytes(anchor.config.key, logKey.publicKey) || anchor.config.origin !== logKey.name) {
    throw new CodedError('CONTRACT_MISMATCH', 'the router anchors another log than this one');
  }
  const payeeOf = (worker: string) => toHex(Uint8Array.from(Address.parseRaw(sources.payees[worker] ?? '').hash));

  const until = async <T>(look: () => Promise<T | null>, signal: AbortSignal): Promise<T> => {
    for (;;) {
      const found = await look();
      if (found !== null) return found;
      await sleep(POLL_MS, undefined, { signal });
    }
  };

  /** The anchored head and the log's newest one are heads of one tree. */
  const requireOneLog = async (size: number, root: Uint8Array): Promise<void> => {
    const newest = parseCheckpoint((await verifyNote(utf8(await log.checkpoint()), [logKey])).text);
    const holds =
      size === newest.size
        ? equalBytes(root, newest.root)
        : verifyConsistency(size, newest.size, root, newest.root, await log.consistency(size, newest.size));
    if (!holds) throw new CodedError('LOG_INCONSISTENT', 'the head on chain is not one of this log');
  };

  return {
    share: (amount) => (amount * BigInt(10_000 - pool.config.bps)) / 10_000n,
    paid: async (worker) => (await pool.view()).payees.get(payeeOf(worker))?.claimed ?? 0n,
    paidAtLeast: (worker, amount, signal) =>
      until(async () => {
        const view = await pool.view();
        const paid = view.payees.get(payeeOf(worker))?.claimed ?? 0n;
        if (paid < amount) return null;
        const payee = sources.payees[worker] as string;
        return { pool: view.address.toRawString(), payee, paid: paid.toString(), epoch: view.epoch, block: view.seqno };
      }, signal),
    anchored: (entry, signal) =>
      until(async () => {
        const view = await anchor.view();
        if (view === null || view.head.size <= BigInt(entry)) return null;
        const { size, root } = view.head;
        await requireOneLog(Number(size), root);
        return { address: view.address.toRawString(), size: Number(size), root: toHex(root), block: view.seqno };
      }, signal),
  };
}
