import { type Bytes, CodedError, concat, utf8 } from '../../src/core/index.ts';
import { type AcceptedRequest, openResponse, type SealedOpen, sealRequest } from '../../src/session/index.ts';
import {
  askOf,
  bytes,
  dispatched,
  makeWorker,
  START,
  sessionWith,
  type TestWorker,
  testRandomness,
  type World,
} from './world.ts';

/** One client, some workers and a sealed request, as the tests of threats begin. */
export const newWorld = (): World => ({ now: START, monotonic: 0 });
export const COUNTS = { tokensIn: 10, tokensCached: 0, tokensOut: 3 };

export async function codeOf(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
  return 'no error';
}

export function opened(accepted: AcceptedRequest) {
  if (accepted.outcome !== 'opened') throw new Error(`not opened: ${accepted.fault}`);
  return accepted;
}

export async function scene(k = 1, message: Uint8Array = utf8('the secret of the day')) {
  const world = newWorld();
  const workers = [1, 2, 3].slice(0, k).map((id) => makeWorker(world, id));
  const session = await sessionWith(world, workers);
  const random = testRandomness(3);
  const request = await sealRequest(session, askOf(message), START, random);
  return { world, workers, session, request, random };
}

export const contains = (haystack: Uint8Array, needle: Uint8Array) =>
  Buffer.from(haystack).includes(Buffer.from(needle));
export const everythingOf = (open: SealedOpen, frames: readonly Bytes[]) =>
  concat(
    open.header,
    open.authorization,
    open.commit,
    open.hello,
    ...open.candidates.flatMap((c) => [c.enc, c.wrap]),
    ...frames,
  );

export async function answered(worker: TestWorker, request: Awaited<ReturnType<typeof sealRequest>>, place = 0) {
  const incoming = await dispatched(request.open, request.frames, place);
  const { respond } = opened(await worker.session.accept(incoming));
  const frames = [respond.data(bytes(3, 1)), respond.data(bytes(300, 2))];
  const { frame, receipt } = await respond.final({ finish: 'stop', counts: COUNTS });
  return { preface: respond.preface, frames: [...frames, frame], receipt };
}

export function read(sent: Awaited<ReturnType<typeof sealRequest>>['sent'], preface: Bytes, frames: readonly Bytes[]) {
  const reader = openResponse(sent, preface);
  for (const frame of frames) reader.push(frame);
  reader.end();
  return reader;
}
