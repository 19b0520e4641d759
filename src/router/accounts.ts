import {
  addressOfTerms,
  type ChannelAccount,
  type ChannelTerms,
  type DelegationAsk,
  type VoucherAsk,
} from '../chain/index.ts';
import {
  type Bytes,
  CodedError,
  equalBytes,
  KIND_OF_CODE,
  type Randomness,
  toHex,
  type UnixMs,
} from '../core/index.ts';
import { type Header, verifyDelegation } from '../session/index.ts';
import type { ChannelRow, Ledger, VoucherRow } from '../store/index.ts';
import { keepNewest } from './fleet.ts';
import type { ChainPort } from './ports.ts';
import { createVouchers } from './vouchers.ts';

/** Contracts sections 1.2 and 6. Amounts in nanoTON, times in ms unless named otherwise. */
export type AccountTerms = Readonly<{
  network: number;
  /** Raw address that channels must name. */
  payee: string;
  /** Of the sheet in force for a model, as a header names it. */
  priceIdOf: (model: Uint8Array) => Bytes;
  /** W is at most this, and at least {@link NEW_CHANNEL_CREDIT}. */
  creditMax: bigint;
  /** The router claims by itself when a voucher is this far ahead of the chain. */
  claimAbove: bigint;
  /** The pool's share of what it collects, in ten-thousandths; the rest is the workers'. */
  feeBps: number;
}>;

const NEW_CHANNEL_CREDIT = 10_000_000n;
const CLOSE_DELAY_SECONDS = { least: 86_400, most: 14 * 86_400 };
const DELEGATION_MS_MAX = 24 * 3_600_000;
/** A view older than this is refreshed beside the request, */
const VIEW_FRESH_MS = 30_000;
/** and before it from here on: contracts section 6 wants one of at most a minute. */
const VIEW_MS_MAX = 60_000;
/** No request waits longer for the chain, and where it did not answer none waits again for {@link VIEW_FRESH_MS}. */
const REFRESH_MS_MAX = 2_000;
/** A close that nobody saw must be answered in this part of its delay: after it the channel serves nobody. */
const OUTAGE_PART_OF_CLOSE_DELAY = 4;
/** What is set aside is given back when a request ends; where its router died, this long after its deadline. */
const RELEASE_GRACE_MS = 5_000;
const CLOSE_DELAYS_MAX = 16_384;

/** y-coordinates of the points of small order, sign bit cleared: a signature under them proves nothing. */
const SMALL_ORDER: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

export type Reservation = Readonly<{ channel: string; release(): void }>;
export type Accounts = ReturnType<typeof createAccounts>;

