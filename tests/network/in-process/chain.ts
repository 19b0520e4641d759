import { ed25519Key } from '#crypto';
import { type ChannelTerms, DEVELOPMENT_NETWORK } from '../../../src/chain/index.ts';
import type { PaymentOptions, VoucherBook } from '../../../src/client/index.ts';
import { toHex } from '../../../src/core/index.ts';
import { randomness } from './randomness.ts';

export const PAYEE = `0:${'bb'.repeat(32)}`;

type Channel = { state: string; deposited: bigint; claimed: bigint; closeAt: number };

/** The chain as a table: channels that are open and full as soon as somebody asks for them. */
export function chainTable() {
  const channels = new Map<string, Channel>();
  const channelOf = ({ clientKey }: ChannelTerms): Channel => {
    const known = channels.get(toHex(clientKey)) ?? { state: 'open', deposited: 10n ** 12n, claimed: 0n, closeAt: 0 };
    channels.set(toHex(clientKey), known);
    return known;
  };
  /** One channel a client, as in production: two processes never sign for one client key. */
  const payments = (): PaymentOptions => {
    const clientSeed = randomness(32);
    const terms: ChannelTerms = {
      network: DEVELOPMENT_NETWORK,
      clientKey: ed25519Key(clientSeed).publicKey,
      closeDelaySeconds: 86_400,
      salt: 1n,
      client: `0:${'aa'.repeat(32)}`,
      payee: PAYEE,
    };
    let book: VoucherBook = { cumulative: 0n, leaves: [] };
    return {
      terms,
      clientSeed,
      store: {
        load: async () => book,
        save: async (next) => {
          book = next;
        },
      },
      onChain: async () => channelOf(terms),
    };
  };
  return { channelOf, payments };
}
