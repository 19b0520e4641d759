export { createGateway, GATEWAY_LIMITS, type GatewayDeps, type GatewayLimits } from './app.ts';
export type { AnswerFacts, PaymentFacts, ProofFacts, ReceiptFacts, WorkerFacts } from './facts.ts';
export { checkCounts } from './facts.ts';
export {
  type BudgetAlert,
  createKeyRing,
  encodeKeyFile,
  type GatewayKey,
  type KeyRing,
  keyDigest,
  parseKeyFile,
  type SpendingStore,
} from './keys.ts';
