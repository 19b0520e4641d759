import { sha256 } from '#crypto';
import { canonicalJsonBytes, type ErrorCode, toHex, type UnixSeconds } from '../../core/index.ts';

/** The texts a document is made of, by name: JSON as signed, PEM, DER in hexadecimal. */
export type Parts = Readonly<Record<string, string>>;

/** When something may be relied on: the last beginning and the first end of all windows it hangs on. Both belong to it. */
export type Window = Readonly<{ from: UnixSeconds; until: UnixSeconds }>;

/** What verification found: it is signed up to a pinned root, and is about what its id says. */
export type Verified = Readonly<{
  window: Window;
  /** Rises from issue to issue: an answer with a lower one than a current document's is a roll-back. */
  version: bigint;
}>;

/** `kind/argument/…`, unique. */
export type DocumentId = string;

/** One document of a vendor, verified. Time is judged when it is used. */
export type KeptDocument = Readonly<{
  id: DocumentId;
  parts: Parts;
  /** SHA-256 of the parts as canonical JSON, hexadecimal. */
  sha256: string;
  window: Window;
  version: bigint;
  fetchedAt: UnixSeconds;
}>;

/** One kind of document: where it comes from and what makes it genuine. */
export type DocumentKind = Readonly<{
  /** Never changes once issued, so never fetched again before it ends. */
  isImmutable: boolean;
  /** Whether a service is configured that has it; otherwise what bundles hold is all there is. */
  isOnline: boolean;
  /** @throws CodedError */
  fetch: (args: readonly string[]) => Promise<Parts>;
  /** Signature, chain to a pinned root, subject; not the time. @throws CodedError */
  verify: (args: readonly string[], parts: Parts) => Promise<Verified>;
}>;

export type DocumentKinds = Readonly<Record<string, DocumentKind>>;

/** What became of one attempt to have a document anew. */
export type CollateralEvent = Readonly<
  | { event: 'fetched'; document: DocumentId; until: UnixSeconds }
  | { event: 'keptOnOutage'; document: DocumentId; until: UnixSeconds; code: ErrorCode; why: string }
  | { event: 'failed'; document: DocumentId; code: ErrorCode; why: string }
  | { event: 'diskFailed'; code: ErrorCode; why: string }
>;

export function partsSha256(parts: Parts): string {
  return toHex(sha256(canonicalJsonBytes(parts)));
}

/** All windows at once. */
export function within(...windows: readonly Window[]): Window {
  return {
    from: Math.max(...windows.map(({ from }) => from)),
    until: Math.min(...windows.map(({ until }) => until)),
  };
}

export function splitId(id: DocumentId): { kind: string; args: readonly string[] } {
  const [kind = '', ...args] = id.split('/');
  return { kind, args };
}
