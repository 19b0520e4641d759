import { sha256 } from '#crypto';
import {
  CodedError,
  encodeOcspRequest,
  equalBytes,
  fromBase64,
  fromUtf8,
  type Json,
  OCSP_BYTES_MAX,
  OCSP_NONCE_BYTES,
  parseOcspResponse,
  parseStrictJson,
  type Randomness,
  toHex,
  type X509Certificate,
} from '../../core/index.ts';
import { RIM_BYTES_MAX } from '../endorsements/index.ts';
import type { Fetcher } from './fetcher.ts';

export const NVIDIA_RIM_URL = 'https://rim.attestation.nvidia.com';
export const NVIDIA_OCSP_URL = 'https://ocsp.ndis.nvidia.com';
/** A manifest in base64 within JSON. */
const RIM_ANSWER_BYTES_MAX = 2 * RIM_BYTES_MAX;

/** Where NVIDIA's manifests and answers on certificates are asked for; null where nobody is. */
export type NvidiaUrls = Readonly<{ rim: string | null; ocsp: string | null }>;

/** Fetches NVIDIA's documents. Nothing is verified here but that an answer is about what was asked. */
export type NvidiaClient = Readonly<{
  /** The manifest's text. */
  rim: (id: string) => Promise<string>;
  /** DER in hexadecimal. @param serial of the certificate that is asked about */
  ocsp: (issuer: X509Certificate, serial: string) => Promise<string>;
}>;

/** RIM service and OCSP responder (RFC 6960) of NVIDIA, or services that speak like them. */
export function createNvidiaClient(urls: NvidiaUrls, fetcher: Fetcher, randomness: Randomness): NvidiaClient {
  const at = (url: string | null, what: string): string => {
    if (url !== null) return url;
    throw new CodedError('ENDORSEMENT_UNREACHABLE', `no ${what} of NVIDIA is configured`);
  };
  return {
    rim: async (id) => {
      const url = at(urls.rim, 'manifest service');
      const { body } = await fetcher.get(`${url}/v1/rim/${encodeURIComponent(id)}`, RIM_ANSWER_BYTES_MAX);
      return manifestOf(parseStrictJson(fromUtf8(body, 'rim'), 'rim'), id);
    },
    ocsp: async (issuer, serial) => {
      const url = at(urls.ocsp, 'OCSP responder');
      const nonce = randomness(OCSP_NONCE_BYTES);
      const question = { type: 'application/ocsp-request', bytes: encodeOcspRequest(issuer, serial, nonce) };
      const { body } = await fetcher.post(url, question, OCSP_BYTES_MAX);
      const echoed = parseOcspResponse(body).nonce;
      // A responder that answers for many at once has none; another one than ours is an answer to somebody else.
      if (echoed === null ? url === NVIDIA_OCSP_URL : !equalBytes(echoed, nonce)) {
        throw new CodedError('ENDORSEMENT_UNREACHABLE', 'the OCSP answer does not echo the nonce that was asked with');
      }
      return toHex(body);
    },
  };
}

function manifestOf(answer: Json, id: string): string {
  const wrong = (why: string) => new CodedError('ENDORSEMENT_MALFORMED', `manifest ${id}: ${why}`, { id });
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) throw wrong('not an object');
  const { id: said, rim, sha256: digest, rim_format: format } = answer as { readonly [name: string]: Json | undefined };
  if (said !== id) throw wrong('the service answers about another id');
  if (format !== 'TCG') throw wrong('not in the TCG format');
  if (typeof rim !== 'string') throw wrong('no manifest in the answer');
  const bytes = fromBase64(rim, 'rim');
  if (typeof digest !== 'string' || digest.toLowerCase() !== toHex(sha256(bytes))) throw wrong('another SHA-256');
  return fromUtf8(bytes, 'rim');
}