export function createAccounts(
  deps: Readonly<{ ledger: Ledger; chain: ChainPort; now: () => UnixMs; randomness: Randomness }>,
  terms: AccountTerms,
) {
  const { ledger, chain, now } = deps;
  const vouchers = createVouchers(ledger);
  const refreshing = new Map<string, Promise<ChannelRow>>();
  const claiming = new Map<string, Promise<ChannelRow>>();
  let voucherLag = 0n;
  const closeDelays = new Map<string, number>();

  /** In milliseconds. A channel's address is over its terms: what was read of them once holds. */
  const closeDelayOf = ({ channel, terms: of }: ChannelRow): number => {
    const delay = closeDelays.get(channel) ?? parseTerms(of).closeDelaySeconds * 1000;
    keepNewest(closeDelays, channel, delay, CLOSE_DELAYS_MAX);
    return delay;
  };

  /** What a voucher names has been earned once the chain shows that it was paid. */
  const collected = async (voucher: VoucherRow, claimed: bigint): Promise<void> => {
    if (claimed < voucher.cumulative) return;
    await ledger.markCollected(voucher.channel, voucher.leaves, (amount) => workersShare(amount, terms.feeBps));
  };

  const refresh = (channel: string, of: ChannelTerms): Promise<ChannelRow> => {
    const running = refreshing.get(channel);
    if (running !== undefined) return running;
    const started = (async () => {
      const view = await chain.channel(of);
      const row: ChannelRow = {
        channel,
        terms: encodeTerms(of),
        clientKey: of.clientKey,
        state: view.state,
        deposited: view.deposited,
        claimed: view.claimed,
        viewedAt: now(),
      };
      await ledger.putChannel(row);
      const voucher = await ledger.voucher(channel);
      if (voucher !== null) await collected(voucher, view.claimed);
      return row;
    })().finally(() => refreshing.delete(channel));
    refreshing.set(channel, started);
    return started;
  };

  /** When nobody waits for the chain before, after it did not answer. */
  let awayUntil = 0;
  /** By channel that was not seen for a minute: what was vouchered when that was noticed. */
  const outages = new Map<string, Readonly<{ viewedAt: UnixMs; vouchered: bigint }>>();

  /** A view of at most a minute, where the chain answers soon; else the last one. */
  const seen = async (row: ChannelRow): Promise<ChannelRow> => {
    const age = now() - row.viewedAt;
    if (age <= VIEW_FRESH_MS) return row;
    const refreshed = refresh(row.channel, parseTerms(row.terms)).catch(() => row);
    if (age <= VIEW_MS_MAX || now() < awayUntil) return row;
    const newest = await within(REFRESH_MS_MAX, refreshed, row);
    if (newest.viewedAt === row.viewedAt) awayUntil = now() + VIEW_FRESH_MS;
    return newest;
  };

  /**
   * V of contracts section 6. While the chain is away only what was there when that began: what may be lost to a close
   * that nobody saw is the credit window, and no voucher makes it wider.
   */
  const counted = async (row: ChannelRow): Promise<Readonly<{ vouchered: bigint; away: boolean }>> => {
    const vouchered = (await ledger.voucher(row.channel))?.cumulative ?? 0n;
    if (now() - row.viewedAt <= VIEW_MS_MAX) {
      outages.delete(row.channel);
      return { vouchered, away: false };
    }
    const began = outages.get(row.channel);
    if (began?.viewedAt === row.viewedAt) return { vouchered: began.vouchered, away: true };
    outages.set(row.channel, { viewedAt: row.viewedAt, vouchered });
    return { vouchered, away: true };
  };

  const known = async (channel: string): Promise<ChannelRow> => {
    const row = await ledger.channel(channel);
    if (row === null)
      throw new CodedError('CHANNEL_REFUSED', 'this router does not know the channel', { reason: 'unknown' });
    return row;
  };

  const account = async (row: ChannelRow): Promise<ChannelAccount> => {
    const { amount, count } = await ledger.receipted(row.channel);
    const voucher = await ledger.voucher(row.channel);
    return {
      channel: row.channel,
      state: row.state,
      deposited: row.deposited,
      claimed: row.claimed,
      vouchered: voucher?.cumulative ?? 0n,
      receipted: amount,
      receipts: count,
      voucheredReceipts: voucher?.leaves ?? 0,
    };
  };

  /** What is claimed once the voucher is. One that was sent before a crash may arrive first: then it is as good. */
  const claimedBy = async (of: ChannelTerms, voucher: Parameters<ChainPort['claim']>[1]): Promise<bigint> => {
    try {
      return (await chain.claim(of, voucher)).claimed;
    } catch (error) {
      const { claimed } = await chain.channel(of);
      if (claimed >= voucher.cumulative) return claimed;
      throw error;
    }
  };

  const claim = (channel: string): Promise<ChannelRow> => {
    const running = claiming.get(channel);
    if (running !== undefined) return running;
    const started = (async () => {
      const row = await known(channel);
      const voucher = await ledger.voucher(channel);
      const of = parseTerms(row.terms);
      if (voucher !== null && voucher.cumulative > row.claimed) {
        // By the time of the next look a better voucher may have come, which is not collected.
        await collected(voucher, await claimedBy(of, voucher));
      }
      return refresh(channel, of);
    })().finally(() => claiming.delete(channel));
    claiming.set(channel, started);
    return started;
  };

  return {
    /** @throws CodedError CHANNEL_REFUSED or DELEGATION_REFUSED with the reason in `facts` */
    async delegate(ask: DelegationAsk): Promise<Bytes> {
      requireTerms(ask.channel, terms);
      const { raw, workchain, account: accountId } = addressOfTerms(ask.channel);
      const of = {
        channel: { workchain, account: accountId },
        sessionKey: ask.sessionKey,
        limit: ask.limit,
        notAfter: ask.notAfter,
      };
      if (ask.sessionKey.length !== 32 || !(await verifyDelegation(ask.channel.clientKey, of, ask.signature))) {
        throw new CodedError('DELEGATION_REFUSED', 'not signed by the channel’s client key', { reason: 'signature' });
      }
      if (!(ask.notAfter > now() && ask.notAfter <= now() + DELEGATION_MS_MAX)) {
        throw new CodedError('DELEGATION_REFUSED', 'a delegation lasts 24 hours at most', { reason: 'notAfter' });
      }
      const row = await refresh(raw, ask.channel).catch(async (error: unknown) => {
        const before = await ledger.channel(raw);
        if (before === null || !(error instanceof CodedError) || KIND_OF_CODE[error.code] !== 'unavailable')
          throw error;
        return before;
      });
      if (row.state !== 'open')
        throw new CodedError('CHANNEL_REFUSED', `the channel is ${row.state}`, { reason: 'state' });
      const { paymentRef, channel } = await ledger.putDelegation({
        paymentRef: deps.randomness(16),
        channel: raw,
        sessionKey: ask.sessionKey,
        limit: ask.limit,
        notAfter: ask.notAfter,
      });
      if (channel !== raw)
        throw new CodedError('DELEGATION_REFUSED', 'the key is delegated on another channel', { reason: 'key' });
      return paymentRef;
    },

    /**
     * The credit rule of contracts section 6, for each request id once. @param end of the request
     * @throws CodedError CREDIT_EXHAUSTED, DELEGATION_REFUSED, CHANNEL_REFUSED, REQUEST_REPLAYED; CHAIN_UNREACHABLE where
     *   the chain is away and the credit window for that is used up
     */
    async reserve(header: Header, end: UnixMs): Promise<Reservation> {
      const delegation = await ledger.delegation(header.paymentRef);
      if (delegation === null || !equalBytes(delegation.sessionKey, header.sessionKey) || delegation.notAfter < now()) {
        throw new CodedError('DELEGATION_REFUSED', 'the session key is not delegated on a channel', {
          reason: 'unknown',
        });
      }
      if (!equalBytes(header.priceId, terms.priceIdOf(header.model))) {
        throw new CodedError('CHANNEL_REFUSED', 'another price sheet is in force: ask for the terms again', {
          reason: 'price',
        });
      }
      const row = await seen(await known(delegation.channel));
      if (now() - row.viewedAt > closeDelayOf(row) / OUTAGE_PART_OF_CLOSE_DELAY) throw chainAway();
      if (row.state !== 'open')
        throw new CodedError('CHANNEL_REFUSED', `the channel is ${row.state}`, { reason: 'state' });
      const { vouchered, away } = await counted(row);
      const earned = row.claimed / 20n;
      const credit = minOf(terms.creditMax, earned > NEW_CHANNEL_CREDIT ? earned : NEW_CHANNEL_CREDIT);
      const most = { channel: minOf(vouchered + credit, row.deposited), key: delegation.limit };
      const id = deps.randomness(16);
      const { sessionKey, requestId, priceCap: amount } = header;
      const reservation = { id, channel: row.channel, sessionKey, requestId, amount, until: end + RELEASE_GRACE_MS };
      const outcome = await ledger.reserve(reservation, most, now());
      if (outcome === 'again') {
        throw new CodedError('REQUEST_REPLAYED', 'this request id was served, or is being served: draw another one');
      }
      if (outcome === 'key') {
        throw new CodedError('CREDIT_EXHAUSTED', 'the session key’s own limit is used up', { reason: 'limit' });
      }
      if (outcome === 'channel' && vouchered + credit <= row.deposited) {
        if (away) throw chainAway();
        throw new CodedError('CREDIT_EXHAUSTED', 'pay for earlier answers first: send a voucher', { reason: 'credit' });
      }
      if (outcome === 'channel') {
        throw new CodedError('CREDIT_EXHAUSTED', 'the channel’s deposit is used up: top it up', { reason: 'deposit' });
      }
      return { channel: row.channel, release: () => void ledger.release(id).catch(() => undefined) };
    },

    /** Durable before it is answered. @throws CodedError VOUCHER_REFUSED with the reason in `facts` */
    async submitVoucher(ask: VoucherAsk): Promise<bigint> {
      const row = await known(ask.channel);
      const isNew = await vouchers.take(ask, row);
      if (isNew && ask.cumulative - row.claimed > terms.claimAbove) void claim(ask.channel).catch(() => undefined);
      return ask.cumulative;
    },

    /** As the chain shows it now; its last known state during an outage. */
    async account(channel: string): Promise<ChannelAccount> {
      const row = await known(channel);
      return account(await refresh(channel, parseTerms(row.terms)).catch(() => row));
    },

    /**
     * The watchtower: looks at every channel that has something to collect, and answers a close with the best voucher.
     * @returns what failed, by channel; it is looked at again the next time
     */
    async watch(): Promise<readonly Readonly<{ channel: string; error: unknown }>[]> {
      const failed: { channel: string; error: unknown }[] = [];
      let lag = 0n;
      for (const { channel, state, claimed, terms: of } of await ledger.channels()) {
        const voucher = await ledger.voucher(channel);
        if (state === 'closed' || voucher === null || voucher.cumulative <= claimed) continue;
        lag += voucher.cumulative - claimed;
        try {
          const seen = await refresh(channel, parseTerms(of));
          if (seen.state === 'closing') await claim(channel);
        } catch (error) {
          failed.push({ channel, error });
        }
      }
      voucherLag = lag;
      return failed;
    },

    /** What accepted vouchers come to beyond what was claimed on chain, as the last watch found it; nanoTON. */
    voucherLag: () => voucherLag,

    /** Claims the best voucher and answers when the chain's own state shows it. @throws CodedError of the chain */
    async claim(channel: string): Promise<ChannelAccount> {
      return account(await claim(channel));
    },
  };
}

