import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bytes, CodedError } from '../../src/core/index.ts';
import {
  type AcceptedRequest,
  type ClientSession,
  KEM_X25519,
  KEM_XWING,
  type Mode,
  openResponse,
  openSession,
  type Padding,
  parsePreface,
  parseReceipt,
  ResponseChain,
  type ResponseSealer,
  type SealedOpen,
  type SignedReceipt,
  sealRequest,
  verifyReceiptAsClient,
  verifyReceiptAsRouter,
} from '../../src/session/index.ts';
import {
  askOf,
  bytes,
  dispatched,
  helloOf,
  makeWorker,
  PRICE,
  START,
  sessionWith,
  testRandomness,
  verifiedOffer,
  type World,
} from './world.ts';

const COUNTS = { tokensIn: 300, tokensCached: 200, tokensOut: 65 };

async function codeOf(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
  return 'no error';
}

function flipped(bytesOf: Uint8Array, at: number, bit = 1): Bytes {
  const copy = Uint8Array.from(bytesOf);
  copy[at] = (copy[at] as number) ^ bit;
  return copy;
}

function opened(accepted: AcceptedRequest): { message: Bytes; respond: ResponseSealer } {
  if (accepted.outcome !== 'opened') throw new Error(`not opened: ${accepted.fault}`);
  return accepted;
}

const newWorld = (): World => ({ now: START, monotonic: 0 });

/** Seals the messages and ends; each frame in order. */
async function answer(respond: ResponseSealer, messages: readonly Uint8Array[]) {
  const frames: Bytes[] = [];
  for (const message of messages) {
    if (respond.padding === 'tick') {
      respond.enqueue(message);
      while (respond.pendingBytes > 0) frames.push(respond.tick());
    } else frames.push(respond.data(message));
  }
  if (respond.padding === 'tick') frames.push(respond.tick());
  const checkpoint = await respond.checkpoint({ tokensIn: 1, tokensCached: 0, tokensOut: 1 });
  const last = await respond.final({ finish: 'stop', counts: COUNTS });
  return { frames: [...frames, last.frame], checkpoint, receipt: last.receipt };
}

const SUITES = [[KEM_XWING, KEM_X25519], [KEM_X25519]] as const;

describe('a whole exchange', () => {
  for (const suites of SUITES) {
    for (const k of [1, 2, 3]) {
      for (const mode of [0, 1, 2] as Mode[]) {
        test(`suite ${suites[0].toString(16)}, ${k} candidates, mode ${mode}, every padding`, async () => {
          const world = newWorld();
          const workers = [1, 2, 3].slice(0, k).map((id) => makeWorker(world, id));
          const session = await sessionWith(world, workers, mode, suites);
          // One source for all runs: a request id that comes twice would be a replay.
          const random = testRandomness(11);
          for (const padding of ['off', 'bucket', 'tick'] as Padding[]) {
            await fc.assert(
              fc.asyncProperty(
                fc.uint8Array({ maxLength: 2000 }),
                fc.array(fc.uint8Array({ minLength: 1, maxLength: 1500 }), { maxLength: 4 }),
                fc.nat(k - 1),
                async (message, messages, place) => {
                  const { open, frames, sent } = await sealRequest(session, askOf(message, { padding }), START, random);
                  const incoming = await dispatched(open, frames, place);
                  const accepted = opened(await workers[place]!.session.accept(incoming));
                  expect(accepted.message).toEqual(Uint8Array.from(message));
                  const { frames: sealed, checkpoint, receipt } = await answer(accepted.respond, messages);
                  const reader = openResponse(sent, accepted.respond.preface);
                  const got: number[] = [];
                  for (const frame of sealed.slice(0, -1)) {
                    const event = reader.push(frame);
                    if (event.kind === 'data') got.push(...event.message);
                  }
                  expect(got).toEqual(messages.flatMap((m) => [...m]));
                  expect(await codeOf(() => reader.end())).toBe('STREAM_TRUNCATED');
                  const early = await verifyReceiptAsClient(checkpoint, reader, { ...COUNTS, tokensOut: 64 });
                  expect(early.verdict).toBe('verified');
                  expect(reader.push(sealed.at(-1)!)).toMatchObject({ kind: 'final', usage: { counts: COUNTS } });
                  reader.end();
                  expect((await verifyReceiptAsClient(receipt, reader)).verdict).toBe('verified');
                  expect(parseReceipt(receipt.receipt).counts).toEqual({
                    tokensIn: 384,
                    tokensCached: 128,
                    tokensOut: 128,
                  });
                },
              ),
              { numRuns: 3 },
            );
          }
        });
      }
    }
  }
});

type Sent = Awaited<ReturnType<typeof sealRequest>>;

async function scene(k = 1, padding: Padding = 'bucket') {
  const world = newWorld();
  const workers = [1, 2, 3].slice(0, k).map((id) => makeWorker(world, id, { suites: [KEM_X25519] }));
  const session: ClientSession = await sessionWith(world, workers, 1, [KEM_X25519]);
  const request: Sent = await sealRequest(session, askOf(bytes(40, 65), { padding }), START, testRandomness(3));
  return { world, workers, session, request };
}

