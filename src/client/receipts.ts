import { CodedError, fromBase64, fromHex, toBase64, toHex } from '../core/index.ts';
import type { AnswerReceipt } from './api.ts';

/** Where receipts are kept. `load` gives them oldest first; `add` is durable when it resolves. */
export type ReceiptStore = Readonly<{
  load(): readonly AnswerReceipt[];
  add(receipt: AnswerReceipt): Promise<void>;
}>;

/** Receipts that a client keeps; the oldest go. */
export const RECEIPTS_MAX = 1_000;

/** For a client that keeps none beyond its own life. */
export const NO_RECEIPT_STORE: ReceiptStore = { load: () => [], add: async () => undefined };

export function openReceipts(store: ReceiptStore) {
  const kept = store.load().slice(-RECEIPTS_MAX);
  return {
    list: (): readonly AnswerReceipt[] => [...kept],
    async add(receipt: AnswerReceipt): Promise<void> {
      if (!kept.includes(receipt)) kept.push(receipt); // asked again where the store failed
      if (kept.length > RECEIPTS_MAX) kept.shift();
      await store.add(receipt);
    },
  };
}

/** A receipt as one line of JSON, for a store of files. */
export function encodeAnswerReceipt(receipt: AnswerReceipt): string {
  const { digest, object, signature, amount, ...rest } = receipt;
  const bytes = { digest: toHex(digest), object: toBase64(object), signature: toBase64(signature) };
  return JSON.stringify({ v: 1, ...rest, ...bytes, amount: amount.toString() });
}

/** @throws CodedError CONFIG_INVALID for a line that is not ours */
export function parseAnswerReceipt(line: string): AnswerReceipt {
  try {
    const { v, digest, object, signature, amount, ...rest } = JSON.parse(line) as Record<string, string>;
    if (Number(v) !== 1 || typeof rest.id !== 'string' || !Array.isArray(rest.checks)) throw new TypeError('shape');
    return {
      ...(rest as unknown as AnswerReceipt),
      digest: fromHex(digest as string, 'digest'),
      object: fromBase64(object as string, 'object'),
      signature: fromBase64(signature as string, 'signature'),
      amount: BigInt(amount as string),
    };
  } catch (cause) {
    throw new CodedError('CONFIG_INVALID', 'a stored receipt cannot be read', {}, { cause });
  }
}
