import { aeadKey, aeadOpen, aeadSeal, hkdfExpand, hkdfExtract } from '#crypto';
import { type Bytes, CodedError, concat, encodeObject, labelledDigest, secretBytes, utf8 } from '../core/index.ts';
import { FRAME_BYTES_MAX, requestSteps } from './frames.ts';
import type { Exporter } from './hpke.ts';

/** Keys of one request and its response (AIS/1 section 6). All are of one request: no counter outlives it. */
export type RequestKeys = Readonly<{ key: Bytes; nonce: Bytes; commit: Bytes }>;

export const WRAP_BYTES = 48;
const NOTHING: Bytes = new Uint8Array(0);

/** `prk = Extract(request_id, CEK)`, then `Expand(prk, LP("ais/1 request " ‖ x) ‖ LP(header_hash), len)`. */
export function requestKeys(requestId: Uint8Array, contentKey: Uint8Array, headerHash: Uint8Array): RequestKeys {
  const prk = hkdfExtract(requestId, contentKey);
  const expand = (label: string, length: number) =>
    hkdfExpand(prk, encodeObject([utf8(`ais/1 request ${label}`), headerHash]), length);
  const keys = { key: expand('key', 32), nonce: expand('nonce', 12), commit: expand('commit', 32) };
  prk.fill(0);
  return keys;
}

/** Names one request and its exact ciphertext. */
export type RequestName = Readonly<{ requestId: Uint8Array; headerHash: Uint8Array; requestDigest: Uint8Array }>;

/** CEK under a key that only the client and this one worker derive, for this content alone: 48 bytes. */
export function wrapContentKey(exporter: Exporter, of: RequestName, contentKey: Uint8Array): Bytes {
  const { key, nonce } = wrapKey(exporter, of);
  return aeadSeal(key, nonce, NOTHING, contentKey);
}

/** CEK, or null where the wrap is for other content, another session or another worker. */
export function unwrapContentKey(exporter: Exporter, of: RequestName, wrap: Uint8Array): Bytes | null {
  if (wrap.length !== WRAP_BYTES) return null;
  const { key, nonce } = wrapKey(exporter, of);
  return aeadOpen(key, nonce, NOTHING, wrap);
}

function wrapKey(exporter: Exporter, of: RequestName) {
  const material = exporter.export('wrap', 44, of.requestId, of.headerHash, of.requestDigest);
  const key = aeadKey(material.subarray(0, 32));
  const nonce = material.slice(32);
  material.fill(0);
  return { key, nonce };
}

/** Key and nonce of a response: from this worker's own export and CEK, so no other candidate can forge it. */
export function responseKeys(
  exporter: Exporter,
  of: RequestName,
  contentKey: Uint8Array,
  enc: Uint8Array,
  responseNonce: Uint8Array,
): Readonly<{ key: Bytes; nonce: Bytes }> {
  return responseKeysFrom(responseSecret(exporter, of), contentKey, enc, responseNonce);
}

/** `Export_j("response", 32, request_id, header_hash, request_digest)`. */
export function responseSecret(exporter: Exporter, of: RequestName): Bytes {
  return exporter.export('response', 32, of.requestId, of.headerHash, of.requestDigest);
}

/** As {@link responseKeys}, from the exported secret, which it overwrites. */
export function responseKeysFrom(
  secret: Bytes,
  contentKey: Uint8Array,
  enc: Uint8Array,
  responseNonce: Uint8Array,
): Readonly<{ key: Bytes; nonce: Bytes }> {
  const material = secretBytes(secret.length + contentKey.length);
  material.set(secret);
  material.set(contentKey, secret.length);
  const prk = hkdfExtract(concat(enc, responseNonce), material);
  const keys = {
    key: hkdfExpand(prk, encodeObject([utf8('ais/1 response key')]), 32),
    nonce: hkdfExpand(prk, encodeObject([utf8('ais/1 response nonce')]), 12),
  };
  for (const used of [secret, material, prk]) used.fill(0);
  return keys;
}

/** Key of a receipt's keyed commitment to the request or the response: `Export_j("commit request" | …, 32, …)`. */
export function commitmentKey(
  exporter: Exporter,
  direction: 'request' | 'response',
  requestId: Uint8Array,
  headerHash: Uint8Array,
): Bytes {
  return exporter.export(`commit ${direction}`, 32, requestId, headerHash);
}

/** `r_0 = H("request-start", header_hash, commit)` and so on: `request_digest` is the value after the last frame. */
export class RequestDigest {
  /** Its own: each frame overwrites it. */
  readonly #value: Bytes;
  #sealedBytes = 0;

  constructor(headerHash: Uint8Array, commit: Uint8Array) {
    this.#value = labelledDigest('request-start', headerHash, commit);
  }

  /** @throws CodedError REQUEST_REFUSED for a frame longer than any that is sealed */
  push(frame: Uint8Array): void {
    if (frame.length > FRAME_BYTES_MAX) {
      throw new CodedError('REQUEST_REFUSED', 'a request frame is too long', { check: 'frameLength' });
    }
    requestSteps.take(this.#value, frame);
    this.#sealedBytes += frame.length;
  }

  get value(): Bytes {
    return concat(this.#value);
  }

  /** Bytes of the frames so far: in the end, the header's sealed_bytes. */
  get sealedBytes(): number {
    return this.#sealedBytes;
  }
}

/** `c_0 = H("response-start", header_hash, request_digest, ec_digest_j, u8 dispatch, response_nonce)`. */
export function responseStart(
  of: Readonly<{
    headerHash: Uint8Array;
    requestDigest: Uint8Array;
    certificateDigest: Uint8Array;
    dispatch: number;
    responseNonce: Uint8Array;
  }>,
): Bytes {
  const dispatch = Uint8Array.of(of.dispatch);
  return labelledDigest(
    'response-start',
    of.headerHash,
    of.requestDigest,
    of.certificateDigest,
    dispatch,
    of.responseNonce,
  );
}
