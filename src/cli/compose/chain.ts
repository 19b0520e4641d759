import { ed25519Key } from '#crypto';
import {
  type Address,
  type CallerOptions,
  ChainEndpoint,
  ChannelClient,
  configOfTerms,
  DEVELOPMENT_NETWORK,
  voucherChannel,
  Wallet,
} from '../../chain/index.ts';
import type { Bytes } from '../../core/index.ts';
import { CodedError } from '../../core/index.ts';
import type { ChainPort } from '../../router/index.ts';
import { systemRandomness } from './files.ts';

export type OpenedChain = Readonly<{
  endpoint: ChainEndpoint;
  caller: CallerOptions;
  network: number;
  wallet: Wallet;
  channels: ChannelClient;
  /** Sees to it that the wallet can pay fees: from the faucet on a development chain, else it says what is missing. */
  fund(least: bigint): Promise<void>;
}>;

/**
 * @param urls toncenter version 2 JSON-RPC or `liteserver://KEY@HOST:PORT`; several with commas between
 * @param quorum so many must agree on a contract's state: two where there are several, so that no single one is believed
 * @throws CodedError CONFIG_INVALID
 */
export function chainEndpoint(urls: string, quorum?: number): ChainEndpoint {
  const endpoint = urls.split(',');
  return new ChainEndpoint({
    endpoint,
    quorum: quorum ?? Math.min(2, endpoint.length),
    randomness: systemRandomness,
  });
}

/** As {@link chainEndpoint}, with a wallet. @throws CodedError CHAIN_UNREACHABLE, CONFIG_INVALID */
export async function openChain(urls: string, walletSeed: Bytes, quorum?: number): Promise<OpenedChain> {
  const endpoint = chainEndpoint(urls, quorum);
  const network = await endpoint.network();
  const wallet = new Wallet(endpoint, ed25519Key(walletSeed), network, Date.now);
  const caller = { endpoint, network, clock: Date.now, randomness: systemRandomness };
  const channels = new ChannelClient(caller);
  return {
    endpoint,
    caller,
    network,
    wallet,
    channels,
    fund: async (least) => {
      if ((await wallet.balance()) >= least) return;
      if (network === DEVELOPMENT_NETWORK) return endpoint.faucet(wallet.address as Address, 4n * least);
      throw new CodedError('CHAIN_FUNDS_MISSING', 'the wallet holds too little for its fees', {
        address: wallet.address.toRawString(),
        todo: `send at least ${least} nanoTON to ${wallet.address.toString()}`,
      });
    },
  };
}

/** The router's view of the chain. */
export function chainPort(chain: OpenedChain): ChainPort {
  const { channels, endpoint, network, wallet } = chain;
  return {
    head: async () => {
      const { seqno, rootHash } = await endpoint.head();
      return { network, seqno, rootHash };
    },
    channel: async (terms) => {
      const view = await channels.channelState(configOfTerms(terms));
      if (view === null)
        throw new CodedError('CHANNEL_REFUSED', 'there is no such channel on chain', { reason: 'absent' });
      return view;
    },
    claim: async (terms, voucher) => {
      await chain.fund(200_000_000n);
      const config = configOfTerms(terms);
      const { raw } = { raw: (await channels.channelState(config))?.address.toRawString() ?? '' };
      const { cumulative, receipts, signature } = voucher;
      return channels.claim(wallet, config, { channel: voucherChannel(raw), cumulative, receipts }, signature);
    },
  };
}
