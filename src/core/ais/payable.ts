/** As much of a receipt as decides whether it is payable: its amount, 0 in an error receipt. */
type Payable = Readonly<{ amount: bigint }>;

/**
 * Which receipt of a request is payable (AIS/1 section 8, contracts section 6): the final one, else the last checkpoint;
 * a later one takes the place of an earlier one with no lower amount, and nothing else changes. So an error receipt,
 * whose amount is 0, closes the chain and takes nothing back: nobody gains by showing it, by hiding it, or by making it.
 * Client and router decide by this alone, so that their sums are equal.
 * @param before what is payable of the request so far; null where nothing is
 */
export function takesItsPlace(next: Payable, before: Payable | null): boolean {
  return before === null || next.amount >= before.amount;
}
