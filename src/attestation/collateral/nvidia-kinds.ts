import {
  CodedError,
  fromHex,
  isAnswerFor,
  parseOcspResponse,
  toHex,
  utf8,
  whyNotOcspOf,
  type X509Certificate,
} from '../../core/index.ts';
import {
  anchorsFor,
  BoundedMap,
  DEVICE_CHAIN_LENGTH,
  isVersionOf,
  type NvidiaRim,
  parseNvidiaCertificate,
  type TrustAnchor,
  VerificationCache,
  verifyAuthorities,
  verifyRim,
} from '../endorsements/index.ts';
import { type DocumentKind, type Parts, within } from './document.ts';
import type { NvidiaClient, NvidiaUrls } from './nvidia-client.ts';
import { genuine, wellFormed, windowOfCertificate } from './verified-parts.ts';

export type NvidiaKind = 'nvidia-rim' | 'nvidia-ocsp';

const ID = /^[A-Za-z0-9._-]{1,128}$/;
const SHA256 = /^[0-9a-f]{64}$/;
const SERIAL = /^(?:[0-9a-f]{2}){1,20}$/;
const ISSUERS_MAX = 256;

export type NvidiaKinds = Readonly<{
  kinds: Readonly<Record<NvidiaKind, DocumentKind>>;
  /** A manifest that is kept, with its signers. */
  rimOf: (parts: Parts) => Promise<NvidiaRim>;
  /** The id of the answer on a certificate. @param chain the certificate's issuer first, its root last */
  ocspId: (serial: string, chain: readonly X509Certificate[]) => string;
}>;

/** NVIDIA's kinds of documents: manifests by id, and OCSP answers by issuer and serial number. */
export function nvidiaKinds(client: NvidiaClient, urls: NvidiaUrls, anchors: readonly TrustAnchor[]): NvidiaKinds {
  const cache = new VerificationCache();
  /** Chains of issuers by the SHA-256 of the issuer's key: a question needs the issuer's name and key. */
  const issuers = new BoundedMap<string>(ISSUERS_MAX);
  const rimAnchors = anchorsFor('nvidia-manifest', anchors);
  const allAnchors = [...anchorsFor('nvidia-device', anchors), ...rimAnchors];
  const rimOf = async ({ manifest = '' }: Parts) => genuine(await verifyRim(utf8(manifest), rimAnchors, cache));
  const kinds: Record<NvidiaKind, DocumentKind> = {
    'nvidia-rim': {
      isImmutable: false, // NVIDIA signs the same id anew, and changes values
      isOnline: urls.rim !== null,
      fetch: async ([id = '']) => ({ manifest: await client.rim(id) }),
      verify: async ([id = ''], parts) => {
        wellFormed(ID.test(id), parts, ['manifest']);
        const rim = await rimOf(parts);
        if (!isVersionOf(rim.version, id)) throw mismatch(`manifest ${id} is about another version`);
        const window = within(...rim.chain.certificates.map(windowOfCertificate));
        return { window, version: BigInt(rim.chain.leaf.notBefore) };
      },
    },
    'nvidia-ocsp': {
      isImmutable: false,
      isOnline: urls.ocsp !== null,
      fetch: async ([issuerKey = '', serial = '']) => {
        const chain = issuers.get(issuerKey);
        if (chain === undefined)
          throw new CodedError('ENDORSEMENT_MISSING', 'the issuer of the certificate is not known');
        const [issuer] = certificatesOf(chain);
        return { response: await client.ocsp(issuer as X509Certificate, serial), issuers: chain };
      },
      verify: async ([issuerKey = '', serial = ''], parts) => {
        wellFormed(SHA256.test(issuerKey) && SERIAL.test(serial), parts, ['response', 'issuers']);
        const chain = certificatesOf(parts.issuers as string);
        genuine(await verifyAuthorities(chain, allAnchors, cache));
        const issuer = chain[0] as X509Certificate;
        if (toHex(issuer.spkiSha256) !== issuerKey) throw mismatch('the answer comes with another issuer');
        const response = parseOcspResponse(fromHex(parts.response as string, 'response'));
        const answer = response.answers.find((one) => isAnswerFor(one, { serial, issuer: issuer.subject }, issuer));
        if (answer === undefined) throw mismatch('the answer is about another certificate');
        const why = await whyNotOcspOf(response, issuer, answer.thisUpdate, cache.verify);
        if (why !== null) throw new CodedError('ENDORSEMENT_SIGNATURE_INVALID', `the OCSP answer: ${why}`);
        issuers.set(issuerKey, parts.issuers as string);
        const window = { from: answer.thisUpdate, until: answer.nextUpdate };
        return { window, version: BigInt(answer.thisUpdate) };
      },
    },
  };
  return {
    kinds,
    rimOf,
    ocspId: (serial, chain) => {
      const key = toHex((chain[0] as X509Certificate).spkiSha256);
      issuers.set(key, chain.map(({ der }) => toHex(der)).join(' '));
      return `nvidia-ocsp/${key}/${serial}`;
    },
  };
}

/** DER in hexadecimal, the issuer first, separated by spaces. @throws CodedError */
function certificatesOf(text: string): X509Certificate[] {
  const parts = text.split(' ');
  if (parts.length > DEVICE_CHAIN_LENGTH) throw mismatch('too many issuers');
  return parts.map((hex) => parseNvidiaCertificate(fromHex(hex, 'issuers')));
}

function mismatch(why: string): CodedError {
  return new CodedError('ENDORSEMENT_CHAIN_INVALID', why);
}
