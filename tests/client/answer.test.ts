import { expect, test } from 'vitest';
import { type AnswerPart, verifiedAnswer } from '../../src/client/answer.ts';
import { type CodedError, utf8 } from '../../src/core/index.ts';
import {
  type AcceptedRequest,
  encodeSealedError,
  type ResponsePart,
  sealRequest,
  type TokenCounts,
} from '../../src/session/index.ts';
import { askOf, bytes, dispatched, makeWorker, PRICE, START, sessionWith, testRandomness } from '../session/world.ts';

/** A worker whose signed receipts lie, as far as a client can tell: nothing that it takes back, and nothing that never came, is payable. */
type Respond = AcceptedRequest['respond'];
const none: TokenCounts = { tokensIn: 0, tokensCached: 0, tokensOut: 0 };
const out = (tokensOut: number): TokenCounts => ({ ...none, tokensOut });

/** What the client makes of what the worker sends: the amounts that became payable in turn, and how it ended. */
async function read(send: (respond: Respond) => AsyncGenerator<ResponsePart>) {
  const worker = makeWorker({ now: START, monotonic: 0 }, 1);
  const session = await sessionWith({ now: START, monotonic: 0 }, [worker]);
  const { open, frames, sent } = await sealRequest(session, askOf(bytes(300, 1)), START, testRandomness(2));
  const { respond } = await worker.session.accept(await dispatched(open, frames));
  async function* parts(): AsyncGenerator<ResponsePart> {
    yield { kind: 'preface', preface: respond.preface };
    yield* send(respond);
  }
  const atMost = { tokensIn: 300, tokensCached: 300, tokensOut: 512 };
  const seen: AnswerPart[] = [];
  let error: CodedError | null = null;
  try {
    for await (const part of verifiedAnswer(parts(), { sent, price: PRICE, atMost, readers: [] })) seen.push(part);
  } catch (thrown) {
    error = thrown as CodedError;
  }
  const payable = seen.flatMap((part) => (part.kind === 'payable' ? [part.receipt.tokensOut] : []));
  return { payable, ended: seen.at(-1)?.kind, code: error?.code ?? null, check: error?.facts.check ?? null };
}
const data = (respond: Respond, text: string): ResponsePart => ({ kind: 'frame', frame: respond.data(utf8(text)) });
const checkpoint = async (respond: Respond, tokensOut: number): Promise<ResponsePart> => ({
  kind: 'receipt',
  receipt: await respond.checkpoint(out(tokensOut)),
});
async function* final(respond: Respond, tokensOut: number): AsyncGenerator<ResponsePart> {
  const { frame, receipt } = await respond.final({ finish: 'stop', counts: out(tokensOut) });
  yield { kind: 'frame', frame };
  yield { kind: 'receipt', receipt };
}

test('checkpoints and the final receipt are payable in turn', async () => {
  const seen = await read(async function* (respond) {
    yield data(respond, 'x'.repeat(128));
    yield await checkpoint(respond, 64);
    yield await checkpoint(respond, 128);
    yield* final(respond, 192);
  });
  expect(seen).toEqual({ payable: [64, 128, 192], ended: 'done', code: null, check: null });
});

test('a checkpoint over more tokens than bytes came is refused: to fail after it pays nothing', async () => {
  const seen = await read(async function* (respond) {
    yield data(respond, 'x'.repeat(64));
    yield await checkpoint(respond, 64);
    yield data(respond, 'x');
    yield await checkpoint(respond, 512);
  });
  expect(seen).toMatchObject({ payable: [64], code: 'RECEIPT_REFUSED', check: 'usage' });
});

test('a receipt that takes back what an earlier one counted is refused, and the earlier one stays payable', async () => {
  const falling = await read(async function* (respond) {
    yield data(respond, 'x'.repeat(256));
    yield await checkpoint(respond, 256);
    yield await checkpoint(respond, 64);
  });
  expect(falling).toMatchObject({ payable: [256], code: 'RECEIPT_REFUSED', check: 'notTakenBack' });
  const final64 = await read(async function* (respond) {
    yield data(respond, 'x'.repeat(256));
    yield await checkpoint(respond, 256);
    yield* final(respond, 64);
  });
  expect(final64).toMatchObject({ payable: [256], code: 'RECEIPT_REFUSED', check: 'notTakenBack' });
});

test('an error receipt is verified and never payable; a false one is refused', async () => {
  for (const isTrue of [true, false]) {
    const seen = await read(async function* (respond) {
      yield data(respond, 'x'.repeat(64));
      yield await checkpoint(respond, 64);
      const sealed = await respond.error(encodeSealedError({ code: 'ANSWER_FAILED', message: 'the engine failed' }));
      yield { kind: 'frame', frame: sealed.frame };
      const signature = Uint8Array.from(sealed.receipt.signature);
      if (!isTrue) signature[0] = (signature[0] as number) ^ 1;
      yield { kind: 'receipt', receipt: { ...sealed.receipt, signature } };
    });
    expect(seen).toMatchObject({ payable: [64], code: isTrue ? 'ANSWER_FAILED' : 'RECEIPT_REFUSED' });
  }
});

test('what breaks off after the end takes nothing from it, and what goes on after the end is refused', async () => {
  const broken = await read(async function* (respond) {
    yield* final(respond, 64);
    throw new Error('cut');
  });
  expect(broken).toMatchObject({ payable: [64], ended: 'done', code: null });
  const more = await read(async function* (respond) {
    const { frame, receipt } = await respond.final({ finish: 'stop', counts: out(64) });
    yield { kind: 'frame', frame };
    yield { kind: 'receipt', receipt };
    yield { kind: 'frame', frame };
  });
  expect(more).toMatchObject({ payable: [64], code: 'STREAM_ENDED' });
});
