import { ed25519Key, type SigningKey } from '#crypto';
import {
  type Bytes,
  concat,
  decodeObject,
  decodeU16List,
  encodeObject,
  encodeU16List,
  labelledDigest,
  objectDigest,
  type Randomness,
  u8,
  utf8,
} from '../core/index.ts';
import { KEM_X25519, KEM_XWING } from './hpke.ts';
import { exactly, malformed, readUint, VERSION } from './objects.ts';

/** 0 cached, 1 live, 2 quote (AIS/1 section 5): how fresh the worker's proof is. */
export type Mode = 0 | 1 | 2;

/** What a client says first; every key of its session depends on it (AIS/1 section 5). */
export type Hello = Readonly<{
  versions: readonly number[];
  /** KEM ids, best first. */
  suites: readonly number[];
  mode: Mode;
  nonce: Bytes;
  sessionId: Bytes;
  /** CSK: Ed25519, of this session alone. */
  sessionKey: Bytes;
  /** Model manifest digest M, or {@link modelAlias}. */
  model: Bytes;
  policyCommitment: Bytes;
}>;

const RULES = [
  { name: 'versions', length: { multipleOf: 2 } },
  { name: 'suites', length: { multipleOf: 2 } },
  { name: 'mode', length: 1 },
  { name: 'nonce', length: 32 },
  { name: 'sessionId', length: 16 },
  { name: 'sessionKey', length: 32 },
  { name: 'model', length: 32 },
  { name: 'policyCommitment', length: 32 },
] as const;

/** @throws CodedError INVARIANT_BROKEN for a field of wrong length */
export function encodeHello(hello: Hello): Bytes {
  return encodeObject([
    encodeU16List(hello.versions),
    encodeU16List(hello.suites),
    u8(hello.mode),
    exactly(32, 'nonce', hello.nonce),
    exactly(16, 'sessionId', hello.sessionId),
    exactly(32, 'sessionKey', hello.sessionKey),
    exactly(32, 'model', hello.model),
    exactly(32, 'policyCommitment', hello.policyCommitment),
  ]);
}

/** @throws CodedError OBJECT_MALFORMED, also for an unknown mode or an empty or repeating list */
export function parseHello(object: Uint8Array): Hello {
  const fields = decodeObject(object, 'hello', RULES) as [Bytes, Bytes, Bytes, Bytes, Bytes, Bytes, Bytes, Bytes];
  const mode = readUint(fields[2]);
  if (mode !== 0 && mode !== 1 && mode !== 2) throw malformed('hello', 'mode', 'unknown');
  return {
    versions: decodeU16List(fields[0], 'hello.versions'),
    suites: decodeU16List(fields[1], 'hello.suites'),
    mode,
    nonce: fields[3],
    sessionId: fields[4],
    sessionKey: fields[5],
    model: fields[6],
    policyCommitment: fields[7],
  };
}

/** `hello_digest = H("hello", fields)`. @param object as it travels */
export function helloDigest(object: Uint8Array): Bytes {
  return objectDigest('hello', object);
}

/** `H("alias", name)`: stands for a model in Hello by name; the header names M itself. */
export function modelAlias(name: string): Bytes {
  return labelledDigest('alias', utf8(name));
}

/** `H("policy", salt[32], policy digest)`: the client can open it to an auditor later. */
export function policyCommitment(salt: Uint8Array, policyDigest: Uint8Array): Bytes {
  return labelledDigest('policy', exactly(32, 'salt', salt), policyDigest);
}

/** A Hello with the secrets that belong to it. */
export type OwnHello = Readonly<{
  hello: Hello;
  /** The object, as it travels. */
  bytes: Bytes;
  digest: Bytes;
  sessionKey: SigningKey;
  /** Opens the policy commitment. */
  policySalt: Bytes;
}>;

/**
 * A fresh Hello: nonce, session id, session key and salt are drawn anew, so no two sessions can be linked by them.
 * @param ask.model 32 bytes: M or {@link modelAlias}
 * @param ask.suites best first; X-Wing, then X25519 by default
 */
export function createHello(
  ask: Readonly<{
    mode: Mode;
    model: Uint8Array;
    policyDigest: Uint8Array;
    suites?: readonly number[];
    versions?: readonly number[];
  }>,
  randomness: Randomness,
): OwnHello {
  const seed = randomness(32);
  const sessionKey = ed25519Key(seed);
  seed.fill(0);
  const policySalt = randomness(32);
  const hello: Hello = {
    versions: ask.versions ?? [VERSION],
    suites: ask.suites ?? [KEM_XWING, KEM_X25519],
    mode: ask.mode,
    nonce: randomness(32),
    sessionId: randomness(16),
    sessionKey: sessionKey.publicKey,
    model: concat(ask.model),
    policyCommitment: policyCommitment(policySalt, ask.policyDigest),
  };
  const bytes = encodeHello(hello);
  return { hello, bytes, digest: helloDigest(bytes), sessionKey, policySalt };
}

/** The client's first suite that the attested keyset also has (both lists best first; the client's order decides), or null. */
export function bestCommonSuite(hello: readonly number[], keyset: readonly number[]): number | null {
  return hello.find((suite) => keyset.includes(suite)) ?? null;
}

/** The highest version that both list, or null. */
export function bestCommonVersion(hello: readonly number[], keyset: readonly number[]): number | null {
  const common = hello.filter((version) => keyset.includes(version));
  return common.length === 0 ? null : Math.max(...common);
}
