import { join } from 'node:path';
import type { KnownBlock } from '../../attestation/index.ts';
import {
  type Client,
  createClient,
  encodeVoucherBook,
  type PaymentOptions,
  type RouterTransport,
  severalRouters,
} from '../../client/index.ts';
import { CodedError } from '../../core/index.ts';
import { type LogPolicy, parseLogPolicy } from '../../log/index.ts';
import { connectToRouter } from '../../rpc/index.ts';
import { type OpenedChain, openChain } from './chain.ts';
import { clientChannel, deposit, voucherBook } from './channel.ts';
import { clientTls, type RouterDoorOptions } from './client-tls.ts';
import { type CollateralOptions, openCollateral } from './collateral.ts';
import { readText, secretOf, systemRandomness, writeDurably } from './files.ts';
import { headFolder } from './heads.ts';
import { receiptFile } from './receipts.ts';
import { loadTrust, type TrustOptions } from './trust.ts';

export type ClientOptions = TrustOptions &
  CollateralOptions &
  RouterDoorOptions &
  Readonly<{
    /** `host:port`; replicas with commas between. */
    router: string;
    /** toncenter URL; without it the client neither follows the chain nor pays. */
    chain?: string;
    /** C2SP tlog-policy: the log's keys, its witnesses and their quorum. */
    logPolicy?: string;
    /** A log's verifier key alone, without witnesses. */
    dangerouslyAllowUnwitnessedLog?: string;
    /** False where nobody may learn that two prompts begin alike. */
    prefixCache?: boolean;
    /** nanoTON that a new channel is opened with. */
    deposit?: bigint;
  }>;

const DEPOSIT = 1_000_000_000n;

/**
 * A client's parts put together; opens its payment channel the first time and tops it up when half is used.
 * @throws CodedError of the chain or the router
 */
export async function createClientFromOptions(options: ClientOptions): Promise<Client> {
  const { policy, digest, trust } = loadTrust(options);
  const isGiven = options.collateral !== undefined || options.collateralUrl !== undefined;
  const collateral = isGiven ? await openCollateral(options, trust.trustAnchors) : null;
  const transport = severalRouters(
    options.router.split(',').map((address) => connectToRouter(address, Date.now, clientTls(options))),
    systemRandomness(1)[0] as number,
    Date.now,
  );
  const chain = options.chain === undefined ? null : await openChain(options.chain, secretOf(options.data, 'wallet'));
  const client = createClient({
    transport,
    policy,
    policyDigest: digest,
    trust,
    endorsementsFor: collateral?.endorsementsFor ?? null,
    logPolicy: pinnedLogPolicy(options),
    blockAt: chain === null ? null : (seqno) => blockOf(chain, seqno),
    now: Date.now,
    randomness: systemRandomness,
    receipts: receiptFile(join(options.data, 'receipts.jsonl')),
    headSeen: headFolder(join(options.data, 'heads')),
    ...(options.prefixCache === false ? {} : { prefixCache: { secret: secretOf(options.data, 'prefix-cache') } }),
    payments: chain === null ? null : await openPayments(options, chain, transport),
  });
  const close = async () => {
    await client.close();
    await collateral?.close();
  };
  return { ...client, close };
}

/**
 * Which log to believe, and who must have seen its heads. A log that nobody watches is taken only where that is asked
 * for by name. @throws CodedError USAGE_INVALID, CONFIG_INVALID, LOG_POLICY_MALFORMED, LOG_KEY_INVALID
 */
function pinnedLogPolicy(options: ClientOptions): LogPolicy {
  const { logPolicy, dangerouslyAllowUnwitnessedLog: alone } = options;
  if ((logPolicy === undefined) === (alone === undefined)) {
    throw new CodedError('USAGE_INVALID', 'give --log-policy, or --dangerously-allow-unwitnessed-log');
  }
  if (logPolicy === undefined) return parseLogPolicy(`log ${alone}\nquorum none\n`);
  const policy = parseLogPolicy(readText(logPolicy));
  if (policy.quorum === null) {
    throw new CodedError('CONFIG_INVALID', 'the log policy asks for no witness: nobody would notice a second history', {
      todo: 'name witnesses and a quorum, or pin the key with --dangerously-allow-unwitnessed-log',
    });
  }
  return policy;
}

async function blockOf(chain: OpenedChain, seqno: number): Promise<KnownBlock> {
  const { rootHash, at } = await chain.endpoint.blockWithTime(seqno);
  return { network: chain.network, seqno, rootHash, at };
}

async function openPayments(
  options: ClientOptions,
  chain: OpenedChain,
  transport: RouterTransport,
): Promise<PaymentOptions> {
  const { payee } = await transport.getTerms({ deadline: Date.now() + 10_000 });
  const channel = await clientChannel(chain, options.data, payee);
  const { terms, config, clientSeed, book, view: existing } = channel;
  const amount = options.deposit ?? DEPOSIT;
  if (existing === null || 2n * (existing.deposited - existing.claimed) < amount) await deposit(chain, channel, amount);
  return {
    terms,
    clientSeed,
    store: {
      load: async () => voucherBook(channel),
      save: async (next) => writeDurably(book, encodeVoucherBook(next)),
    },
    onChain: async () => {
      const view = await chain.channels.channelState(config);
      return view ?? { state: 'absent', deposited: 0n, claimed: 0n };
    },
  };
}
