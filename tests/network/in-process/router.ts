import { join } from 'node:path';
import { ed25519Key } from '#crypto';
import {
  appraise,
  earDigest,
  earOf,
  encodeRecordedInputs,
  loadPolicy,
  loadVendorEndorsements,
  type Policy,
  parseEvidenceBundle,
  policyDigest,
  trustUnder,
} from '../../../src/attestation/index.ts';
import { DEVELOPMENT_NETWORK } from '../../../src/chain/index.ts';
import { type Bytes, utf8 } from '../../../src/core/index.ts';
import { createRouter, type RouterDeps } from '../../../src/router/index.ts';
import { encodePriceSheet } from '../../../src/session/index.ts';
import { openSqliteLedger } from '../../../src/store/index.ts';
import { type chainTable, PAYEE } from './chain.ts';
import { type simulatedHosts, withOtherSerials } from './hosts.ts';
import type { openWitnessedLog } from './log.ts';
import type { InProcessOptions } from './options.ts';
import { randomness } from './randomness.ts';

export const TICKET_SECRET = new Uint8Array(32).fill(78);

/** What the router goes by; a test may change it while the network runs. Clients keep their own policy. */
export class RouterKnowledge {
  text: string;
  policy: Policy;
  collateralOf: (bundle: Bytes) => string;
  digest: Bytes;
  collateralChanges = 0;

  constructor(text: string, collateralOf: (bundle: Bytes) => string) {
    this.text = text;
    this.policy = loadPolicy(text);
    this.digest = policyDigest(this.policy);
    this.collateralOf = collateralOf;
  }

  /** Puts another policy in force, the one before with these fields changed. */
  change(changes: Readonly<Record<string, unknown>>): void {
    this.text = JSON.stringify({ ...JSON.parse(this.text), number: this.policy.number + 1, ...changes });
    this.policy = loadPolicy(this.text);
    this.digest = policyDigest(this.policy);
  }

  learn(collateralOf: (bundle: Bytes) => string): void {
    this.collateralOf = collateralOf;
    this.collateralChanges += 1;
  }
}

type Parts = Readonly<{
  folder: string;
  options: InProcessOptions;
  hosts: Awaited<ReturnType<typeof simulatedHosts>>;
  log: Awaited<ReturnType<typeof openWitnessedLog>>;
  chain: ReturnType<typeof chainTable>;
  knows: RouterKnowledge;
}>;

/** The real router over a ledger in the folder. @param own what this one has for itself */
export function routerOf({ folder, options, hosts, log, chain, knows }: Parts, own: Partial<RouterDeps> = {}) {
  const { block, beacon, port } = log;
  const ledger = openSqliteLedger(join(folder, 'ledger.sqlite'));
  const dispatchKey = ed25519Key(randomness(32));
  const appraiseEvidence: RouterDeps['appraise'] = async ({ bundle }, nonce) => {
    await options.beforeAppraisal?.();
    const judgedAt = Date.now();
    const { policy } = knows;
    const knownBlocks = [block];
    const collateral = knows.collateralOf(bundle);
    const { tee } = parseEvidenceBundle(bundle);
    const trust = trustUnder(policy, hosts.trustAnchors);
    const endorsements = await loadVendorEndorsements(tee, collateral, trust.trustAnchors);
    const given = { ...trust, bundle, endorsements, now: judgedAt, expectedNonce: nonce, knownBlocks };
    const appraisal = await appraise(given);
    return {
      appraisal: options.blindToTwins === true ? withOtherSerials(appraisal) : appraisal,
      judgedAt,
      collateral: utf8(collateral),
      inputs: encodeRecordedInputs({ judgedAt, policyDigest: policyDigest(policy), nonce, knownBlocks }),
      result: earDigest(earOf(appraisal, policy, judgedAt)),
    };
  };
  const router = createRouter({
    log: port,
    chain: {
      head: async () => block,
      channel: async (of) => chain.channelOf(of),
      claim: async (of, voucher) => Object.assign(chain.channelOf(of), { claimed: voucher.cumulative }),
    },
    ledger: options.ledger?.(ledger) ?? ledger,
    appraise: appraiseEvidence,
    beacon,
    collateral: async (bundle) => knows.collateralOf(bundle),
    collateralChanges: () => knows.collateralChanges,
    policy: () => ({ text: knows.text, number: knows.policy.number, digest: knows.digest }),
    failed: (what, error) => {
      throw new Error(what, { cause: error });
    },
    dispatchKey,
    priceSheet: priceSheet(),
    network: DEVELOPMENT_NETWORK,
    payee: PAYEE,
    feeBps: 0,
    voucherKey: dispatchKey,
    sessionSecret: new Uint8Array(32).fill(77),
    ticketSecret: TICKET_SECRET,
    source: 'router-test',
    now: Date.now,
    monotonic: () => performance.now(),
    ...(options.accountLimits === undefined ? {} : { accountLimits: options.accountLimits }),
    ...(options.modelPrices === undefined ? {} : { modelPrices: options.modelPrices }),
    ...(options.meter === undefined ? {} : { meter: options.meter }),
    ...(options.tracer === undefined ? {} : { tracer: options.tracer }),
    randomness,
    ...own,
  });
  return { router, ledger, dispatchKey };
}

const priceSheet = (): Bytes =>
  encodePriceSheet({
    currency: `TON/${DEVELOPMENT_NETWORK}`,
    perMillionIn: 50_000_000n,
    perMillionCached: 10_000_000n,
    perMillionOut: 200_000_000n,
    unitIn: 128,
    unitOut: 64,
    notAfter: Date.now() + 86_400_000,
  });
