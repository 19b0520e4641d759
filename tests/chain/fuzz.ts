import { type Address, beginCell, type Cell, toNano } from '@ton/core';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { ContractBench, Outcome } from './contract-bench.ts';
import { VALUE } from './support.ts';

/** Operations on one contract: 2,000 in CI, some at every desk, ten thousand and more before a release. */
export const OPERATIONS = Number(process.env.CHRYSALIS_FUZZ_OPERATIONS ?? (process.env.CI ? 2000 : 400));
/** Shown in the test's name: the same seed draws the same operations. */
export const SEED = Number(process.env.CHRYSALIS_FUZZ_SEED ?? Date.now() % 1_000_000_000);
/** With room for a busy machine, milliseconds. */
export const FUZZ_TIMEOUT_MS = 120_000 + 60 * OPERATIONS;
const OPERATIONS_PER_RUN = 40;
/** More than any message's fees: what a refused action phase may have been short of. */
const FEES_MAX = toNano('0.005');
/** More than any operation's gas, and the codes of a contract that had too little: not run, stopped, stopped later. */
const GAS_MAX = toNano('0.01');
const OUT_OF_GAS = [-1, -14, 13];

/** What the rules of a contract say of one message, by a model that was written from the document. */
export type Expected<State> = Readonly<{
  exitCode: number;
  state: State;
  /** Paid out by rule, beside the sender's change. */
  payouts: readonly Readonly<{ to: Address; amount: bigint }>[];
  /** What must be left on the account; null where everything that came stays or goes on. */
  keep: bigint | null;
}>;

/** @property bounced a message that the receiver did not take, on its way back */
export type Sent = Readonly<{ from: Address; value: bigint; body: Cell; bounced?: boolean }>;

/** One message on contract and model; they must agree on all that can be seen. */
export async function step<State>(
  bench: ContractBench<State>,
  sent: Sent,
  expectedOf: (before: State, base: bigint, now: number) => Expected<State>,
): Promise<Outcome> {
  const before = bench.state as State;
  const balanceBefore = bench.balance;
  const { bounced = false } = sent;
  const outcome = await bench.send(sent.from, sent.value, sent.body, { bounced, bounce: !bounced });
  const byRule = expectedOf(before, outcome.base, bench.now);
  // Too little even for gas: the contract did not run, or not to its end.
  const starved = sent.value < GAS_MAX && OUT_OF_GAS.includes(outcome.exitCode);
  const expected = starved ? { ...byRule, exitCode: outcome.exitCode } : byRule;
  expect(outcome.exitCode).toBe(expected.exitCode);
  const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n);
  const toSender = sum(outcome.outgoing.filter((out) => out.to.equals(sent.from)).map((out) => out.value));
  const ruled = sum(expected.payouts.filter(({ to }) => to.equals(sent.from)).map(({ amount }) => amount));
  expect(toSender, 'nobody gets back more than it sent, beside what a rule pays').toBeLessThanOrEqual(
    sent.value + ruled,
  );

  if (expected.exitCode !== 0 || outcome.aborted) {
    expect(bench.state).toEqual(before);
    // What is too little for the fees of going back stays, and what has come back already.
    const kept = outcome.outgoing.length === 0 && (bounced || sent.value < GAS_MAX) ? sent.value : 0n;
    expect(bench.balance).toBeLessThanOrEqual(balanceBefore + kept);
    if (expected.exitCode === 0) {
      // The action phase failed: only where the account was truly short of what must stay on it.
      expect(outcome.actionCode).not.toBe(0);
      const needed = (expected.keep ?? 0n) + sum(expected.payouts.map(({ amount }) => amount));
      expect(outcome.base + sent.value - needed).toBeLessThan(FEES_MAX + GAS_MAX);
    }
    return outcome;
  }
  expect(bench.state).toEqual(expected.state);
  const paid = outcome.outgoing.map((out) => ({ to: out.to.toRawString(), value: out.value }));
  for (const { to, amount } of expected.payouts) {
    const at = paid.findIndex((out) => out.to === to.toRawString() && out.value === amount);
    expect(at, `pays ${amount} to ${to.toRawString()}`).toBeGreaterThanOrEqual(0);
    paid.splice(at, 1);
  }
  expect(paid.length, 'nothing else leaves but the change of the sender').toBeLessThanOrEqual(1);
  if (expected.keep !== null) {
    expect(bench.balance).toBeGreaterThanOrEqual(expected.keep);
    expect(bench.balance - expected.keep).toBeLessThan(FEES_MAX);
  }
  return outcome;
}

