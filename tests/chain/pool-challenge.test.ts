import { expect, test } from 'vitest';
import { challengeStep, OVERDUE_SECONDS, type PoolView } from '../../src/chain/index.ts';
import { toHex } from '../../src/core/index.ts';
import { bytes } from './support.ts';

const [payee, key, NOW, LEAST] = [bytes(1), bytes(2), 2_000_000_000, 100n];
type Changes = Readonly<{
  claimed?: bigint;
  challenge?: Readonly<{ cumulative: bigint; due: number }>;
  keyUntil?: number;
}>;

function stepOf(cumulative: bigint, { claimed = 0n, challenge, keyUntil = 2 ** 32 - 1 }: Changes = {}, issued = 0) {
  const view = {
    at: NOW,
    payees: new Map([[toHex(payee), { claimed, inRoot: 0n }]]),
    challenges: new Map(challenge === undefined ? [] : [[toHex(payee), challenge]]),
    keys: new Map([[toHex(key), keyUntil]]),
  };
  return challengeStep(view as unknown as PoolView, { payee, cumulative, issued, key }, LEAST);
}

test('what a payee can do with a voucher follows from what the pool shows', () => {
  expect(stepOf(1000n)).toEqual({ step: 'challenge', owed: 1000n });
  expect(stepOf(1000n, { claimed: 400n })).toEqual({ step: 'challenge', owed: 600n });
  expect(stepOf(1000n, { claimed: 1000n })).toEqual({ step: 'paid', claimed: 1000n });
  expect(stepOf(1000n, { claimed: 2000n })).toEqual({ step: 'paid', claimed: 2000n });
  expect(stepOf(1000n, { claimed: 900n })).toEqual({ step: 'small', owed: 100n, least: LEAST });
  expect(stepOf(1000n, { claimed: 899n }).step).toBe('challenge');
});

test('a voucher is overdue after 26 hours, and its key must count until then', () => {
  const until = NOW + 1;
  expect(stepOf(1000n, {}, until - OVERDUE_SECONDS)).toEqual({ step: 'wait', owed: 1000n, for: 'age', until });
  expect(stepOf(1000n, {}, NOW - OVERDUE_SECONDS).step).toBe('challenge');
  expect(stepOf(1000n, { keyUntil: NOW }).step).toBe('challenge');
  expect(stepOf(1000n, { keyUntil: NOW - 1 })).toEqual({ step: 'lost', owed: 1000n });
});

test('an open challenge is waited for and then enforced; a better voucher raises it first', () => {
  const challenge = { cumulative: 1000n, due: NOW + 5 };
  expect(stepOf(1000n, { challenge })).toEqual({ step: 'wait', owed: 1000n, for: 'answer', until: NOW + 5 });
  expect(stepOf(700n, { challenge, claimed: 100n })).toMatchObject({ step: 'wait', owed: 900n });
  expect(stepOf(1000n, { challenge: { ...challenge, due: NOW }, claimed: 100n })).toEqual({
    step: 'enforce',
    owed: 900n,
  });
  expect(stepOf(1500n, { challenge })).toEqual({ step: 'challenge', owed: 1500n });
});
