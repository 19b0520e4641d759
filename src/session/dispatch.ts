import type { SigningKey, Where } from '#crypto';
import { type Bytes, concat, labelledDigest, type UnixMs, u8, u64 } from '../core/index.ts';
import { exactly, signDigest, verifyDigest } from './objects.ts';

/** What a router's dispatch signature speaks of (AIS/1 section 7): the worker's claim on the router. */
export type Dispatch = Readonly<{
  headerHash: Uint8Array;
  requestDigest: Uint8Array;
  /** ec_digest of the candidate that it was sent to. */
  certificateDigest: Uint8Array;
  /** 1 to the header's maximum. */
  dispatch: number;
}>;

function dispatchDigest(of: Dispatch): Bytes {
  return labelledDigest('dispatch', of.headerHash, of.requestDigest, of.certificateDigest, u8(of.dispatch));
}

/** `Sign(router dispatch key, "dispatch", header_hash, request_digest, ec_digest_j, u8 dispatch)`, 64 bytes. */
export function signDispatch(key: SigningKey, of: Dispatch, where?: Where): Promise<Bytes> {
  return signDigest(key, dispatchDigest(of), where);
}

export function verifyDispatch(dispatchKey: Uint8Array, of: Dispatch, signature: Uint8Array): Promise<boolean> {
  return verifyDigest(dispatchKey, dispatchDigest(of), signature);
}

/** A TON account: the channel that pays for a session key. */
export type ChannelAddress = Readonly<{ workchain: number; account: Uint8Array }>;

export type Delegation = Readonly<{
  channel: ChannelAddress;
  /** CSK, 32 bytes. */
  sessionKey: Uint8Array;
  /** Bound of what this key may spend, in the channel's smallest unit. */
  limit: bigint;
  notAfter: UnixMs;
}>;

function channelField(channel: ChannelAddress): Bytes {
  return concat(Uint8Array.of(channel.workchain & 0xff), exactly(32, 'channel', channel.account));
}

function delegationDigest(of: Delegation): Bytes {
  const sessionKey = exactly(32, 'sessionKey', of.sessionKey);
  return labelledDigest('delegate', channelField(of.channel), sessionKey, u64(of.limit), u64(of.notAfter));
}

function undelegationDigest(channel: ChannelAddress, sessionKey: Uint8Array): Bytes {
  return labelledDigest('undelegate', channelField(channel), exactly(32, 'sessionKey', sessionKey));
}

/** `Sign(channel client key, "delegate", i8 ‖ address[32], CSK, limit u64, not_after u64)` (section 8). */
export function signDelegation(clientKey: SigningKey, of: Delegation): Promise<Bytes> {
  return signDigest(clientKey, delegationDigest(of));
}

export function verifyDelegation(clientKey: Uint8Array, of: Delegation, signature: Uint8Array): Promise<boolean> {
  return verifyDigest(clientKey, delegationDigest(of), signature);
}

/** In a price offer: for every model that has none of its own. */
export const NO_MODEL: Bytes = new Uint8Array(32);

/**
 * `Sign(dispatch key, "price-offer", model[32], price sheet)`: what a router asks for a model. The header binds its
 * `price_id`, which the client signs.
 * @param model digest M or the alias of a name; {@link NO_MODEL} for all others
 */
export function signPriceOffer(dispatchKey: SigningKey, model: Uint8Array, priceSheet: Uint8Array): Promise<Bytes> {
  return signDigest(dispatchKey, labelledDigest('price-offer', model, priceSheet));
}

export function verifyPriceOffer(
  dispatchKey: Uint8Array,
  model: Uint8Array,
  priceSheet: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  return verifyDigest(dispatchKey, labelledDigest('price-offer', model, priceSheet), signature);
}

/** `Sign(channel client key, "undelegate", channel, CSK)`: ends it. */
export function signUndelegation(
  clientKey: SigningKey,
  channel: ChannelAddress,
  sessionKey: Uint8Array,
): Promise<Bytes> {
  return signDigest(clientKey, undelegationDigest(channel, sessionKey));
}

export function verifyUndelegation(
  clientKey: Uint8Array,
  channel: ChannelAddress,
  sessionKey: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  return verifyDigest(clientKey, undelegationDigest(channel, sessionKey), signature);
}
