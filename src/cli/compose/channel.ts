import { join } from 'node:path';
import { ed25519Key } from '#crypto';
import { type ChannelConfig, type ChannelTerms, type ChannelView, configOfTerms } from '../../chain/index.ts';
import { parseVoucherBook, type VoucherBook } from '../../client/index.ts';
import { type Bytes, CodedError, toHex } from '../../core/index.ts';
import type { OpenedChain } from './chain.ts';
import { readIfThere, secretOf } from './files.ts';

const CLOSE_DELAY_SECONDS = 86_400;
/** A closed channel stays closed: whoever returns uses the next salt. */
const SALTS_MAX = 256;
/** For opening, topping up and closing, beside the deposit. */
const FEES = 500_000_000n;

/** The client's channel with one payee. */
export type ClientChannel = Readonly<{
  terms: ChannelTerms;
  config: ChannelConfig;
  clientSeed: Bytes;
  /** Null where it was not opened yet. */
  view: ChannelView | null;
  /** Where its vouchers are kept. */
  book: string;
}>;

/**
 * The channel of the keys in a folder with this payee: the first one that was not closed.
 * @param data folder of the client @param closing whether one that is being closed is looked for too
 * @throws CodedError CHANNEL_STATE_INVALID where all salts are used up, and of the chain
 */
export async function clientChannel(
  chain: OpenedChain,
  data: string,
  payee: string,
  closing = false,
): Promise<ClientChannel> {
  const clientSeed = secretOf(data, 'channel');
  const clientKey = ed25519Key(clientSeed).publicKey;
  const client = chain.wallet.address.toRawString();
  for (let salt = 1; salt <= SALTS_MAX; salt++) {
    const terms = {
      network: chain.network,
      clientKey,
      closeDelaySeconds: CLOSE_DELAY_SECONDS,
      salt: BigInt(salt),
      client,
      payee,
    };
    const config = configOfTerms(terms);
    const view = await chain.channels.channelState(config);
    if (view !== null && view.state !== 'open' && !(closing && view.state === 'closing')) continue;
    // One book for each channel: another router, another key or another salt is another channel.
    const name = `vouchers-${toHex(clientKey).slice(0, 16)}-${payee.slice(-16)}${salt === 1 ? '' : `-${salt}`}.json`;
    return { terms, config, clientSeed, view, book: join(data, name) };
  }
  throw new CodedError('CHANNEL_STATE_INVALID', 'every channel of these keys was closed: use another key', {
    salts: SALTS_MAX,
  });
}

/** Opens the channel, or adds to it. @param amount nanoTON */
export async function deposit(chain: OpenedChain, channel: ClientChannel, amount: bigint): Promise<ChannelView> {
  await chain.fund(amount + FEES);
  const { channels, wallet } = chain;
  return channel.view === null
    ? channels.openChannel(wallet, channel.config, amount)
    : channels.topUp(wallet, channel.config, amount);
}

/** What the client has signed on a channel. @throws CodedError CONFIG_INVALID for a book that is not ours */
export function voucherBook({ book }: Pick<ClientChannel, 'book'>): VoucherBook {
  const text = readIfThere(book);
  return text === null ? { cumulative: 0n, leaves: [] } : parseVoucherBook(text);
}
