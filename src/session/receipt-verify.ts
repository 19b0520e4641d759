import type { Where } from '#crypto';
import { type Bytes, CodedError, equalBytes, type Keyset, keysetDigest, workerId } from '../core/index.ts';
import { type Check, check, notPassed } from './checks.ts';
import type { SignedReceipt } from './exchange.ts';
import type { Header } from './header.ts';
import { verifyDigest } from './objects.ts';
import { amountOf, type PriceSheet, priceIdOf, roundCounts, type TokenCounts } from './price.ts';
import { parseReceipt, type Receipt, receiptDigest } from './receipt.ts';
import type { ResponseChain, ResponseReader } from './response.ts';

/** What whoever carried the bytes can check of a receipt, without any plaintext. */
export type RouterReceiptCheckName =
  | 'signature'
  | 'worker'
  | 'keyset'
  | 'certificate'
  | 'model'
  | 'request'
  | 'dispatch'
  | 'chain'
  | 'kind'
  | 'times'
  | 'price'
  | 'counts'
  | 'amount';
export type RouterReceiptChecks = Readonly<Record<RouterReceiptCheckName, Check>>;
export type ClientReceiptChecks = RouterReceiptChecks &
  Readonly<Record<'requestCommitment' | 'responseCommitment' | 'usage', Check>>;

declare const verified: unique symbol;
/** A receipt whose every check passed: only such a one is paid or kept as proof. */
export type VerifiedReceipt = Receipt & Readonly<{ digest: Bytes; readonly [verified]: true }>;

export type ReceiptVerdict<Checks> = Readonly<{ checks: Checks }> &
  (
    | Readonly<{ verdict: 'verified'; receipt: VerifiedReceipt }>
    | Readonly<{ verdict: 'refused'; failed: readonly string[] }>
  );

/** What the verifying party knows from its own records of one dispatched request. */
export type ReceiptExpectation = Readonly<{
  /** Of the appraised evidence. */
  keyset: Keyset;
  certificateDigest: Uint8Array;
  header: Header;
  headerHash: Uint8Array;
  requestDigest: Uint8Array;
  dispatch: number;
  /** Computed over the frames that came, at the moment that the receipt came. */
  chain: Readonly<Pick<ResponseChain, 'value' | 'frames' | 'receiptKind'>>;
  price: PriceSheet;
}>;

async function publicChecks(signed: SignedReceipt, receipt: Receipt, own: ReceiptExpectation, where?: Where) {
  const { keyset, header, price, chain } = own;
  const ownPriceId = priceIdOf(price);
  const priced = equalBytes(receipt.priceId, ownPriceId) && equalBytes(header.priceId, ownPriceId);
  const checks: RouterReceiptChecks = {
    signature: check(
      await verifyDigest(keyset.receiptKey, receiptDigest(signed.receipt), signed.signature, where),
      'not signed by the receipt key of the evidence',
    ),
    worker: check(equalBytes(receipt.workerId, workerId(keyset.identityKey)), 'another worker'),
    keyset: check(equalBytes(receipt.keysetDigest, keysetDigest(keyset)), 'another keyset'),
    certificate: check(equalBytes(receipt.certificateDigest, own.certificateDigest), 'another epoch certificate'),
    model: check(equalBytes(receipt.model, header.model), 'another model'),
    request: check(
      equalBytes(receipt.requestId, header.requestId) &&
        equalBytes(receipt.headerHash, own.headerHash) &&
        equalBytes(receipt.requestDigest, own.requestDigest),
      'another request',
    ),
    dispatch: check(receipt.dispatch === own.dispatch, 'another dispatch'),
    chain: check(
      receipt.frames === chain.frames && equalBytes(receipt.chain, chain.value),
      'not over the frames that came',
    ),
    kind: check(receipt.kind === chain.receiptKind, 'its kind does not fit the last frame'),
    times: check(receipt.started <= receipt.ended, 'ended before it started'),
    price: check(priced, 'another price sheet than the header names'),
    counts: countsCheck(receipt, header, price),
    amount: check(
      receipt.amount === (receipt.kind === 'error' ? 0n : amountOf(receipt.counts, price, header.priceCap)),
      'the amount does not follow from counts, prices and cap',
    ),
  };
  return checks;
}

function countsCheck({ kind, counts }: Receipt, header: Header, price: PriceSheet): Check {
  if (kind === 'error') return check(isSame(counts, NONE), 'an error receipt counts no tokens');
  if (!isSame(counts, roundCounts(counts, price)))
    return check(false, 'the counts are not in units of the price sheet');
  const outMax = roundCounts({ ...NONE, tokensOut: header.outputTokensMax }, price).tokensOut;
  return check(counts.tokensOut <= outMax, 'more output tokens than the header allows');
}

const NONE: TokenCounts = { tokensIn: 0, tokensCached: 0, tokensOut: 0 };

