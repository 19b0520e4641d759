import { sha256 } from '#crypto';
import {
  appraise,
  BoundedMap,
  earDigest,
  earOf,
  encodeRecordedInputs,
  type KnownBlock,
  loadPolicy,
  loadVendorEndorsements,
  parseEvidenceBundle,
  type Trust,
  type TrustAnchor,
  trustUnder,
  type VendorEndorsements,
  VerificationCache,
} from '../../attestation/index.ts';
import { type Bytes, toHex, utf8 } from '../../core/index.ts';
import type { AppraiseEvidence, AppraiseUnderOwner, BeaconSource, JudgedEvidence } from '../../router/index.ts';
import type { Collateral } from './collateral.ts';

const COLLATERALS_MAX = 64;
const POLICIES_MAX = 256;

type Evidence = Parameters<AppraiseEvidence>[0];
type Nonce = Parameters<AppraiseEvidence>[1];
/** @param beacons whose blocks the evidence may name */
export type Appraiser = (
  evidence: Evidence,
  nonce: Nonce,
  beacons: readonly BeaconSource[],
  under: Readonly<{ trust: Trust; digest: Bytes }>,
) => Promise<JudgedEvidence>;

/** Appraises with collateral that follows its source, and says everything that it was judged with. */
export function appraiserOf(collateral: Collateral): Appraiser {
  const judgedWith = judgedWithOf(collateral);
  return async ({ bundle, certificates }, nonce, beacons, { trust, digest }) => {
    const knownBlocks = beacons.map(({ beacon, madeAt }): KnownBlock => {
      return { network: beacon.network, seqno: beacon.seqno, rootHash: beacon.blockRootHash, at: madeAt };
    });
    const { endorsements, bytes } = await judgedWith(bundle, certificates, trust.trustAnchors);
    const judgedAt = Date.now();
    const given = { ...trust, bundle, endorsements, now: judgedAt, expectedNonce: nonce, knownBlocks };
    const appraisal = await appraise(given);
    return {
      appraisal,
      judgedAt,
      collateral: bytes,
      inputs: encodeRecordedInputs({ judgedAt, policyDigest: digest, nonce, knownBlocks }),
      result: earDigest(earOf(appraisal, trust.policy, judgedAt)),
    };
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

type JudgedWith = Readonly<{ endorsements: VendorEndorsements; bytes: Bytes }>;

/**
 * Endorsements read from the very text that is archived and that clients are given: whoever makes the appraisal again
 * starts from the same bytes. Workers of one platform share them: a router keeps what each was judged with.
 */
function judgedWithOf(collateral: Collateral) {
  const loaded = new BoundedMap<JudgedWith>(COLLATERALS_MAX);
  const nvidiaCache = new VerificationCache();
  return async (
    bundle: Bytes,
    certificates: readonly Bytes[],
    anchors: readonly TrustAnchor[],
  ): Promise<JudgedWith> => {
    await collateral.endorsementsFor(bundle, certificates); // fetched where it has to be
    const text = await collateral.textFor(bundle);
    const { tee } = parseEvidenceBundle(bundle);
    const roots = anchors.map(({ spkiSha256 }) => toHex(spkiSha256)).join();
    const bytes = utf8(text);
    const key = `${tee}:${roots}:${toHex(sha256(bytes))}`;
    const judgedWith = loaded.get(key) ?? {
      endorsements: await loadVendorEndorsements(tee, text, anchors, nvidiaCache),
      bytes,
    };
    loaded.set(key, judgedWith);
    return judgedWith;
  };
}
