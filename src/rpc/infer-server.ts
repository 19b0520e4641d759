import {
  type Bytes,
  type Clock,
  CodedError,
  Patrol,
  type Patrolled,
  parseTraceparent,
  type UnixMs,
} from '../core/index.ts';
import type { InferClient, InferInput, RouterService } from '../router/index.ts';
import type { SealedOpen } from '../session/index.ts';
import type { Call, CallHandler, CallListener } from './grpc/call.ts';
import { onlyOne, readFields, readOneField } from './grpc/fields.ts';
import { PREFIX_BYTES } from './grpc/framing.ts';
import { CANDIDATE, INFER_REQUEST, OPEN, STOP_MESSAGE } from './infer-wire.ts';

/** A request without a gRPC deadline gets this one: nothing waits for ever. */
export const DEADLINE_DEFAULT_MS = 120_000;

/** Whoever opens a stream has something to say by then. */
const OPEN_WAIT_MS = 30_000;
/** Kept to this. */
const PATROL_MS = 1_000;

/** Of `Open`: four fields that stand once, and at most three candidates. */
const OPEN_FIELDS_MAX = 7;

/**
 * What one request keeps of memory that it shares with those that came around it, at most: making memory for each costs
 * as much as parsing its header.
 */
const SLAB_BYTES = 8_192;
let slab: Bytes = new Uint8Array(0);
let slabUsed = 0;

/** A copy. */
function kept(bytes: Bytes): Bytes {
  const { length } = bytes;
  if (length > SLAB_BYTES / 2) return new Uint8Array(bytes);
  if (slabUsed + length > slab.length) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  const copy = slab.subarray(slabUsed, slabUsed + length);
  copy.set(bytes);
  slabUsed += length;
  return copy;
}

/** @throws CodedError REQUEST_MALFORMED */
function openOf(whole: Buffer): SealedOpen {
  const { number, bytes } = readOneField(whole, PREFIX_BYTES);
  if (number !== INFER_REQUEST.open) throw malformed('the first message of a request must be `open`');
  // Kept as long as the request is under way, and the message is a view into the connection's buffer.
  const fields = readFields(kept(bytes), OPEN_FIELDS_MAX);
  const candidates: SealedOpen['candidates'][number][] = [];
  for (const field of fields) {
    if (field.number !== OPEN.candidate) continue;
    const own = readFields(field.bytes, 2);
    candidates.push({ wrap: onlyOne(own, CANDIDATE.wrap), enc: onlyOne(own, CANDIDATE.enc) });
  }
  return {
    header: onlyOne(fields, OPEN.header),
    authorization: onlyOne(fields, OPEN.authorization),
    commit: onlyOne(fields, OPEN.commit),
    hello: onlyOne(fields, OPEN.hello),
    candidates,
  };
}

/**
 * One client's stream: `open`, then frames, then `stop` or the half-close. The answer passes as the worker sent it.
 * @param admit throws for a peer that is not served: asked when it opens a stream, and again when it asks on it
 */
export function inferHandler(router: RouterService, now: Clock, admit: (call: Call) => void): CallHandler {
  const shared = { router, now, admit, silent: new Patrol<InferCall>(PATROL_MS) };
  return (call) => {
    admit(call);
    call.listen(new InferCall(shared, call));
  };
}

/** What all streams of one router have in common. */
type Shared = Readonly<{
  router: RouterService;
  now: Clock;
  admit: (call: Call) => void;
  silent: Patrol<InferCall>;
}>;

class InferCall implements CallListener, InferClient, Patrolled {
  patrolPlace = -1;
  readonly answer: Call;
  readonly #shared: Shared;
  readonly #since: UnixMs;
  #input: InferInput | null = null;

  constructor(shared: Shared, call: Call) {
    this.#shared = shared;
    this.answer = call;
    this.#since = shared.now();
    shared.silent.add(this);
  }

  look(): void {
    if (this.#shared.now() - this.#since < OPEN_WAIT_MS) return;
    this.#shared.silent.delete(this);
    this.answer.end(malformed('no `open` came'));
  }

  message(whole: Buffer): void {
    try {
      if (this.#input === null) this.#open(whole);
      else if (whole[PREFIX_BYTES] === STOP_MESSAGE[0] && whole.subarray(PREFIX_BYTES).equals(STOP_MESSAGE))
        this.#input.stop();
      else this.#frame(this.#input, whole);
    } catch (error) {
      this.answer.end(error);
      this.#input?.gone();
    }
  }

  halfClosed(): void {
    if (this.#input !== null) {
      this.#input.halfClosed();
      return;
    }
    this.#shared.silent.delete(this);
    this.answer.end(malformed('the first message of a request must be `open`'));
  }

  gone(): void {
    this.#shared.silent.delete(this);
    this.#input?.gone();
  }

  drained(): void {
    this.#input?.drained();
  }

  finish(error: unknown): void {
    this.answer.end(error);
  }

  pause(): void {
    this.answer.pause();
  }

  resume(): void {
    this.answer.resume();
  }

  #open(whole: Buffer): void {
    const { router, now, admit, silent } = this.#shared;
    silent.delete(this);
    admit(this.answer);
    const open = openOf(whole);
    const parent = parseTraceparent(this.answer.traceparent);
    this.#input = router.infer(open, deadlineOf(this.answer, now()), this, parent);
  }

  #frame(input: InferInput, whole: Buffer): void {
    const wire = Buffer.from(whole);
    const { number, bytes } = readOneField(wire, PREFIX_BYTES);
    if (number !== INFER_REQUEST.frame) throw malformed('only frames may follow `open`');
    input.frame(bytes, wire);
  }
}

function deadlineOf(call: Call, now: UnixMs): UnixMs {
  return Math.min(call.deadline, now + DEADLINE_DEFAULT_MS);
}

const malformed = (message: string) => new CodedError('REQUEST_MALFORMED', message);
