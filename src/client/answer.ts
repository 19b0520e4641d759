import { type Bytes, CodedError, concat, type ErrorCode, KIND_OF_CODE, takesItsPlace, toHex } from '../core/index.ts';
import {
  type ChatDelta,
  openResponse,
  type PriceSheet,
  parseChatDelta,
  parseReceipt,
  parseSealedError,
  type Receipt,
  type ResponsePart,
  type ResponseReader,
  receiptDigest,
  type SentRequest,
  type SignedReceipt,
  type TokenCounts,
  type Usage,
  verifyReceiptAsClient,
} from '../session/index.ts';
import type { AnswerReceipt } from './api.ts';
import { failedNames, namedChecks } from './named-checks.ts';

/** What a client holds of a request whose answer it reads. */
export type AnswerTerms = Readonly<{
  sent: SentRequest;
  price: PriceSheet;
  /** Bound of the tokens of a checkpoint, beside what arrived: a byte of the answer is a token at most. */
  atMost: TokenCounts;
  /** Every worker that the request was wrapped to, hex: all of them could read it. */
  readers: readonly string[];
}>;

export type AnswerPart =
  /** The place of the candidate that answers. */
  | Readonly<{ kind: 'begun'; candidate: number }>
  | Readonly<{ kind: 'data'; message: Bytes }>
  /** Verified: a checkpoint or the final receipt, payable whatever comes after it. */
  | Readonly<{ kind: 'payable'; receipt: AnswerReceipt }>
  | Readonly<{ kind: 'done'; usage: Usage; receipt: AnswerReceipt }>;

/**
 * Opens and checks one answer as it comes (AIS/1 sections 6 and 8): nothing is yielded that is not authentic, and it
 * ends with a verified receipt or throws.
 */
export async function* verifiedAnswer(
  parts: AsyncIterable<ResponsePart>,
  terms: AnswerTerms,
): AsyncGenerator<AnswerPart> {
  const refused = (why: string, check: string) => new CodedError('RESPONSE_REFUSED', why, { check });
  let reader: ResponseReader | null = null;
  let payable: AnswerReceipt | null = null;
  let failure: CodedError | null = null;
  const isComplete = () => payable?.kind === 'final' && reader?.usage != null;
  for await (const part of untilComplete(parts, isComplete)) {
    if (part.kind === 'preface') {
      if (reader !== null) throw refused('two prefaces', 'preface');
      reader = openResponse(terms.sent, part.preface);
      yield { kind: 'begun', candidate: reader.candidate };
      continue;
    }
    if (reader === null) throw refused('no preface', 'preface');
    if (part.kind === 'frame') {
      const event = reader.push(part.frame);
      if (event.kind === 'data') yield event;
      if (event.kind === 'error') failure = sealedFailure(event.message);
      continue;
    }
    const { receipt, signed, checks } = await verified(part.receipt, reader, terms);
    if (receipt.kind === 'error') continue;
    if (!takesItsPlace(receipt, payable)) {
      throw new CodedError('RECEIPT_REFUSED', 'a receipt takes back what an earlier one counted', {
        check: 'notTakenBack',
      });
    }
    payable = answerReceipt(signed, receipt, terms, checks);
    yield { kind: 'payable', receipt: payable };
  }
  if (reader === null) throw new CodedError('STREAM_TRUNCATED', 'no answer came', { frames: 0 });
  reader.end();
  if (failure !== null) throw failure;
  if (payable?.kind !== 'final' || reader.usage === null) {
    throw new CodedError('RECEIPT_REFUSED', 'the answer came without its receipt', { check: 'receiptPresent' });
  }
  yield { kind: 'done', usage: reader.usage, receipt: payable };
}

/** Who carries an answer may break off once it is whole and its receipt is there: that takes nothing from it. */
async function* untilComplete<Part>(parts: AsyncIterable<Part>, isComplete: () => boolean): AsyncGenerator<Part> {
  try {
    yield* parts;
  } catch (error) {
    if (!isComplete()) throw error;
  }
}

async function verified(signed: SignedReceipt, reader: ResponseReader, terms: AnswerTerms) {
  const tokensOut = Math.min(terms.atMost.tokensOut, reader.dataBytes);
  const verdict = await verifyReceiptAsClient(signed, reader, { ...terms.atMost, tokensOut });
  const checks = namedChecks(verdict.checks);
  const failed = failedNames(checks);
  if (failed.length > 0) {
    throw new CodedError('RECEIPT_REFUSED', `the receipt is refused: ${failed.join(', ')}`, {
      check: failed[0] as string,
    });
  }
  return { signed, receipt: parseReceipt(signed.receipt), checks };
}

function sealedFailure(message: Bytes): CodedError {
  const { code, message: words, param } = parseSealedError(message);
  const known = Object.hasOwn(KIND_OF_CODE, code) ? (code as ErrorCode) : 'ANSWER_FAILED';
  return new CodedError(known, words, param === undefined ? {} : { param });
}

function answerReceipt(
  signed: SignedReceipt,
  receipt: Receipt,
  { price, readers }: AnswerTerms,
  checks: AnswerReceipt['checks'],
): AnswerReceipt {
  const digest = receiptDigest(signed.receipt);
  return {
    id: `r_${toHex(digest).slice(0, 16)}`,
    digest,
    kind: receipt.kind,
    object: signed.receipt,
    signature: signed.signature,
    workerId: toHex(receipt.workerId),
    readers,
    amount: receipt.amount,
    currency: price.currency,
    ...receipt.counts,
    frames: receipt.frames,
    endedAt: receipt.ended,
    checks,
  };
}

/** The longest line of a tick stream: a message is at most a frame in the other paddings. */
const LINE_BYTES_MAX = 65_536;

/** Puts messages back together: one to a frame, or, where ticks cut them anywhere, one to a line. */
export function createDeltas(padding: 'off' | 'bucket' | 'tick') {
  let held: Bytes = new Uint8Array(0);
  return (message: Bytes): ChatDelta[] => {
    if (padding !== 'tick') return [parseChatDelta(message)];
    held = concat(held, message);
    const deltas: ChatDelta[] = [];
    for (let end = held.indexOf(0x0a); end >= 0; end = held.indexOf(0x0a)) {
      deltas.push(parseChatDelta(held.subarray(0, end)));
      held = held.slice(end + 1);
    }
    if (held.length > LINE_BYTES_MAX)
      throw new CodedError('REQUEST_MALFORMED', 'a line without end', { field: 'delta' });
    return deltas;
  };
}
