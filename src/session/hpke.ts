import { hkdfExpand, hkdfExtract, type KemId, type KemPrivateKey, kemDecapsulate, kemEncapsulate } from '#crypto';
import { type Bytes, CodedError, concat, encodeObject, u16, utf8 } from '../core/index.ts';

/**
 * HPKE (RFC 9180), base mode, HKDF-SHA256, export-only AEAD: all of it that AIS/1 uses (section 0). The exporter secret
 * is the whole session state; nothing is ever sealed with HPKE itself.
 */
export const KEM_XWING = 0x647a;
export const KEM_X25519 = 0x0020;

/** Bytes of `enc` and of a public key. A KEM that is not here is refused, never guessed. */
export const KEM_BYTES: Readonly<Record<KemId, Readonly<{ enc: number; publicKey: number }>>> = {
  [KEM_XWING]: { enc: 1120, publicKey: 1216 },
  [KEM_X25519]: { enc: 32, publicKey: 32 },
};

export function isKnownKem(kem: number): kem is KemId {
  return kem === KEM_XWING || kem === KEM_X25519;
}

const KDF_HKDF_SHA256 = 0x0001;
const AEAD_EXPORT_ONLY = 0xffff;
const VERSION = utf8('HPKE-v1');
const NOTHING: Bytes = new Uint8Array(0);

type Suite = Readonly<{ id: Bytes; pskIdHash: Bytes }>;

function suiteOf(kem: KemId, aead: number): Suite {
  const id = concat(utf8('HPKE'), u16(kem), u16(KDF_HKDF_SHA256), u16(aead));
  return { id, pskIdHash: labeledExtract(id, NOTHING, 'psk_id_hash', NOTHING) };
}
const SUITES: Readonly<Record<KemId, Suite>> = {
  [KEM_XWING]: suiteOf(KEM_XWING, AEAD_EXPORT_ONLY),
  [KEM_X25519]: suiteOf(KEM_X25519, AEAD_EXPORT_ONLY),
};

/** AIS/1 has one AEAD id; published vectors of X-Wing have others, which change nothing but the suite's name. */
function suite(kem: KemId, aead: number): Suite {
  return aead === AEAD_EXPORT_ONLY ? SUITES[kem] : suiteOf(kem, aead);
}

function labeledExtract(suiteId: Uint8Array, salt: Uint8Array, label: string, ikm: Uint8Array): Bytes {
  return hkdfExtract(salt, concat(VERSION, suiteId, utf8(label), ikm));
}

function labeledExpand(suiteId: Uint8Array, prk: Uint8Array, label: string, info: Uint8Array, length: number): Bytes {
  return hkdfExpand(prk, concat(u16(length), VERSION, suiteId, utf8(label), info), length);
}

/** RFC 9180 section 5.1, mode_base: the 32-byte exporter secret of a context. Overwrites `sharedSecret`. */
export function exporterSecret(
  kem: KemId,
  sharedSecret: Uint8Array,
  info: Uint8Array,
  aead: number = AEAD_EXPORT_ONLY,
): Bytes {
  const { id, pskIdHash } = suite(kem, aead);
  const context = concat(Uint8Array.of(0), pskIdHash, labeledExtract(id, NOTHING, 'info_hash', info));
  const secret = labeledExtract(id, sharedSecret, 'secret', NOTHING);
  const exporter = labeledExpand(id, secret, 'exp', context, 32);
  secret.fill(0);
  sharedSecret.fill(0);
  return exporter;
}

/** One end of an HPKE context: exports keys until it is erased. */
export class Exporter {
  readonly #suiteId: Bytes;
  readonly #secret: Bytes;
  #erased = false;

  /** @param secret 32 bytes, owned from now on: {@link erase} overwrites them in place */
  constructor(kem: KemId, secret: Bytes, aead: number = AEAD_EXPORT_ONLY) {
    this.#suiteId = suite(kem, aead).id;
    this.#secret = secret;
  }

  get erased(): boolean {
    return this.#erased;
  }

  /** RFC 9180 section 5.3 `Context.Export`. @throws CodedError SESSION_EXPIRED after {@link erase} */
  exportRaw(context: Uint8Array, length: number): Bytes {
    if (this.#erased) throw new CodedError('SESSION_EXPIRED', 'the keys of this session are erased');
    return labeledExpand(this.#suiteId, this.#secret, 'sec', context, length);
  }

  /** `Export_j(label, L, f…)` of AIS/1 section 0. */
  export(label: string, length: number, ...fields: readonly Uint8Array[]): Bytes {
    return this.exportRaw(encodeObject([utf8(`ais/1 ${label}`), ...fields]), length);
  }

  erase(): void {
    this.#secret.fill(0);
    this.#erased = true;
  }
}

/** `info_j = LP("ais/1 session") ‖ LP(hello_digest) ‖ LP(ec_digest_j)`, AIS/1 section 5. */
export function sessionInfo(helloDigest: Uint8Array, ecDigest: Uint8Array): Bytes {
  return encodeObject([utf8('ais/1 session'), helloDigest, ecDigest]);
}

/**
 * `SetupBaseS`.
 * @throws CodedError KEY_REFUSED for a public key that is malformed or gives an all-zero X25519 result
 */
export async function setupSender(
  kem: KemId,
  publicKey: Uint8Array,
  info: Uint8Array,
): Promise<{ enc: Bytes; exporter: Exporter }> {
  const result = await kemEncapsulate(kem, publicKey);
  if (result === null) throw new CodedError('KEY_REFUSED', 'the epoch key is no usable public key', { kem });
  return { enc: result.enc, exporter: new Exporter(kem, exporterSecret(kem, result.sharedSecret, info)) };
}

/** `SetupBaseR`. Null where `enc` is malformed or gives an all-zero X25519 result, or the key is erased. */
export async function setupReceiver(key: KemPrivateKey, enc: Uint8Array, info: Uint8Array): Promise<Exporter | null> {
  const sharedSecret = await kemDecapsulate(key, enc);
  return sharedSecret === null ? null : new Exporter(key.kem, exporterSecret(key.kem, sharedSecret, info));
}