/** What is left of an amount for the worker after the pool's fee. */
export function workersShare(amount: bigint, feeBps: number): bigint {
  return (amount * BigInt(10_000 - feeBps)) / 10_000n;
}

function requireTerms(of: ChannelTerms, terms: AccountTerms): void {
  const refused = (reason: string, message: string) => new CodedError('CHANNEL_REFUSED', message, { reason });
  if (of.network !== terms.network) throw refused('network', 'the channel is on another network');
  if (of.payee !== terms.payee) throw refused('payee', 'the channel pays somebody else');
  if (of.closeDelaySeconds < CLOSE_DELAY_SECONDS.least || of.closeDelaySeconds > CLOSE_DELAY_SECONDS.most) {
    throw refused('closeDelay', 'the close delay must be 24 hours to 14 days');
  }
  const y = Uint8Array.from(of.clientKey);
  if (y.length !== 32) throw refused('clientKey', 'a client key has 32 bytes');
  y[31] = (y[31] as number) & 0x7f;
  if (SMALL_ORDER.has(toHex(y))) throw refused('clientKey', 'the client key is of small order');
}

const chainAway = () =>
  new CodedError('CHAIN_UNREACHABLE', 'the channel cannot be seen on chain, and its credit for that is used up');

/** What is promised, where it comes in time. */
async function within<T>(ms: number, promise: Promise<T>, otherwise: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(otherwise), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function minOf(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function encodeTerms(terms: ChannelTerms): string {
  return JSON.stringify({ ...terms, clientKey: toHex(terms.clientKey), salt: terms.salt.toString() });
}

function parseTerms(text: string): ChannelTerms {
  const stored = JSON.parse(text) as Omit<ChannelTerms, 'clientKey' | 'salt'> & { clientKey: string; salt: string };
  return { ...stored, clientKey: Uint8Array.from(Buffer.from(stored.clientKey, 'hex')), salt: BigInt(stored.salt) };
}
