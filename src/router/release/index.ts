export { CHALLENGE_LIFETIME_MS } from './challenges.ts';
export type { Owners, Registration } from './registration.ts';
export {
  type AppraiseUnderOwner,
  createKeyRelease,
  type KeyRelease,
  type KeyReleaseDeps,
  RELEASE_LIMITS,
  type ReleaseLimits,
  type SecretState,
} from './service.ts';
