import { timingSafeEqual } from 'node:crypto';
import { hmacSha256 } from '#crypto';
import {
  type Beacon,
  type Bytes,
  CodedError,
  decodeMs,
  decodeObject,
  encodeBeacon,
  encodeObject,
  fromUtf8,
  parseBeacon,
  type UnixMs,
  u64,
  utf8,
} from '../core/index.ts';
import { TICKET_BYTES_MAX } from '../session/index.ts';

/** What a router has to know of a worker that it let in, to judge the same evidence once more. The worker keeps it. */
export type Ticket = Readonly<{
  /** Name in the log of the router that made it. */
  router: string;
  workerId: Bytes;
  evidenceDigest: Bytes;
  /** The challenge that the evidence answers, */
  nonce: Bytes;
  /** the beacon that came with it and when the router had that, */
  beacon: Beacon;
  madeAt: UnixMs;
  /** and when the answer was judged for the first time. */
  attestedAt: UnixMs;
  leaseUntil: UnixMs;
  /** Of the newest entry that says that the worker is in. */
  logIndex: number;
  issuedAt: UnixMs;
}>;

export type Tickets = ReturnType<typeof createTickets>;

/** Another layout is another label: its tickets are nobody's. */
const LABEL = utf8('chrysalis ticket 1');
const SEALED = [
  { name: 'body', length: 'any' },
  { name: 'tag', length: 32 },
] as const;
const RULES = [
  { name: 'router', length: 'any' },
  { name: 'workerId', length: 32 },
  { name: 'evidenceDigest', length: 32 },
  { name: 'nonce', length: 32 },
  { name: 'beacon', length: 'any' },
  { name: 'madeAt', length: 8 },
  { name: 'attestedAt', length: 8 },
  { name: 'leaseUntil', length: 8 },
  { name: 'logIndex', length: 8 },
  { name: 'issuedAt', length: 8 },
] as const;

/**
 * Tickets under a key that this router alone has (as TLS has them, RFC 8446 section 2.2): whom it let in is kept by those it let in, so that
 * no store can let anybody in, nothing has to be deleted, and nothing is trusted that this router did not write itself.
 * @param secret 32 bytes
 */
export function createTickets(secret: Uint8Array) {
  const tagOf = (body: Uint8Array): Bytes => hmacSha256(secret, encodeObject([LABEL, body]));
  return {
    seal(ticket: Ticket): Bytes {
      const body = encodeObject([
        utf8(ticket.router),
        ticket.workerId,
        ticket.evidenceDigest,
        ticket.nonce,
        encodeBeacon(ticket.beacon),
        u64(ticket.madeAt),
        u64(ticket.attestedAt),
        u64(ticket.leaseUntil),
        u64(ticket.logIndex),
        u64(ticket.issuedAt),
      ]);
      return encodeObject([body, tagOf(body)]);
    },
    /** Null for one that was made under another key, or changed since. */
    open(sealed: Uint8Array): Ticket | null {
      if (sealed.length > TICKET_BYTES_MAX) return null;
      try {
        const [body, tag] = decodeObject(sealed, 'ticket', SEALED) as [Bytes, Bytes];
        return timingSafeEqual(tag, tagOf(body)) ? parseTicket(body) : null;
      } catch (error) {
        if (error instanceof CodedError) return null;
        throw error;
      }
    },
  };
}

function parseTicket(body: Bytes): Ticket {
  const fields = new Map(decodeObject(body, 'ticket', RULES).map((field, i) => [RULES[i]?.name, field]));
  const field = (name: (typeof RULES)[number]['name']) => fields.get(name) as Bytes;
  const number = (name: (typeof RULES)[number]['name']) => decodeMs(field(name), `ticket.${name}`);
  return {
    router: fromUtf8(field('router'), 'ticket.router'),
    workerId: field('workerId'),
    evidenceDigest: field('evidenceDigest'),
    nonce: field('nonce'),
    beacon: parseBeacon(field('beacon')),
    madeAt: number('madeAt'),
    attestedAt: number('attestedAt'),
    leaseUntil: number('leaseUntil'),
    logIndex: number('logIndex'),
    issuedAt: number('issuedAt'),
  };
}
