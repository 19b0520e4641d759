import { ecdsaVerify, sha256 } from '#crypto';
import { type EcdsaVerifier, parseCertificate, toHex, type X509Certificate } from '../../core/index.ts';

/** A map that forgets its oldest entry when it is full. */
export class BoundedMap<V> {
  readonly #entries = new Map<string, V>();
  readonly #entriesMax: number;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get(key: string): V | undefined {
    return this.#entries.get(key);
  }

  set(key: string, value: V): void {
    if (this.#entries.size >= this.#entriesMax && !this.#entries.has(key)) {
      const oldest = this.#entries.keys().next();
      if (!oldest.done) this.#entries.delete(oldest.value);
    }
    this.#entries.set(key, value);
  }
}

export const CACHE_SIGNATURES_MAX = 8192;
/** A parsed chain takes some 20 kB. */
export const CACHE_CHAINS_MAX = 1024;
/** A signature takes some half a millisecond. */
const SIGNATURES_PER_PAUSE = 2;
/** Roots and CAs come in every chain. */
export const CACHE_CERTIFICATES_MAX = 1024;

/**
 * Remembers work whose answer can never change, by content hash: signatures that held (never one that failed) and
 * certificates and chains that were parsed, chains only if their signatures held. Time, revocation and policy are judged anew each time. Held by the
 * caller, who decides its lifetime; a fresh one per verification is correct too, and slower.
 */
export class VerificationCache {
  #computed = 0;
  readonly #signatures: BoundedMap<true>;
  readonly #certificates = new BoundedMap<X509Certificate>(CACHE_CERTIFICATES_MAX);
  /** Values are what `intel/chain.ts` puts there: chains by content, and PCK chains by their chain. */
  readonly chains: BoundedMap<unknown>;
  readonly pckChains = new WeakMap<object, unknown>();

  /** Lets a server's event loop turn; called after every few signatures that had to be computed. */
  readonly pause: () => Promise<void>;

  constructor(
    signaturesMax: number = CACHE_SIGNATURES_MAX,
    chainsMax: number = CACHE_CHAINS_MAX,
    pause: () => Promise<void> = async () => undefined,
  ) {
    this.#signatures = new BoundedMap(signaturesMax);
    this.chains = new BoundedMap(chainsMax);
    this.pause = pause;
  }

  /** `parseCertificate`, once per certificate. @throws CodedError CERTIFICATE_MALFORMED */
  readonly certificate = (der: Uint8Array): X509Certificate => {
    const key = toHex(sha256(der));
    const known = this.#certificates.get(key);
    if (known !== undefined) return known;
    const parsed = parseCertificate(der);
    this.#certificates.set(key, parsed);
    return parsed;
  };

  /** `ecdsaVerify`, once per key, message and signature. */
  readonly verify: EcdsaVerifier = async (curve, point, message, signature, hash) => {
    const key = `${curve}:${hash ?? ''}:${toHex(point)}:${toHex(signature)}:${toHex(sha256(message))}`;
    if (this.#signatures.get(key) === true) return true;
    const holds = await ecdsaVerify(curve, point, message, signature, hash);
    if (holds) this.#signatures.set(key, true);
    if (++this.#computed % SIGNATURES_PER_PAUSE === 0) await this.pause();
    return holds;
  };
}
