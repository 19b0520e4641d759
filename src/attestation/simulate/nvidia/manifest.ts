import { sha384 } from '#crypto';
import { type Bytes, toBase64, toHex, utf8 } from '../../../core/index.ts';
import type { SimulatedKey } from '../keys.ts';
import { activeIndexes, goldenValue, type NvidiaFirmware, type SimulatedRimRole, versionOf } from './firmware.ts';

/** What may differ from the manifest that judges this firmware. */
export type ManifestDefects = Readonly<{
  version?: string;
  product?: string;
  /** Golden indexes that are active; by default those of NVIDIA's manifests. */
  active?: readonly number[];
  /** Values that differ, by index, 48 bytes each: the alternatives. */
  alternatives?: Readonly<Record<number, readonly Uint8Array[]>>;
}>;

const SWID = 'http://standards.iso.org/iso/19770/-2/2015/schema.xsd';
const SHA384 = 'http://www.w3.org/2001/04/xmlenc#sha384';
const DS = 'http://www.w3.org/2000/09/xmldsig#';
const C14N11 = 'http://www.w3.org/2006/12/xml-c14n11';
/** In the order of Canonical XML; the default namespace first. */
const ROOT_NAMESPACES = `xmlns="${SWID}"`;
const OTHER_NAMESPACES = ` xmlns:ns0="${SWID}" xmlns:ns2="${SHA384}"`;

function resource(firmware: NvidiaFirmware, role: SimulatedRimRole, index: number, defects: ManifestDefects): string {
  const isActive = (defects.active ?? activeIndexes(firmware, role)).includes(index);
  const values = defects.alternatives?.[index] ?? [isActive ? goldenValue(firmware, index) : new Uint8Array(48)];
  const hashes = values.map((value, i) => ` ns2:Hash${i}="${toHex(value)}"`).join('');
  const active = isActive ? 'True' : 'False';
  return `<ns0:Resource active="${active}" alternatives="${values.length}" index="${index}" name="Measurement_${index}" size="48" type="Measurement"${hashes}></ns0:Resource>`;
}

/**
 * A manifest (an ISO/IEC 19770-2 tag) signed in the one profile of XML Signature that NVIDIA uses. The text is written in
 * the form that Canonical XML gives it, so that nothing has to be canonicalized here: the verifier's canonicalizer is
 * not its own judge.
 * @param chain signer first, root last, DER
 */
export function issueManifest(
  firmware: NvidiaFirmware,
  role: SimulatedRimRole,
  signer: Readonly<{ key: SimulatedKey; chain: readonly Uint8Array[] }>,
  defects: ManifestDefects = {},
): Bytes {
  const version = defects.version ?? versionOf(firmware, role);
  const product = defects.product ?? firmware.chip.replace('_', '');
  const edition = firmware.kind === 'gpu' ? 'GPU' : 'SWITCH';
  const count = firmware.kind === 'gpu' ? 64 : 31;
  const resources = Array.from({ length: count }, (_, index) => resource(firmware, role, index, defects)).join('');
  const tagId = toHex(sha384(utf8(`${product} ${role} ${version}`)));
  const head = `<SoftwareIdentity ${ROOT_NAMESPACES}${OTHER_NAMESPACES} corpus="false" name="${product}" patch="false" supplemental="false" tagId="${tagId}" tagVersion="0" version="1.0">`;
  const body =
    `<ns0:Entity name="Chrysalis simulator, not NVIDIA" role="softwareCreator tagCreator"></ns0:Entity>` +
    `<ns0:Meta PayloadType="direct" colloquialVersion="${version}" edition="${edition}" product="${product}" revision="r1"></ns0:Meta>` +
    `<ns0:Payload>${resources}</ns0:Payload>`;
  const digest = sha384(utf8(`${head}${body}</SoftwareIdentity>`));
  return utf8(`${head}${body}${signatureElement(digest, signer)}</SoftwareIdentity>`);
}

function signatureElement(
  digest: Uint8Array,
  { key, chain }: Readonly<{ key: SimulatedKey; chain: readonly Uint8Array[] }>,
): string {
  const algorithm = (element: string, uri: string) => `<ds:${element} Algorithm="${uri}"></ds:${element}>`;
  const inner =
    algorithm('CanonicalizationMethod', C14N11) +
    algorithm('SignatureMethod', 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384') +
    `<ds:Reference URI=""><ds:Transforms>${algorithm('Transform', `${DS}enveloped-signature`)}${algorithm('Transform', C14N11)}</ds:Transforms>` +
    `${algorithm('DigestMethod', 'http://www.w3.org/2001/04/xmldsig-more#sha384')}<ds:DigestValue>${toBase64(digest)}</ds:DigestValue></ds:Reference>`;
  // SignedInfo alone, with every namespace in scope where it stands.
  const canonical = `<ds:SignedInfo ${ROOT_NAMESPACES} xmlns:ds="${DS}"${OTHER_NAMESPACES}>${inner}</ds:SignedInfo>`;
  const certificates = chain.map((der) => `<ds:X509Certificate>${toBase64(der)}</ds:X509Certificate>`).join('');
  return (
    `<ds:Signature xmlns:ds="${DS}"><ds:SignedInfo>${inner}</ds:SignedInfo>` +
    `<ds:SignatureValue>${toBase64(key.signRaw(utf8(canonical)))}</ds:SignatureValue>` +
    `<ds:KeyInfo><ds:X509Data>${certificates}</ds:X509Data></ds:KeyInfo></ds:Signature>`
  );
}
