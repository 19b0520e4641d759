import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Bytes } from '../../src/core/index.ts';
import { createTickets, type Ticket } from '../../src/router/tickets.ts';

const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((of) => Uint8Array.from(of) as Bytes);
const time = fc.maxSafeNat();
const ticket: fc.Arbitrary<Ticket> = fc.record({
  router: fc.stringMatching(/^[a-z][a-z0-9.-]{0,60}$/),
  workerId: bytes,
  evidenceDigest: bytes,
  nonce: bytes,
  beacon: fc.record({
    network: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    seqno: fc.nat({ max: 2 ** 32 - 1 }),
    blockRootHash: bytes,
    logOriginSha256: bytes,
    logSize: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    logRoot: bytes,
  }),
  madeAt: time,
  attestedAt: time,
  leaseUntil: time,
  logIndex: time,
  issuedAt: time,
});
const tickets = createTickets(new Uint8Array(32).fill(1));

test('a ticket says what was put into it, and nothing under another key', () => {
  fc.assert(
    fc.property(ticket, (made) => {
      const sealed = tickets.seal(made);
      expect(tickets.open(sealed)).toEqual(made);
      expect(createTickets(new Uint8Array(32).fill(2)).open(sealed)).toBeNull();
    }),
  );
});

test('a ticket with any bit changed, cut anywhere or with anything after it is none', () => {
  const [made] = fc.sample(ticket, 1);
  const sealed = tickets.seal(made!);
  for (let bit = 0; bit < 8 * sealed.length; bit++) {
    const changed = Uint8Array.from(sealed);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    expect(tickets.open(changed)).toBeNull();
  }
  for (let length = 0; length < sealed.length; length++) expect(tickets.open(sealed.subarray(0, length))).toBeNull();
  expect(tickets.open(Uint8Array.of(...sealed, 0))).toBeNull();
});

test('bytes of anybody’s are no ticket, and end nothing', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2_000 }), (any) => tickets.open(any) === null));
});