test('any flipped byte of what reaches the worker is refused, and nothing is stored', async () => {
  const { workers, request } = await scene(2);
  const worker = workers[0]!.session;
  const good = await dispatched(request.open, request.frames);
  const refusals = new Set<string>();
  const parts = ['header', 'authorization', 'commit', 'wrap', 'enc', 'hello', 'dispatchSignature'] as const;
  for (const part of parts) {
    for (let at = 0; at < good[part].length; at++) {
      const code = await codeOf(() => worker.accept({ ...good, [part]: flipped(good[part], at) }));
      expect(code, `${part} ${at}`).not.toBe('no error');
      refusals.add(code);
    }
  }
  const [frame] = good.frames as [Bytes];
  for (let at = 0; at < frame.length; at++) {
    const code = await codeOf(() => worker.accept({ ...good, frames: [flipped(frame, at)] }));
    expect(['OPEN_FAILED', 'DISPATCH_REFUSED'], `frame ${at}`).toContain(code);
  }
  // The router signs what it altered: only the keys are left to refuse it.
  for (const [open, frames] of [
    [request.open, [flipped(frame, 50)]],
    [{ ...request.open, commit: flipped(request.open.commit, 3) }, request.frames],
    [{ ...request.open, candidates: [...request.open.candidates].reverse() }, request.frames],
    [{ ...request.open, hello: flipped(request.open.hello, 30) }, request.frames],
  ] as [SealedOpen, Bytes[]][]) {
    expect(await codeOf(async () => worker.accept(await dispatched(open, frames)))).toBe('OPEN_FAILED');
  }
  expect([...refusals].sort()).toEqual(
    expect.arrayContaining(['DISPATCH_REFUSED', 'OBJECT_MALFORMED', 'OPEN_FAILED', 'REQUEST_REFUSED']),
  );
  opened(await worker.accept(good));
});

