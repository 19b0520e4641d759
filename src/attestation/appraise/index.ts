export * from './appraise.ts';
export type { BindingCheckName, ExpectedNonce, KnownBlock } from './binding.ts';
export * from './policy.ts';
export { tdxPolicyChecks } from './tdx-policy.ts';
export { PINNED_ANCHORS, type PinnedAnchor, type Trust, trustUnder } from './trust.ts';
