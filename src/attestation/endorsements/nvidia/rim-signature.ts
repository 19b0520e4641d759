import { sha384 } from '#crypto';
import {
  CodedError,
  type EcdsaVerifier,
  equalBytes,
  fromBase64,
  utf8,
  type X509Certificate,
} from '../../../core/index.ts';
import { canonicalize } from './c14n.ts';
import type { XmlElement } from './xml.ts';

export const RIM_CHAIN_LENGTH = 4;
const DS = 'http://www.w3.org/2000/09/xmldsig#';
const C14N11 = 'http://www.w3.org/2006/12/xml-c14n11';
const ECDSA_SHA384 = 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384';
const ENVELOPED = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature';
const SHA384 = 'http://www.w3.org/2001/04/xmldsig-more#sha384';
const SIGNATURE_BYTES = 96;
const DIGEST_BYTES = 48;

/** The parts of a manifest's signature; nothing is verified. */
export type RimSignature = Readonly<{
  signedInfo: XmlElement;
  digest: Uint8Array;
  signature: Uint8Array;
  /** DER, signer first. */
  certificates: readonly Uint8Array[];
}>;

const malformed = (why: string) => new CodedError('ENDORSEMENT_MALFORMED', `manifest signature: ${why}`);

/** Child elements of these names, in this order, and nothing else but white space between them. */
export function exactChildren(parent: XmlElement, namespace: string, names: readonly string[]): XmlElement[] {
  const elements = parent.children.filter((child) => typeof child !== 'string');
  const hasText = parent.children.some((child) => typeof child === 'string' && /[^ \t\n]/.test(child));
  const isExact = elements.length === names.length && elements.every((e, i) => e.local === names[i]);
  if (hasText || !isExact || elements.some((e) => e.namespace !== namespace)) {
    throw new CodedError(
      'ENDORSEMENT_MALFORMED',
      `manifest: ${parent.local} does not hold exactly ${names.join(', ')}`,
    );
  }
  return elements;
}

function only<T extends readonly string[]>(parent: XmlElement, ...names: T): { [K in keyof T]: XmlElement } {
  if (parent.attributes.length > 0) throw malformed(`attributes on ${parent.local}`);
  return exactChildren(parent, DS, names) as unknown as { [K in keyof T]: XmlElement };
}

/** An element with no content and this one attribute. */
function demand(element: XmlElement, attribute: string, value: string): void {
  const [first, ...others] = element.attributes;
  const isIt = first?.name === attribute && first.value === value && others.length === 0;
  if (!isIt || element.children.length > 0) throw malformed(`${element.local} is not of the one profile`);
}

/** Base64 text, in which white space is allowed. */
function base64(element: XmlElement): Uint8Array {
  const [text, ...others] = element.children;
  if (typeof text !== 'string' || others.length > 0 || element.attributes.length > 0) {
    throw malformed(`${element.local} is not text`);
  }
  return fromBase64(text.replaceAll(/[ \t\n]/g, ''), element.local);
}

/**
 * Reads ds:Signature in the one profile that NVIDIA uses: C14N 1.1, ECDSA with SHA-384, one Reference to the whole
 * document with the enveloped-signature transform and C14N 1.1, SHA-384, and one X509Data with four certificates.
 * @throws CodedError ENDORSEMENT_MALFORMED, ENCODING_INVALID
 */
export function parseRimSignature(element: XmlElement): RimSignature {
  const [signedInfo, signatureValue, keyInfo] = only(element, 'SignedInfo', 'SignatureValue', 'KeyInfo');
  const [c14n, method, reference] = only(signedInfo, 'CanonicalizationMethod', 'SignatureMethod', 'Reference');
  demand(c14n, 'Algorithm', C14N11);
  demand(method, 'Algorithm', ECDSA_SHA384);
  const [uri, ...otherAttributes] = reference.attributes;
  if (uri?.name !== 'URI' || uri.value !== '' || otherAttributes.length > 0) {
    throw malformed('the reference is not to the whole document');
  }
  const [transforms, digestMethod, digestValue] = exactChildren(reference, DS, [
    'Transforms',
    'DigestMethod',
    'DigestValue',
  ]) as [XmlElement, XmlElement, XmlElement];
  const [enveloped, canonical] = only(transforms, 'Transform', 'Transform');
  demand(enveloped, 'Algorithm', ENVELOPED);
  demand(canonical, 'Algorithm', C14N11);
  demand(digestMethod, 'Algorithm', SHA384);
  const digest = base64(digestValue);
  const signature = base64(signatureValue);
  if (digest.length !== DIGEST_BYTES) throw malformed('a digest of another length');
  if (signature.length !== SIGNATURE_BYTES) throw malformed('a signature of another length');
  const [data] = only(keyInfo, 'X509Data');
  const count = data.children.filter((child) => typeof child !== 'string').length;
  if (count > 2 * RIM_CHAIN_LENGTH) throw malformed('too many certificates');
  if (data.attributes.length > 0) throw malformed('attributes on X509Data');
  const certificates = exactChildren(data, DS, new Array(count).fill('X509Certificate')).map(base64);
  return { signedInfo, digest, signature, certificates };
}

/** Whether the digest is that of the document without its signature: of the very tree that values are read from. */
export function digestHolds(root: XmlElement, signatureElement: XmlElement, from: RimSignature): boolean {
  return equalBytes(sha384(utf8(canonicalize(root, signatureElement))), from.digest);
}

/** Whether the signer, whose chain the caller has verified, signed SignedInfo. */
export async function rimSignedBy(
  signer: X509Certificate,
  from: RimSignature,
  verify: EcdsaVerifier,
): Promise<boolean> {
  if (signer.publicKey?.curve !== 'P-384') return false;
  return verify('P-384', signer.publicKey.point, utf8(canonicalize(from.signedInfo)), from.signature);
}
