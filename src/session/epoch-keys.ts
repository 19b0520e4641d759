import { type KemId, type KemPrivateKey, kemErase, kemPrivateKey } from '#crypto';
import {
  type Bytes,
  type Clock,
  CodedError,
  epochKeyDigest,
  type MonotonicClock,
  type Randomness,
  type UnixMs,
} from '../core/index.ts';
import { EPOCH_MS_MAX, EPOCH_OVERLAP_MS, type EpochCertificate } from './epoch-certificate.ts';
import type { Exporter } from './hpke.ts';

/** A session as a worker stores it, after a wrap has opened: it can be rebuilt from `enc` at any time. */
export type WorkerContext = Readonly<{
  exporter: Exporter;
  enc: Bytes;
  sessionId: Bytes;
  sessionKey: Bytes;
}>;

/** Certificates one epoch may have: one for each quote in ten minutes at 25 quotes a second. */
export const CERTIFICATES_MAX = 16_384;

export type EpochLimits = Readonly<{
  /** Replay set: requests of one epoch; where it is full, new ones are refused and nothing is evicted. */
  usedMax: number;
  /** Stored sessions of one epoch; beyond it the one unused for longest is dropped. */
  contextsMax: number;
}>;

/** A short text that stands for these bytes as a map key. */
function keyOf(...parts: readonly Uint8Array[]): string {
  return parts.map((part) => String.fromCharCode(...part)).join('');
}

/** One epoch: its KEM keys, and everything that must vanish with them (AIS/1 section 7). */
export class Epoch {
  readonly number: number;
  readonly notBefore: UnixMs;
  readonly bornMonotonic: number;
  readonly keys: ReadonlyMap<KemId, KemPrivateKey>;
  readonly #limits: EpochLimits;
  readonly #certificates = new Map<string, EpochCertificate>();
  readonly #contexts = new Map<string, WorkerContext>();
  readonly #used = new Set<string>();
  #erased = false;

  constructor(
    born: Readonly<{ number: number; notBefore: UnixMs; bornMonotonic: number }>,
    keys: ReadonlyMap<KemId, KemPrivateKey>,
    limits: EpochLimits,
  ) {
    this.number = born.number;
    this.notBefore = born.notBefore;
    this.bornMonotonic = born.bornMonotonic;
    this.keys = keys;
    this.#limits = limits;
  }

  get notAfter(): UnixMs {
    return this.notBefore + EPOCH_MS_MAX;
  }
  get erased(): boolean {
    return this.#erased;
  }
  get contexts(): number {
    return this.#contexts.size;
  }

  /** `H("ek", kem, EK)` of each suite, in the keyset's order: what REPORT_DATA commits to. */
  keyDigests(): Bytes[] {
    return [...this.keys].map(([kem, key]) => epochKeyDigest(kem, key.publicKey));
  }

  addCertificate(digest: Uint8Array, certificate: EpochCertificate): void {
    if (this.#certificates.size >= CERTIFICATES_MAX) {
      throw new CodedError('CHALLENGES_EXHAUSTED', 'too many certificates in this epoch', { max: CERTIFICATES_MAX });
    }
    this.#certificates.set(keyOf(digest), certificate);
  }

  certificate(digest: Uint8Array): EpochCertificate | undefined {
    return this.#certificates.get(keyOf(digest));
  }

  /** A stored session; being asked for makes it the youngest. */
  context(certificateDigest: Uint8Array, encDigest: Uint8Array): WorkerContext | undefined {
    const key = keyOf(certificateDigest, encDigest);
    const context = this.#contexts.get(key);
    if (context !== undefined) {
      this.#contexts.delete(key);
      this.#contexts.set(key, context);
    }
    return context;
  }

