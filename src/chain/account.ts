import { Address } from '@ton/core';
import { type Bytes, CodedError, type UnixMs } from '../core/index.ts';
import { type ChannelConfig, channelAddress } from './channel.ts';

/** What makes a channel's address, as client and router tell each other; either recomputes the address from it. */
export type ChannelTerms = Readonly<{
  network: number;
  /** Ed25519, 32 bytes: signs vouchers and delegations only. */
  clientKey: Bytes;
  closeDelaySeconds: number;
  salt: bigint;
  /** Raw addresses, `workchain:hex`. */
  client: string;
  payee: string;
}>;

/** A channel as the router's ledger and the chain show it; amounts in nanoTON. */
export type ChannelAccount = Readonly<{
  channel: string;
  state: string;
  deposited: bigint;
  /** On chain. */
  claimed: bigint;
  /** Best voucher the router holds. */
  vouchered: bigint;
  /** Payable receipts in total. */
  receipted: bigint;
  receipts: number;
  /** Receipts that the best voucher names. */
  voucheredReceipts: number;
}>;

/** Lets a session key spend on a channel, signed by the channel's client key. */
export type DelegationAsk = Readonly<{
  channel: ChannelTerms;
  sessionKey: Bytes;
  limit: bigint;
  notAfter: UnixMs;
  signature: Bytes;
}>;

/** A voucher with the receipts that it pays and an earlier one did not. */
export type VoucherAsk = Readonly<{
  channel: string;
  cumulative: bigint;
  receipts: Bytes;
  newReceiptDigests: readonly Bytes[];
  signature: Bytes;
}>;

/** @throws CodedError CHANNEL_CONFIG_INVALID for an address that is not in raw form */
export function configOfTerms(terms: ChannelTerms): ChannelConfig {
  return {
    network: terms.network,
    clientKey: terms.clientKey,
    closeDelaySeconds: terms.closeDelaySeconds,
    salt: terms.salt,
    client: rawAddress(terms.client, 'client'),
    payee: rawAddress(terms.payee, 'payee'),
  };
}

/** The only address at which a channel of these terms can be. */
export function addressOfTerms(terms: ChannelTerms): Readonly<{ raw: string; workchain: number; account: Bytes }> {
  const address = channelAddress(configOfTerms(terms));
  return { raw: address.toRawString(), workchain: address.workChain, account: Uint8Array.from(address.hash) };
}

/** @throws CodedError CHANNEL_CONFIG_INVALID */
export function voucherChannel(raw: string): Address {
  return rawAddress(raw, 'channel');
}

function rawAddress(text: string, field: string): Address {
  if (!/^(0|-1):[0-9a-f]{64}$/.test(text)) {
    throw new CodedError('CHANNEL_CONFIG_INVALID', `${field} is not a raw address`, { field });
  }
  return Address.parseRaw(text);
}
