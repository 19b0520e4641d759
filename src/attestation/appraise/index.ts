export * from './appraise.ts';
export * from './approvals.ts';
export type {
  ExpectedNonce,
  FreshnessCheckName,
  KnownBlock,
  SnpBindingCheckName,
  TdxBindingCheckName,
} from './binding.ts';
export type { CheckGroup, IdentityBinding } from './cpu.ts';
export * from './device-registry.ts';
export * from './ear.ts';
export * from './ear-jwt.ts';
export type { AttestedDevice, GpuBinding } from './gpu.ts';
export type { GpuPolicy } from './gpu-schema.ts';
export { type PolicyImage, policyImages } from './images.ts';
export * from './policy.ts';
export * from './policy-diff.ts';
export * from './recorded.ts';
export { type SnpPolicyCheckName, snpOptionsOf, snpPolicyChecks } from './snp-policy.ts';
export type { SnpPolicy } from './snp-schema.ts';
export { type TdxPolicyCheckName, tdxPolicyChecks } from './tdx-policy.ts';
export type { ReferenceImage } from './tdx-schema.ts';
export { mayVouch, PINNED_ANCHORS, type PinnedAnchor, type Trust, trustUnder } from './trust.ts';
