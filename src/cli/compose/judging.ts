import { availableParallelism } from 'node:os';
import {
  type Appraisal,
  type AppraisalInput,
  appraise,
  BoundedMap,
  earDigest,
  earOf,
  loadPolicy,
  loadVendorEndorsements,
  parseEvidenceBundle,
  policyDigest,
  type Trust,
  type TrustAnchor,
  trustUnder,
  type VendorEndorsements,
  VerificationCache,
} from '../../attestation/index.ts';
import { type Bytes, CodedError, fromUtf8, toHex } from '../../core/index.ts';
import { Threads } from '../threads.ts';

const COLLATERALS_MAX = 64;
const POLICIES_MAX = 256;
/** The loop that carries answers has a core of its own; of what is left, more than this is for other programs. */
const THREADS_MAX = 4;
const HEAP_MIB_MAX = 256;
const ORDERS_MAX = 16_384;
/** An appraisal takes milliseconds; the first one of a thread waits for its code. */
const ORDER_MS_MAX = 60_000;

/** One piece of evidence and all that it is judged by. @property keys SHA-256 of policy and collateral, hex */
export type JudgeTask = Pick<AppraisalInput, 'now' | 'expectedNonce' | 'knownBlocks'> &
  Readonly<{
    bundle: Bytes;
    policyText: string;
    anchors: readonly TrustAnchor[];
    collateral: Bytes;
    keys: Readonly<{ policy: string; collateral: string }>;
  }>;
/** @property result digest of the detached EAR */
export type Judged = Readonly<{ appraisal: Appraisal; result: Bytes }>;

/** Judges here. What many pieces of evidence have in common is read once. */
export function createJudge(): (task: JudgeTask) => Promise<Judged> {
  const trusts = new BoundedMap<Trust>(POLICIES_MAX);
  const loaded = new BoundedMap<VendorEndorsements>(COLLATERALS_MAX);
  const nvidiaCache = new VerificationCache();
  return async ({ bundle, policyText, anchors, collateral, keys, now, expectedNonce, knownBlocks }) => {
    const roots = anchors.map(({ kind, spkiSha256 }) => `${kind}:${toHex(spkiSha256)}`).join();
    const trust = trusts.get(`${keys.policy}:${roots}`) ?? trustOf(policyText, anchors, keys.policy);
    trusts.set(`${keys.policy}:${roots}`, trust);
    const { tee } = parseEvidenceBundle(bundle);
    const key = `${tee}:${roots}:${keys.collateral}`;
    const endorsements =
      loaded.get(key) ?? (await loadVendorEndorsements(tee, fromUtf8(collateral, 'collateral'), anchors, nvidiaCache));
    loaded.set(key, endorsements);
    const appraisal = await appraise({ ...trust, bundle, endorsements, now, expectedNonce, knownBlocks });
    return { appraisal, result: earDigest(earOf(appraisal, trust.policy, now)) };
  };
}

/** @param digest of the policy, which the log will name as the one that was judged by */
function trustOf(policyText: string, anchors: readonly TrustAnchor[], digest: string): Trust {
  const policy = loadPolicy(policyText);
  if (toHex(policyDigest(policy)) !== digest) {
    throw new CodedError('INVARIANT_BROKEN', 'a policy is another one once it is read again');
  }
  return trustUnder(policy, anchors);
}

/**
 * Judges beside the event loop, which carries answers meanwhile. A thread that evidence brings to its end takes its
 * other orders along: nothing is found out about them, and they are asked again.
 */
export function createJudges(): Readonly<{
  judge: (task: JudgeTask) => Promise<Judged>;
  close(): Promise<void>;
}> {
  const threads = new Threads<JudgeTask, Judged>({
    file: new URL('./judge-thread.ts', import.meta.url),
    count: Math.max(1, Math.min(availableParallelism() - 1, THREADS_MAX)),
    heapMiBMax: HEAP_MIB_MAX,
    ordersMax: ORDERS_MAX,
    orderMsMax: ORDER_MS_MAX,
  });
  threads.start();
  return { judge: (task) => threads.ask(task), close: () => threads.close() };
}
