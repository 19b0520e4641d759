/** What applications import in Node and in a browser alike. */
import { ed25519Key } from '#crypto';

export type { TrustAnchor } from '../attestation/index.ts';
export {
  type AnswerReceipt,
  type AskOptions,
  type ChatEvent,
  type ChatMessage,
  type ChatRequest,
  type Embedded,
  type EmbedRequest,
  encodeAnswerReceipt,
  type NamedCheck,
  type PaymentOptions,
  type PrefixCacheOptions,
  parseAnswerReceipt,
  type ReceiptStore,
  type VerifiedWorker,
  type VoucherBook,
  type VoucherStore,
} from '../client/index.ts';
export { ChrysalisError, type FailureKind } from './errors.ts';
export type { Read, ReadLine, ReadRequest } from './read.ts';
export type { Answer, Session } from './session.ts';

/** The public key of a channel's client, from its 32-byte seed. */
export function clientKeyOf(seed: Uint8Array): Uint8Array<ArrayBuffer> {
  return ed25519Key(seed).publicKey;
}
