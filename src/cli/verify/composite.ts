import {
  type Appraisal,
  appraise,
  type ExpectedNonce,
  earOf,
  type KnownBlock,
  loadVendorEndorsements,
  PINNED_ANCHORS,
  parseEvidenceBundle,
  trustUnder,
  VerificationCache,
} from '../../attestation/index.ts';
import { CodedError, fromBase64, fromHex, type Json, parseNonceProof, rfc3339, toHex } from '../../core/index.ts';
import { type JsonRecord, malformed, recordOf } from './nvidia-collateral.ts';
import { policyOf, type ShippedPolicies } from './policy.ts';
import type { VerifyRequest } from './request.ts';
import { checkReport, errorOfChecks, type VerifyResponse } from './response.ts';

const BLOCKS_MAX = 64;
const VERDICT = { affirming: 'verified', refused: 'refused', unavailable: 'unavailable' } as const;

/**
 * Answers requests of kind `composite`: a worker's whole evidence (an evidence bundle), CPU and devices together, under a
 * policy, by the same function that routers and clients call. Collateral is what travels beside a bundle; `blocks` in it are
 * blocks of the chain that the caller knows, by which the evidence's age counts.
 */
export function createCompositeVerifier(
  policies: ShippedPolicies,
): (request: VerifyRequest) => Promise<VerifyResponse> {
  const cache = new VerificationCache();
  return async (request) => {
    const policy = policyOf(request, policies);
    if (policy === null) {
      throw new CodedError('USAGE_INVALID', 'composite evidence is appraised under a policy: name one', {
        field: 'policy',
      });
    }
    const trust = trustUnder(policy, request.trustAnchors ?? PINNED_ANCHORS);
    const { blocks, ...collateral } = recordOf(request.collateral ?? {}, '', null);
    const { tee } = parseEvidenceBundle(request.evidence);
    const appraisal = await appraise({
      ...trust,
      bundle: request.evidence,
      endorsements: await loadVendorEndorsements(tee, JSON.stringify(collateral), trust.trustAnchors, cache),
      now: 1000 * request.at,
      expectedNonce: nonceOf(request.expect),
      knownBlocks: blocksOf(blocks),
    });
    const entries = Object.entries(appraisal.groups).flatMap(([group, checks]) =>
      Object.entries(checks).map(([name, check]) => [`${group}.${name}`, check] as const),
    );
    const checks = Object.fromEntries(entries);
    const because: readonly string[] = appraisal.status === 'affirming' ? [] : appraisal.because;
    const verdict = VERDICT[appraisal.status];
    return {
      id: request.id,
      verdict,
      error: errorOfChecks(verdict, checks, (name) => because.includes(name)),
      checks: Object.fromEntries(entries.map(([name, check]) => [name, checkReport(check)])),
      tcb: null,
      claims: appraisal.status === 'affirming' ? claimsOf(appraisal) : {},
      appraisal: earOf(appraisal, policy, 1000 * request.at),
    };
  };
}

function claimsOf(appraisal: Appraisal): Record<string, Json> {
  const { vouchedBy, expiresAt, platformId } = appraisal;
  return {
    tee: appraisal.tee,
    workerId: toHex(appraisal.workerId),
    evidenceDigest: toHex(appraisal.evidenceDigest),
    keysetDigest: toHex(appraisal.keysetDigest),
    modelDigest: toHex(appraisal.modelDigest),
    measurements: toHex(appraisal.measurementsDigest),
    platformId: platformId === null ? null : toHex(platformId),
    tcbStatus: appraisal.tcbStatus,
    identityBinding: appraisal.identityBinding,
    gpuBinding: appraisal.gpuBinding,
    devices: appraisal.devices.map((device) => ({ ...device })),
    simulated: appraisal.simulated,
    expiresAt: expiresAt === null ? null : rfc3339(Math.floor(expiresAt / 1000)),
    trustAnchor:
      vouchedBy === null
        ? null
        : { name: vouchedBy.name, kind: vouchedBy.kind, spkiSha256: toHex(vouchedBy.spkiSha256) },
  };
}

/** `expect.nonce` is `{"input": hex, "proof": base64}`: a leaf of the caller's own and where it stands under N. */
function nonceOf({ nonce, ...others }: VerifyRequest['expect']): ExpectedNonce | undefined {
  const wrong = (why: string) => new CodedError('REQUEST_MALFORMED', `request.expect.${why}`, { field: 'expect' });
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw wrong(`${unknown}: not known for this kind`);
  if (nonce === undefined || nonce === null) return undefined;
  const { input, proof } = recordOf(nonce, 'nonce', ['input', 'proof']);
  if (typeof input !== 'string' || !/^[0-9a-f]{64}$/.test(input) || typeof proof !== 'string') {
    throw wrong('nonce: not {input, proof}');
  }
  return { input: fromHex(input), proof: parseNonceProof(fromBase64(proof, 'proof')) };
}

function blocksOf(value: Json | undefined): KnownBlock[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > BLOCKS_MAX)
    throw malformed('blocks', `not a list of at most ${BLOCKS_MAX}`);
  return (value as readonly Json[]).map((item) => {
    const { network, seqno, rootHash, at }: JsonRecord = recordOf(item, 'blocks', [
      'network',
      'seqno',
      'rootHash',
      'at',
    ]);
    const isWhole = [network, seqno, at].every((one) => Number.isSafeInteger(one));
    if (!isWhole || typeof rootHash !== 'string' || !/^[0-9a-f]{64}$/.test(rootHash)) {
      throw malformed('blocks', 'not {network, seqno, rootHash, at}');
    }
    return { network: network as number, seqno: seqno as number, rootHash: fromHex(rootHash), at: at as number };
  });
}
