import { toHex } from '../core/index.ts';
import type { PoolView } from './pool-client.ts';

/** How old a voucher must be before it is overdue: a daily root and some slack (contracts section 1.3). */
export const OVERDUE_SECONDS = 26 * 3600;

/** What the owner of a payee can do now with a voucher that the pool signed. Amounts nanoTON, times unix seconds. */
export type ChallengeStep =
  /** All of it was paid. */
  | Readonly<{ step: 'paid'; claimed: bigint }>
  /** Owed, but a challenge is only for more than the pool's least. */
  | Readonly<{ step: 'small'; owed: bigint; least: bigint }>
  /** The voucher is too young, or the challenge is open and not due: come again then. */
  | Readonly<{ step: 'wait'; owed: bigint; for: 'age' | 'answer'; until: number }>
  /** The key that signed it is none of the pool's, or no longer. */
  | Readonly<{ step: 'lost'; owed: bigint }>
  | Readonly<{ step: 'challenge'; owed: bigint }>
  | Readonly<{ step: 'enforce'; owed: bigint }>;

/**
 * @param voucher the payee's best one; payee and key in bytes
 * @param least the pool's `minChallenge`
 */
export function challengeStep(
  view: PoolView,
  voucher: Readonly<{ payee: Uint8Array; cumulative: bigint; issued: number; key: Uint8Array }>,
  least: bigint,
): ChallengeStep {
  const id = toHex(voucher.payee);
  const claimed = view.payees.get(id)?.claimed ?? 0n;
  const open = view.challenges.get(id);
  // One that is open was signed for; it may be for more than this voucher.
  if (open !== undefined && open.cumulative >= voucher.cumulative) {
    const owed = open.cumulative - claimed;
    return view.at >= open.due ? { step: 'enforce', owed } : { step: 'wait', owed, for: 'answer', until: open.due };
  }
  const owed = voucher.cumulative - claimed;
  if (owed <= 0n) return { step: 'paid', claimed };
  if (owed <= least) return { step: 'small', owed, least };
  if ((view.keys.get(toHex(voucher.key)) ?? -1) < view.at) return { step: 'lost', owed };
  const until = voucher.issued + OVERDUE_SECONDS;
  return view.at >= until ? { step: 'challenge', owed } : { step: 'wait', owed, for: 'age', until };
}
