import { type Bytes, CodedError, isZero, type UnixMs } from '../core/index.ts';
import {
  type Header,
  type PriceSheet,
  type ResponseChain,
  receiptDigest,
  type SignedReceipt,
  verifyReceiptAsRouter,
} from '../session/index.ts';
import type { Ledger } from '../store/index.ts';
import type { Worker } from './fleet.ts';
import type { Placing } from './placing.ts';
import type { RelayedRequest } from './relay.ts';
import type { Usage } from './routing/index.ts';

const KIND_NUMBER = { checkpoint: 1, final: 2, error: 3 } as const;

/** What a receipt has to be for. */
export type ReceiptFor = Readonly<{ request: RelayedRequest; header: Header; worker: Worker; channel: string }>;
export type KeptReceipts = Readonly<{
  /**
   * Durable when it resolves. @returns what a final receipt counts, null for the others
   * @throws CodedError RECEIPT_REFUSED, OBJECT_MALFORMED
   */
  keep(signed: SignedReceipt, of: ReceiptFor, chain: ResponseChain): Promise<Usage | null>;
}>;

/** Checks what workers sign against what the router carried, and stores it. */
export function createReceipts(
  deps: Readonly<{
    placing: Pick<Placing, 'learn'>;
    ledger: Ledger;
    /** In force for a model, as a header names it. */
    priceOf: (model: Uint8Array) => PriceSheet;
    now: () => UnixMs;
    /** An accepted receipt is stored. @param payee who earns it, where a pool can pay it */
    onReceipt: (worker: Worker, payee: Bytes | null) => void;
  }>,
): KeptReceipts {
  return {
    async keep(signed, { request, header, worker, channel }, chain) {
      const { keyset } = worker.admission as NonNullable<Worker['admission']>;
      const { certificateDigest, headerHash, requestDigest, dispatch } = request;
      const own = {
        keyset,
        certificateDigest,
        header,
        headerHash,
        requestDigest,
        dispatch,
        chain,
        price: deps.priceOf(header.model),
      };
      const verdict = await verifyReceiptAsRouter(signed, own, 'aside');
      if (verdict.verdict === 'refused') {
        const [first = 'unknown'] = verdict.failed;
        throw new CodedError('RECEIPT_REFUSED', `the worker's receipt is refused: ${verdict.failed.join(', ')}`, {
          check: first,
        });
      }
      const { receipt } = verdict;
      const payee = poolPayee(keyset);
      await deps.ledger.putReceipt({
        digest: receiptDigest(signed.receipt),
        channel,
        sessionKey: header.sessionKey,
        requestId: header.requestId,
        kind: KIND_NUMBER[receipt.kind],
        amount: receipt.amount,
        object: signed.receipt,
        signature: signed.signature,
        storedAt: deps.now(),
        payee,
      });
      deps.onReceipt(worker, payee);
      if (receipt.kind !== 'final') return null;
      deps.placing.learn(header, channel, receipt.counts);
      return receipt.counts;
    },
  };
}

/** A pool pays accounts of workchain 0; the account of zeros is nobody's. */
function poolPayee({ payee }: NonNullable<Worker['admission']>['keyset']): Bytes | null {
  return payee.workchain === 0 && !isZero(payee.account) ? payee.account : null;
}
