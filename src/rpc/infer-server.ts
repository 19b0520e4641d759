import { type Clock, CodedError, parseTraceparent, type UnixMs } from '../core/index.ts';
import type { InferInput, RouterService } from '../router/index.ts';
import type { SealedOpen } from '../session/index.ts';
import { bytesOf } from './bytes.ts';
import type { Call, CallHandler } from './grpc/call.ts';
import { onlyOne, readFields, readOneField } from './grpc/fields.ts';
import { PREFIX_BYTES } from './grpc/framing.ts';
import { CANDIDATE, INFER_REQUEST, OPEN, STOP_MESSAGE } from './infer-wire.ts';

/** A request without a gRPC deadline gets this one: nothing waits for ever. */
export const DEADLINE_DEFAULT_MS = 120_000;

/** Whoever opens a stream has something to say by then. */
const OPEN_WAIT_MS = 30_000;

/** Of `Open`: four fields that stand once, and at most three candidates. */
const OPEN_FIELDS_MAX = 7;

/** @throws CodedError REQUEST_MALFORMED */
function openOf(whole: Buffer): SealedOpen {
  const { number, bytes } = readOneField(whole, PREFIX_BYTES);
  if (number !== INFER_REQUEST.open) throw malformed('the first message of a request must be `open`');
  // Kept as long as the request is under way, and the message is a view into the connection's buffer.
  const fields = readFields(Buffer.from(bytes), OPEN_FIELDS_MAX);
  const candidates: SealedOpen['candidates'][number][] = [];
  for (const field of fields) {
    if (field.number !== OPEN.candidate) continue;
    const own = readFields(field.bytes, 2);
    candidates.push({ wrap: bytesOf(onlyOne(own, CANDIDATE.wrap)), enc: bytesOf(onlyOne(own, CANDIDATE.enc)) });
  }
  return {
    header: bytesOf(onlyOne(fields, OPEN.header)),
    authorization: bytesOf(onlyOne(fields, OPEN.authorization)),
    commit: bytesOf(onlyOne(fields, OPEN.commit)),
    hello: bytesOf(onlyOne(fields, OPEN.hello)),
    candidates,
  };
}

/** One client's stream: `open`, then frames, then `stop` or the half-close. The answer passes as the worker sent it. */
export function inferHandler(router: RouterService, now: Clock): CallHandler {
  return (call) => {
    let input: InferInput | null = null;
    const silent = setTimeout(() => call.end(malformed('no `open` came')), OPEN_WAIT_MS);
    const message = (whole: Buffer): void => {
      if (input === null) {
        clearTimeout(silent);
        input = start(router, call, openOf(whole), now());
        return;
      }
      if (whole[PREFIX_BYTES] === STOP_MESSAGE[0] && whole.subarray(PREFIX_BYTES).equals(STOP_MESSAGE)) {
        input.stop();
        return;
      }
      const wire = Buffer.from(whole);
      const { number, bytes } = readOneField(wire, PREFIX_BYTES);
      if (number !== INFER_REQUEST.frame) throw malformed('only frames may follow `open`');
      input.frame(bytesOf(bytes), wire);
    };
    call.listen({
      message: (whole) => {
        try {
          message(whole);
        } catch (error) {
          call.end(error);
          input?.gone();
        }
      },
      halfClosed: () => {
        if (input !== null) return input.halfClosed();
        clearTimeout(silent);
        call.end(malformed('the first message of a request must be `open`'));
      },
      gone: () => {
        clearTimeout(silent);
        input?.gone();
      },
      drained: () => input?.drained(),
    });
  };
}

function start(router: RouterService, call: Call, open: SealedOpen, now: UnixMs): InferInput {
  return router.infer(
    open,
    deadlineOf(call, now),
    {
      write: (wire) => call.write(wire),
      finish: (error) => call.end(error),
      pause: () => call.pause(),
      resume: () => call.resume(),
    },
    parseTraceparent(call.traceparent),
  );
}

function deadlineOf(call: Call, now: UnixMs): UnixMs {
  return Math.min(call.deadline, now + DEADLINE_DEFAULT_MS);
}

const malformed = (message: string) => new CodedError('REQUEST_MALFORMED', message);
