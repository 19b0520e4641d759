import { type Bytes, equalBytes, toHex } from '../core/index.ts';
import type { Header, SealedOpen } from '../session/index.ts';
import { keepNewest } from './fleet.ts';

const SESSIONS_MAX = 4096;

type Attachment = Readonly<{ hello: Bytes; enc: Bytes }>;
type Remembered = Readonly<{ hello: Bytes; encs: readonly Bytes[]; encDigests: readonly Bytes[] }>;

/** Keeps {Hello, enc} of a session, so that a later request may go to a candidate that never saw it. */
export class SessionMemory {
  readonly #sessions = new Map<string, Remembered>();

  remember(open: SealedOpen, header: Header): void {
    if (open.hello.length === 0) return;
    const remembered = {
      hello: open.hello,
      encs: open.candidates.map((candidate) => candidate.enc),
      encDigests: header.candidates.map((candidate) => candidate.encDigest),
    };
    keepNewest(this.#sessions, toHex(header.sessionId), remembered, SESSIONS_MAX);
  }

  /** What the candidate of this place may know of the session, as an earlier request had it. */
  attachmentFor(header: Header, place: number): Attachment | null {
    const remembered = this.#sessions.get(toHex(header.sessionId));
    const wanted = header.candidates[place]?.encDigest;
    if (remembered === undefined || wanted === undefined) return null;
    const known = remembered.encDigests.findIndex((digest) => equalBytes(digest, wanted));
    return known < 0 ? null : { hello: remembered.hello, enc: remembered.encs[known] as Bytes };
  }
}