/** A directed operation: what is drawn otherwise, from whom and with what value. */
export const by = <const From, const Drawn>(from: From, drawn: Drawn, value = VALUE) => ({ drawn, from, value });

/**
 * One run of `directed`, then runs of {@link OPERATIONS_PER_RUN} drawn operations, {@link OPERATIONS} in all.
 * @param directed operations that provoke every answer the contract has, whatever the seed draws after them
 */
export async function fuzz<Drawn>(
  action: fc.Arbitrary<Drawn>,
  directed: readonly NoInfer<Drawn>[],
  run: (actions: readonly Drawn[]) => Promise<void>,
): Promise<void> {
  const length = { minLength: OPERATIONS_PER_RUN, maxLength: OPERATIONS_PER_RUN };
  const numRuns = 1 + Math.ceil(OPERATIONS / OPERATIONS_PER_RUN);
  const examples: [Drawn[]][] = [[[...directed]]];
  await fc.assert(fc.asyncProperty(fc.array(action, length), run), { numRuns, examples, seed: SEED });
}

/** The directed operations see to it, so it holds for every seed and any number of operations. */
export function expectSeen(seen: ReadonlySet<number>, codes: readonly number[]): void {
  expect([...seen], 'every answer was provoked').toEqual(expect.arrayContaining([...codes]));
}

export const empty = beginCell().endCell();
export const unknownOperation = (tag: number) => beginCell().storeUint(tag, 32).storeUint(0, 64).endCell();

/** Refused: the state is as it was, and what was sent goes back but for fees. */
export async function expectRefused<State>(
  bench: ContractBench<State>,
  exitCode: number,
  send: () => Promise<Outcome>,
): Promise<void> {
  const before = { state: bench.state, balance: bench.balance };
  const outcome = await send();
  expect(outcome.exitCode).toBe(exitCode);
  expect(outcome.aborted).toBe(true);
  expect(bench.state).toEqual(before.state);
  expect(bench.balance).toBeLessThanOrEqual(before.balance);
  expect(outcome.outgoing.map((out) => out.bounced)).toEqual([true]);
}

/**
 * What every contract refuses: each body cut at any place, with a bit or a cell too many, of an operation that does not
 * exist, with too little value, from outside; a bounced message changes nothing.
 */
export async function expectGarbageRefused<State>(
  bench: ContractBench<State>,
  from: Address,
  bodies: readonly Cell[],
  minimum: bigint,
): Promise<void> {
  const before = bench.state;
  const enough = toNano('0.1');
  for (const body of bodies) {
    await expectRefused(bench, 450, () => bench.send(from, minimum - 1n, body));
    const cuts = [1, 31, 32, 33, 95, body.bits.length - 1].filter((length) => length < body.bits.length);
    for (const length of cuts) {
      const cut = beginCell().storeBits(body.bits.substring(0, length));
      for (const ref of body.refs) cut.storeRef(ref);
      const outcome = await bench.send(from, enough, cut.endCell());
      expect([9, 0xffff]).toContain(outcome.exitCode);
    }
    const longer = beginCell().storeSlice(body.beginParse());
    if (body.bits.length < 1023)
      await expectRefused(bench, 9, () => bench.send(from, enough, longer.storeBit(0).endCell()));
    const withCell = beginCell().storeSlice(body.beginParse()).storeRef(empty).endCell();
    const code = (await bench.send(from, enough, withCell)).exitCode;
    expect(code).not.toBe(0);
    await bench.send(from, enough, body, { bounced: true, bounce: false });
    await expect(bench.sendExternal(body)).rejects.toMatchObject({ code: 'CHAIN_REFUSED' });
  }
  const onlyCell = await bench.send(from, enough, beginCell().storeRef(empty).endCell());
  expect([9, 0xffff]).toContain(onlyCell.exitCode);
  for (const body of [unknownOperation(0), unknownOperation(0x43480006)]) {
    await expectRefused(bench, 0xffff, () => bench.send(from, enough, body));
  }
  expect(bench.state).toEqual(before);
}