function isSame(a: TokenCounts, b: TokenCounts): boolean {
  return a.tokensIn === b.tokensIn && a.tokensCached === b.tokensCached && a.tokensOut === b.tokensOut;
}

function verdictOf<Checks extends RouterReceiptChecks>(
  signed: SignedReceipt,
  receipt: Receipt,
  checks: Checks,
): ReceiptVerdict<Checks> {
  const failed = notPassed<string>(checks as Readonly<Record<string, Check>>);
  if (failed.length > 0) return { verdict: 'refused', checks, failed };
  const passed = { ...receipt, digest: receiptDigest(signed.receipt) };
  return { verdict: 'verified', checks, receipt: passed as VerifiedReceipt };
}

/** @throws CodedError RECEIPT_REFUSED with the first failed check in `facts.check` */
export function requireReceipt<Checks>(verdict: ReceiptVerdict<Checks>): VerifiedReceipt {
  if (verdict.verdict === 'verified') return verdict.receipt;
  const { failed } = verdict;
  throw new CodedError('RECEIPT_REFUSED', `receipt refused: ${failed.join(', ')}`, { check: failed[0] as string });
}

/**
 * What a router accepts (AIS/1 section 8): signature, identity, the chain over what it carried, price and amount.
 * @throws CodedError OBJECT_MALFORMED where the receipt cannot be read
 */
export async function verifyReceiptAsRouter(
  signed: SignedReceipt,
  own: ReceiptExpectation,
  where?: Where,
): Promise<ReceiptVerdict<RouterReceiptChecks>> {
  const receipt = parseReceipt(signed.receipt);
  return verdictOf(signed, receipt, await publicChecks(signed, receipt, own, where));
}

/**
 * What a client accepts (section 8): all that a router checks, and that both commitments recompute and the counts are
 * the rounded usage of the final frame.
 * @param response in the state in which the receipt found it: right after the frame that it covers
 * @param counted upper bound of the tokens so far by the client's own count, for a checkpoint: it has no usage to
 *   compare with. By default every byte of request and response that came counts as a token, which no tokenizer exceeds.
 * @throws CodedError OBJECT_MALFORMED where the receipt cannot be read
 */
export async function verifyReceiptAsClient(
  signed: SignedReceipt,
  response: ResponseReader,
  counted: TokenCounts = { tokensIn: response.sent.messageBytes, tokensCached: 0, tokensOut: response.dataBytes },
): Promise<ReceiptVerdict<ClientReceiptChecks>> {
  const receipt = parseReceipt(signed.receipt);
  const { sent, preface, candidate } = response;
  const { offer } = sent.session.candidates[candidate] as (typeof sent.session.candidates)[number];
  // Read at once: the caller may push further frames while the signature is checked.
  const { receiptKind, responseCommitment, usage } = response;
  const chain = { value: response.chain, frames: response.frames, receiptKind };
  const open = await publicChecks(signed, receipt, {
    keyset: offer.keyset,
    certificateDigest: offer.certificateDigest,
    header: sent.header,
    headerHash: sent.headerHash,
    requestDigest: sent.requestDigest,
    dispatch: preface.dispatch,
    chain,
    price: sent.price,
  });
  const checks: ClientReceiptChecks = {
    ...open,
    requestCommitment: check(
      equalBytes(receipt.requestCommitment, sent.requestCommitments[candidate] as Bytes),
      'the commitment to the request does not recompute',
    ),
    responseCommitment: check(
      receipt.kind === 'checkpoint'
        ? receipt.responseCommitment === null
        : responseCommitment !== null &&
            receipt.responseCommitment !== null &&
            equalBytes(receipt.responseCommitment, responseCommitment),
      'the commitment to the response does not recompute',
    ),
    usage: usageCheck(receipt, usage, counted, sent.price),
  };
  return verdictOf(signed, receipt, checks);
}

function usageCheck(receipt: Receipt, usage: ResponseReader['usage'], counted: TokenCounts, price: PriceSheet): Check {
  if (receipt.kind === 'error') return check(usage === null && receipt.finish === 'failed', 'not how an error ends');
  if (receipt.kind === 'final') {
    const fits =
      usage !== null &&
      isSame(receipt.counts, roundCounts(usage.counts, price)) &&
      receipt.finish === usage.finish &&
      receipt.amount === usage.amount;
    return check(fits, 'not the rounded usage of the final frame');
  }
  const { tokensIn, tokensCached, tokensOut } = roundCounts(counted, price);
  // Each unit of cached input may also have been counted as input, and the other way round.
  const input = receipt.counts.tokensIn + receipt.counts.tokensCached <= tokensIn + tokensCached + price.unitIn;
  return check(input && receipt.counts.tokensOut <= tokensOut, 'a checkpoint over more tokens than came');
}
