import { sha256 } from '#crypto';
import {
  BoundedMap,
  encodeRecordedInputs,
  type KnownBlock,
  loadPolicy,
  type Policy,
  parseEvidenceBundle,
  type Trust,
  type TrustAnchor,
  trustUnder,
} from '../../attestation/index.ts';
import { type Bytes, canonicalJson, type Json, toHex, utf8 } from '../../core/index.ts';
import type { AppraiseEvidence, AppraiseUnderOwner, JudgedEvidence, KnownBeacon } from '../../router/index.ts';
import type { Collateral } from './collateral.ts';
import type { Judged, JudgeTask } from './judging.ts';

const COLLATERALS_MAX = 64;
const POLICIES_MAX = 256;

type Evidence = Parameters<AppraiseEvidence>[0];
type Nonce = Parameters<AppraiseEvidence>[1];
/** @param beacons whose blocks the evidence may name */
export type Appraiser = (
  evidence: Evidence,
  nonce: Nonce,
  beacons: readonly KnownBeacon[],
  under: Readonly<{ trust: Trust; digest: Bytes }>,
) => Promise<JudgedEvidence>;

/**
 * Appraises with collateral that follows its source, and says everything that it was judged with: the very text that is
 * archived and that clients are given, so that whoever makes the appraisal again starts from the same bytes.
 */
export function appraiserOf(collateral: Collateral, judge: (task: JudgeTask) => Promise<Judged>): Appraiser {
  const textOf = policyTexts();
  const bytesOf = sharedBytes();
  return async ({ bundle, certificates }, nonce, beacons, { trust, digest }) => {
    const knownBlocks = beacons.map(({ beacon, madeAt }): KnownBlock => {
      return { network: beacon.network, seqno: beacon.seqno, rootHash: beacon.blockRootHash, at: madeAt };
    });
    await collateral.endorsementsFor(bundle, certificates); // fetched where it has to be
    const { bytes, key } = bytesOf(await collateral.textFor(bundle));
    const judgedAt = Date.now();
    const { appraisal, result } = await judge({
      bundle: Uint8Array.from(bundle), // by itself: what it may be a view of stays here
      policyText: textOf(trust.policy),
      anchors: trust.trustAnchors,
      collateral: bytes,
      keys: { policy: toHex(digest), collateral: key },
      now: judgedAt,
      expectedNonce: nonce,
      knownBlocks,
    });
    const inputs = encodeRecordedInputs({ judgedAt, policyDigest: digest, nonce, knownBlocks });
    return { appraisal, judgedAt, collateral: bytes, inputs, result };
  };
}

/** A policy that was loaded, as text again: the same policy once loaded, with the same digest. */
function policyTexts(): (policy: Policy) => string {
  const texts = new WeakMap<Policy, string>();
  return (policy) => {
    const text = texts.get(policy) ?? canonicalJson(policy as unknown as Json);
    texts.set(policy, text);
    return text;
  };
}

/**
 * Under policies of owners, whoever they are: a production policy takes the pinned roots alone, whatever else this service
 * allows for development.
 */
export function ownersAppraiserOf(appraiser: Appraiser, anchors: readonly TrustAnchor[]): AppraiseUnderOwner {
  const trusts = new BoundedMap<Trust>(POLICIES_MAX);
  return (evidence, nonce, beacons, { text, digest }) => {
    const key = toHex(digest);
    const trust = trusts.get(key) ?? trustOfOwner(text, anchors);
    trusts.set(key, trust);
    // The blocks that evidence may name: of each only one, and the one that it does name.
    const named = parseEvidenceBundle(evidence.bundle).beacon.seqno;
    const asked = beacons.find(({ beacon }) => beacon.seqno === named) ?? beacons.at(-1);
    return appraiser(evidence, nonce, asked === undefined ? [] : [asked], { trust, digest });
  };
}

function trustOfOwner(text: string, anchors: readonly TrustAnchor[]): Trust {
  const policy = loadPolicy(text);
  const takesVendors = policy.environment === 'production' || policy.simulated === 'refuse';
  return trustUnder(policy, takesVendors ? anchors.filter(({ kind }) => kind === 'vendor') : anchors);
}

/** Workers of one platform share their collateral in memory: a router keeps what each was judged with. */
function sharedBytes(): (text: string) => Readonly<{ bytes: Bytes; key: string }> {
  const shared = new BoundedMap<Bytes>(COLLATERALS_MAX);
  return (text) => {
    const own = utf8(text);
    const key = toHex(sha256(own));
    const bytes = shared.get(key) ?? own;
    shared.set(key, bytes);
    return { bytes, key };
  };
}
