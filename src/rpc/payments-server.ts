import type * as grpc from '@grpc/grpc-js';
import type { ChannelTerms } from '../chain/index.ts';
import { CodedError } from '../core/index.ts';
import type { RouterService } from '../router/index.ts';
import { bytesOf } from './bytes.ts';
import type { UnaryFactory } from './router-server.ts';
import type { ChannelAccount as WireAccount } from './wire/chrysalis/v1/ChannelAccount.ts';
import type { DelegateRequest__Output } from './wire/chrysalis/v1/DelegateRequest.ts';
import type { SubmitVoucherRequest__Output } from './wire/chrysalis/v1/SubmitVoucherRequest.ts';

type Account = Awaited<ReturnType<RouterService['getChannel']>>;

function accountToWire(account: Account): WireAccount {
  return {
    channel: account.channel,
    state: account.state,
    deposited: account.deposited.toString(),
    claimed: account.claimed.toString(),
    vouchered: account.vouchered.toString(),
    receipted: account.receipted.toString(),
    receipts: account.receipts,
    voucheredReceipts: account.voucheredReceipts,
  };
}

/** Decimal, without sign or leading zeros. @throws CodedError REQUEST_MALFORMED */
export function amountFromWire(text: string, field: string): bigint {
  if (!/^(0|[1-9][0-9]{0,36})$/.test(text))
    throw new CodedError('REQUEST_MALFORMED', `${field} is not an amount`, { field });
  return BigInt(text);
}

/** @throws CodedError REQUEST_MALFORMED */
export function channelFromWire({ channel }: DelegateRequest__Output): ChannelTerms {
  if (!channel) throw new CodedError('REQUEST_MALFORMED', 'delegation without a channel', { field: 'channel' });
  return {
    network: channel.network,
    clientKey: bytesOf(channel.clientKey),
    closeDelaySeconds: channel.closeDelaySeconds,
    salt: amountFromWire(channel.salt, 'salt'),
    client: channel.client,
    payee: channel.payee,
  };
}

export function paymentHandlers(router: RouterService, unary: UnaryFactory): grpc.UntypedServiceImplementation {
  return {
    getTerms: unary(() => router.getTerms()),
    delegate: unary(async (ask: DelegateRequest__Output) => {
      const paymentRef = await router.delegate({
        channel: channelFromWire(ask),
        sessionKey: bytesOf(ask.sessionKey),
        limit: amountFromWire(ask.limit, 'limit'),
        notAfter: Number(ask.notAfter),
        signature: bytesOf(ask.signature),
      });
      return { paymentRef };
    }),
    submitVoucher: unary(async (ask: SubmitVoucherRequest__Output) => {
      const cumulative = await router.submitVoucher({
        channel: ask.channel,
        cumulative: amountFromWire(ask.cumulative, 'cumulative'),
        receipts: bytesOf(ask.receipts),
        newReceiptDigests: ask.newReceiptDigests.map(bytesOf),
        signature: bytesOf(ask.signature),
      });
      return { cumulative: cumulative.toString() };
    }),
    getChannel: unary(async (ask: { channel: string }) => accountToWire(await router.getChannel(ask.channel))),
    requestClaim: unary(async (ask: { channel: string }) => accountToWire(await router.requestClaim(ask.channel))),
  } as grpc.UntypedServiceImplementation;
}