  /**
   * Step 8 of section 6, in one go: nothing can happen between the question and the answer.
   * @throws CodedError REQUEST_REPLAYED, REPLAY_SET_FULL; then nothing is stored
   */
  useOnce(used: Uint8Array): void {
    const key = keyOf(used);
    if (this.#used.has(key)) throw new CodedError('REQUEST_REPLAYED', 'this request has been run already');
    if (this.#used.size >= this.#limits.usedMax) {
      throw new CodedError('REPLAY_SET_FULL', 'no more requests in this epoch', { max: this.#limits.usedMax });
    }
    this.#used.add(key);
  }

  storeContext(certificateDigest: Uint8Array, encDigest: Uint8Array, context: WorkerContext): void {
    const key = keyOf(certificateDigest, encDigest);
    if (this.#contexts.has(key)) return;
    this.#contexts.set(key, context);
    if (this.#contexts.size <= this.#limits.contextsMax) return;
    const [oldest] = this.#contexts as Iterable<[string, WorkerContext]>;
    if (oldest === undefined) return;
    oldest[1].exporter.erase();
    this.#contexts.delete(oldest[0]);
  }

  /** Lets go of the KEM keys and overwrites every exporter secret under them. */
  erase(): void {
    this.#erased = true;
    for (const key of this.keys.values()) kemErase(key);
    for (const { exporter } of this.#contexts.values()) exporter.erase();
    this.#contexts.clear();
    this.#certificates.clear();
    this.#used.clear();
  }
}

export type EpochDeps = Readonly<{
  now: Clock;
  /** Decides when keys die: a paused machine finds them expired. */
  monotonic: MonotonicClock;
  randomness: Randomness;
  /**
   * Called right after keys were let go. The library overwrites a key's memory when it frees it, and frees it when the
   * collector finds that nobody holds it: a worker's composition collects here, so that erased means overwritten now.
   */
  releaseMemory: () => void;
}>;

/** The epochs of one boot: at most one that certifies, and one in its overlap. */
export class EpochKeys {
  readonly #suites: readonly KemId[];
  readonly #deps: EpochDeps;
  readonly #limits: EpochLimits;
  #live: Epoch[] = [];
  #next = 0;
  #beginning: Promise<Epoch> | null = null;

  constructor(suites: readonly KemId[], deps: EpochDeps, limits: EpochLimits) {
    this.#suites = suites;
    this.#deps = deps;
    this.#limits = limits;
  }

  /** The epoch that certifies now; begins one where there is none younger than ten minutes. */
  async current(): Promise<Epoch> {
    this.expire();
    const newest = this.#live.at(-1);
    if (newest !== undefined && this.#deps.monotonic() - newest.bornMonotonic < EPOCH_MS_MAX) return newest;
    this.#beginning ??= this.#begin().finally(() => {
      this.#beginning = null;
    });
    return this.#beginning;
  }

  async #begin(): Promise<Epoch> {
    const born = {
      number: this.#next++,
      notBefore: this.#deps.now(),
      bornMonotonic: this.#deps.monotonic(),
    };
    const keys = new Map<KemId, KemPrivateKey>();
    for (const kem of this.#suites) {
      const seed = this.#deps.randomness(32);
      keys.set(kem, await kemPrivateKey(kem, seed));
      seed.fill(0);
    }
    const epoch = new Epoch(born, keys, this.#limits);
    this.#live.push(epoch);
    return epoch;
  }

  /** The living epoch that holds this certificate, or null. */
  find(certificateDigest: Uint8Array): Readonly<{ epoch: Epoch; certificate: EpochCertificate }> | null {
    this.expire();
    for (const epoch of this.#live) {
      const certificate = epoch.certificate(certificateDigest);
      if (certificate !== undefined) return { epoch, certificate };
    }
    return null;
  }

  /** Erases what is past its overlap. Called before each use, and by the owner's timer. */
  expire(): void {
    const oldest = this.#deps.monotonic() - EPOCH_MS_MAX - EPOCH_OVERLAP_MS;
    const past = this.#live.filter((epoch) => epoch.bornMonotonic <= oldest);
    if (past.length === 0) return;
    for (const epoch of past) epoch.erase();
    this.#live = this.#live.filter((epoch) => !epoch.erased);
    this.#deps.releaseMemory();
  }

  /** At the end of the boot, or on a GPU reset. */
  eraseAll(): void {
    for (const epoch of this.#live) epoch.erase();
    this.#live = [];
    this.#deps.releaseMemory();
  }
}