test('replay, unknown session, eviction and a full replay set', async () => {
  const world = newWorld();
  const worker = makeWorker(world, 1, { suites: [KEM_X25519], usedMax: 3, contextsMax: 1 });
  const session = await sessionWith(world, [worker], 1, [KEM_X25519]);
  const random = testRandomness(9);
  const seal = (from = session) => sealRequest(from, askOf(bytes(5, 1)), START, random);
  const first = await seal();
  expect(await codeOf(async () => worker.session.accept(await dispatched(first.open, first.frames, 0, false)))).toBe(
    'SESSION_UNKNOWN',
  );
  const incoming = await dispatched(first.open, first.frames);
  const both = await Promise.allSettled([worker.session.accept(incoming), worker.session.accept(incoming)]);
  expect(both.map((r) => r.status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(await codeOf(() => worker.session.accept(incoming))).toBe('REQUEST_REPLAYED');
  const second = await seal();
  opened(await worker.session.accept(await dispatched(second.open, second.frames, 0, false)));
  const other = await openSession(
    ...(await (async () => {
      const own = helloOf(1, [KEM_X25519], 77);
      return [own, [await verifiedOffer(world, worker, own)], START] as const;
    })()),
  );
  const third = await seal(other);
  opened(await worker.session.accept(await dispatched(third.open, third.frames)));
  const fourth = await seal();
  expect(
    await codeOf(async () => worker.session.accept(await dispatched(fourth.open, fourth.frames, 0, false))),
    'evicted',
  ).toBe('SESSION_UNKNOWN');
  expect(await codeOf(async () => worker.session.accept(await dispatched(fourth.open, fourth.frames)))).toBe(
    'REPLAY_SET_FULL',
  );
});

test('an epoch certifies for ten minutes, opens for twelve, and then nothing under it opens', async () => {
  const { world, workers, session } = await scene();
  const random = testRandomness(4);
  const deadline = START + 3_600_000;
  const old = await sealRequest(session, askOf(bytes(5, 1), { deadline }), START, random);
  const older = await sealRequest(session, askOf(bytes(5, 1), { deadline }), START, random);
  world.monotonic = 719_999;
  opened(await workers[0]!.session.accept(await dispatched(old.open, old.frames)));
  world.monotonic = 720_000;
  expect(await codeOf(async () => workers[0]!.session.accept(await dispatched(older.open, older.frames)))).toBe(
    'REQUEST_REFUSED',
  );
  expect((await workers[0]!.session.epochKeyDigests()).epoch).toBe(1);
  expect(await codeOf(() => sealRequest(session, askOf(bytes(1, 1), { deadline }), session.deadline + 1, random))).toBe(
    'SESSION_EXPIRED',
  );
});

test('a response that is cut, reordered, doubled, altered, extended or of another request or worker is refused', async () => {
  const { workers, session, request } = await scene(2);
  const accepted = opened(await workers[0]!.session.accept(await dispatched(request.open, request.frames)));
  const { frames } = await answer(accepted.respond, [bytes(3, 1), bytes(300, 2)]);
  const [a, b, last] = frames as [Bytes, Bytes, Bytes];
  const { preface } = accepted.respond;
  const read = (...list: Bytes[]) => {
    const reader = openResponse(request.sent, preface);
    for (const frame of list) reader.push(frame);
    reader.end();
  };
  read(a, b, last);
  expect(await codeOf(() => read(a, b))).toBe('STREAM_TRUNCATED');
  expect(await codeOf(() => read())).toBe('STREAM_TRUNCATED');
  expect(await codeOf(() => read(b, a, last))).toBe('FRAME_NOT_AUTHENTIC');
  expect(await codeOf(() => read(a, a, b, last))).toBe('FRAME_NOT_AUTHENTIC');
  expect(await codeOf(() => read(a, last))).toBe('FRAME_NOT_AUTHENTIC');
  expect(await codeOf(() => read(a, b, last, last))).toBe('STREAM_ENDED');
  for (const [i, frame] of frames.entries()) {
    for (let at = 0; at < frame.length; at += 7) {
      const list = frames.map((f, j) => (i === j ? flipped(frame, at) : f));
      expect(await codeOf(() => read(...list)), `frame ${i} byte ${at}`).toBe('FRAME_NOT_AUTHENTIC');
    }
  }
  for (let at = 0; at < preface.length; at++) {
    const code = await codeOf(() => openResponse(request.sent, flipped(preface, at)).push(a));
    // The dispatch number is bound by the receipt's chain, not by the frame keys.
    if (at !== 32) expect(['RESPONSE_REFUSED', 'FRAME_NOT_AUTHENTIC'], `preface ${at}`).toContain(code);
  }
  // The other candidate holds CEK, and still answers only in its own name.
  const rival = opened(await workers[1]!.session.accept(await dispatched(request.open, request.frames, 1)));
  const forged = openResponse(request.sent, preface);
  expect(await codeOf(() => forged.push(rival.respond.data(bytes(3, 1))))).toBe('FRAME_NOT_AUTHENTIC');
  const next = await sealRequest(session, askOf(bytes(40, 65)), START, testRandomness(8));
  expect(await codeOf(() => openResponse(next.sent, preface).push(a))).toBe('FRAME_NOT_AUTHENTIC');
});

test('a sealed error ends the stream, and its receipt is over nothing', async () => {
  const { workers, request } = await scene();
  const { respond } = opened(await workers[0]!.session.accept(await dispatched(request.open, request.frames)));
  const reader = openResponse(request.sent, respond.preface);
  reader.push(respond.data(bytes(9, 1)));
  const { frame, receipt } = await respond.error(bytes(4, 2));
  expect(reader.push(frame)).toEqual({ kind: 'error', message: bytes(4, 2) });
  reader.end();
  const verdict = await verifyReceiptAsClient(receipt, reader);
  expect(verdict.verdict === 'verified' && verdict.receipt.amount).toBe(0n);
});

test('client and router accept the same receipt, and any flipped byte of it is refused by a named check', async () => {
  const { workers, request } = await scene();
  const { respond } = opened(await workers[0]!.session.accept(await dispatched(request.open, request.frames)));
  const { frames, receipt } = await answer(respond, [bytes(3, 1)]);
  const { sent } = request;
  const reader = openResponse(sent, respond.preface);
  const preface = parsePreface(respond.preface);
  const chain = new ResponseChain({ headerHash: sent.headerHash, requestDigest: sent.requestDigest, ...preface });
  for (const frame of frames) {
    reader.push(frame);
    chain.push(frame);
  }
  const asRouter = (signed: SignedReceipt, of: ResponseChain = chain) =>
    verifyReceiptAsRouter(signed, {
      keyset: workers[0]!.keyset,
      certificateDigest: preface.certificateDigest,
      header: sent.header,
      headerHash: sent.headerHash,
      requestDigest: sent.requestDigest,
      dispatch: 1,
      chain: of,
      price: PRICE,
    });
  expect((await asRouter(receipt)).verdict).toBe('verified');
  expect((await verifyReceiptAsClient(receipt, reader)).verdict).toBe('verified');
  for (let at = 0; at < receipt.receipt.length; at++) {
    const altered = { ...receipt, receipt: flipped(receipt.receipt, at) };
    for (const verify of [asRouter, (s: SignedReceipt) => verifyReceiptAsClient(s, reader)]) {
      const outcome = await codeOf(async () => {
        const verdict = await verify(altered);
        expect(verdict.verdict, `byte ${at}`).toBe('refused');
        expect(verdict.checks.signature.outcome).toBe('failed');
      });
      expect(['no error', 'OBJECT_MALFORMED']).toContain(outcome);
    }
  }
  const cut = new ResponseChain({ headerHash: sent.headerHash, requestDigest: sent.requestDigest, ...preface });
  cut.push(frames[0]!);
  expect(await asRouter(receipt, cut)).toMatchObject({ verdict: 'refused', failed: ['chain', 'kind'] });
});
