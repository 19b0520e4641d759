import { z } from 'zod';
import { sha256 } from '#crypto';
import { type Bytes, CodedError, canonicalJsonBytes, type Json, parseStrictJson } from '../../core/index.ts';
import { Gpu } from './gpu-schema.ts';
import { Rules } from './rules.ts';
import { hex, listOf } from './schema.ts';
import { Snp } from './snp-schema.ts';
import { Tdx } from './tdx-schema.ts';

/**
 * The Appraisal Policy for Evidence, version 1: which genuine evidence a relying party accepts. Every field is required,
 * an unknown one is refused, and an empty list accepts nothing: what a policy doesn't say it doesn't allow.
 */
const common = {
  version: z.literal(1),
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/),
  number: z.int().min(1),
  tees: listOf(z.enum(['tdx', 'sev-snp'])),
  tdx: Tdx,
  sevSnp: Snp,
  gpu: Gpu,
  /** Model manifest digests M. */
  models: z.union([z.literal('any'), listOf(hex(32))]),
  /** AIS/1 versions and HPKE suites, at least one of which the attested keyset must offer. */
  versions: listOf(z.int().min(0).max(65_535)),
  suites: listOf(z.enum(['x-wing', 'dhkem-x25519'])),
  rules: Rules,
};

function freshness<T extends z.ZodType>(network: T) {
  return z.strictObject({
    evidenceAgeSecondsMax: z.int().min(1).max(86_400),
    /** TON global id of the chain whose blocks beacons must name. */
    network,
    /** Whether the beacon's block must be found on the chain; else it is checked where the block is known. */
    beaconBlock: z.enum(['required', 'when-known']),
  });
}

const session = z.strictObject({
  leastMode: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  candidatesMax: z.int().min(1).max(3),
});

const Production = z.strictObject({
  ...common,
  environment: z.literal('production'),
  /** No other word fits here: a production policy that accepts a simulated vendor can't be written. */
  simulated: z.literal('refuse'),
  freshness: freshness(z.union([z.literal(-239), z.literal(-3)])),
  session,
});

const Development = z.strictObject({
  ...common,
  environment: z.literal('development'),
  simulated: z.enum(['accept', 'refuse']),
  freshness: freshness(
    z
      .int()
      .min(-(2 ** 31))
      .max(2 ** 31 - 1),
  ),
  session,
});

/** How `image measure` begins the name of an image whose command line makes it a debug variant. */
const DEBUG_IMAGE = /^debug\b/i;

const PolicyDocument = z
  .discriminatedUnion('environment', [Production, Development])
  .refine((policy) => policy.session.leastMode > 0 || policy.freshness.beaconBlock === 'required', {
    message: 'mode 0 is allowed only where the beacon is checked against the chain (AIS/1, settled defaults)',
    path: ['session', 'leastMode'],
  })
  .refine(
    ({ environment, tdx, sevSnp }) =>
      environment !== 'production' || ![...tdx.images, ...sevSnp.images].some(({ name }) => DEBUG_IMAGE.test(name)),
    { message: 'names a debug image, whose evidence may be simulated: production takes none', path: ['images'] },
  );

declare const loaded: unique symbol; // not exported: only loadPolicy makes a policy
type Loaded<T> = Readonly<T> & { readonly [loaded]: true };
export type ProductionPolicy = Loaded<z.infer<typeof Production>>;
export type DevelopmentPolicy = Loaded<z.infer<typeof Development>>;
export type Policy = ProductionPolicy | DevelopmentPolicy;

export const POLICY_BYTES_MAX = 1024 * 1024;
const PROBLEMS_MAX = 8;

/**
 * Reads a policy document: every field, no unknown one, no duplicate name.
 * @param text JSON, at most 1 MiB
 * @throws CodedError POLICY_INVALID naming each field that is wrong, ENCODING_INVALID for what is not strict JSON
 */
export function loadPolicy(text: string): Policy {
  if (text.length > POLICY_BYTES_MAX) {
    throw new CodedError('POLICY_INVALID', `a policy has at most ${POLICY_BYTES_MAX} characters`);
  }
  const read = PolicyDocument.safeParse(parseStrictJson(text, 'policy'));
  if (!read.success) {
    const problems = read.error.issues
      .slice(0, PROBLEMS_MAX)
      .map((issue) => `${issue.path.join('.') || 'policy'}: ${issue.message}`);
    throw new CodedError('POLICY_INVALID', problems.join('; '), { problems: read.error.issues.length });
  }
  const policy = deepFreeze(read.data) as Policy;
  digests.set(policy, digestOf(policy));
  return policy;
}

/** Of policies that were loaded, which are frozen: every appraisal names its policy. */
const digests = new WeakMap<Policy, Bytes>();

function digestOf(policy: Policy): Bytes {
  return sha256(canonicalJsonBytes(policy as unknown as Json));
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) deepFreeze(member);
    Object.freeze(value);
  }
  return value;
}

/** SHA-256 over the canonical JSON (RFC 8785) of the policy, 32 bytes: the digest that a Hello commits to. */
export function policyDigest(policy: Policy): Bytes {
  return Uint8Array.from(digests.get(policy) ?? digestOf(policy));
}

/** JSON Schema (draft 2020-12) of a policy document, for editors; {@link loadPolicy} alone decides. */
export function policyJsonSchema(): object {
  return { title: 'Chrysalis Appraisal Policy for Evidence, version 1', ...z.toJSONSchema(PolicyDocument) };
}
