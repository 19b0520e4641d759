import { sha256 } from '#crypto';
import { type Bytes, CodedError, fromHex, fromUtf8, toHex } from '../../../core/index.ts';
import { type Judged, judgeParse, ok, wrong } from '../judged.ts';
import { anchorFor, type TrustAnchor } from '../trust-anchor.ts';
import type { VerificationCache } from '../verification-cache.ts';
import { type NvidiaChain, verifyNvidiaChain } from './chain.ts';
import {
  digestHolds,
  exactChildren,
  parseRimSignature,
  RIM_CHAIN_LENGTH,
  type RimSignature,
  rimSignedBy,
} from './rim-signature.ts';
import { parseXml, type XmlElement } from './xml.ts';

export const RIM_BYTES_MAX = 256 * 1024;
export const GOLDEN_INDEXES = 64;
export const ALTERNATIVES_MAX = 16;
const RESOURCES_MAX = 256;
const SWID = 'http://standards.iso.org/iso/19770/-2/2015/schema.xsd';
const SHA384_ATTRIBUTE = 'http://www.w3.org/2001/04/xmlenc#sha384';

/** One reference value of a manifest. */
export type GoldenMeasurement = Readonly<{
  /** 0 to 63; about measurement block `index` + 1. */
  index: number;
  active: boolean;
  /** Any one of them is right. */
  alternatives: readonly Bytes[];
}>;

/** A manifest (RIM): what NVIDIA says genuine firmware measures to. Nothing in it is verified. */
export type ParsedRim = Readonly<{
  /** The version it is about: of the driver, or of the VBIOS. */
  version: string;
  /** `GH100`, `GB100`, `LS10`. */
  product: string;
  edition: string;
  tagId: string;
  measurements: readonly GoldenMeasurement[];
}>;

/** A manifest whose signature holds and whose signer chains to a pinned root. Dates and revocation are judged apart. */
export type NvidiaRim = ParsedRim & Readonly<{ sha256: Bytes; chain: NvidiaChain }>;

/**
 * Verifies a manifest: the one XML signature profile, the digest over the very tree that the values are read from, the
 * signer's chain to a pinned root, and the signature by that chain's leaf, whatever else the file may offer as a key.
 * Independent of time.
 */
export async function verifyRim(
  bytes: Uint8Array,
  anchors: readonly TrustAnchor[],
  cache: VerificationCache,
): Promise<Judged<NvidiaRim>> {
  if (bytes.length > RIM_BYTES_MAX) return wrong('EVIDENCE_TOO_LARGE', `a manifest has at most ${RIM_BYTES_MAX} bytes`);
  const digest = sha256(bytes);
  const key = `rim ${toHex(digest)}`;
  const known = cache.chains.get(key) as NvidiaRim | undefined;
  if (known !== undefined) {
    // The root is what the caller trusts, and it may be another one this time.
    const anchor = anchorFor(known.chain.root.spkiSha256, anchors);
    if (anchor !== null) return ok({ ...known, chain: { ...known.chain, anchor } });
  }
  const parsed = judgeParse('manifest', () => parseRim(bytes));
  if (parsed.state !== 'ok') return parsed;
  const { root, signatureElement, signature, rim } = parsed.value;
  const chain = await verifyNvidiaChain(signature.certificates, RIM_CHAIN_LENGTH, anchors, cache);
  if (chain.state === 'failed') return wrong('ENDORSEMENT_CHAIN_INVALID', `manifest signer: ${chain.reason}`);
  if (chain.state !== 'ok') return chain;
  if (!digestHolds(root, signatureElement, signature)) {
    return wrong('ENDORSEMENT_SIGNATURE_INVALID', 'the manifest is not what was signed: its digest differs');
  }
  if (!(await rimSignedBy(chain.value.leaf, signature, cache.verify))) {
    return wrong('ENDORSEMENT_SIGNATURE_INVALID', 'the manifest is not signed by the key of its verified chain');
  }
  if (!familyOf(chain.value, rim.product)) {
    return wrong('ENDORSEMENT_CHAIN_INVALID', 'the manifest is signed under another product family');
  }
  const verified: NvidiaRim = { ...rim, sha256: digest, chain: chain.value };
  cache.chains.set(key, verified);
  return ok(verified);
}

/** The product CA, third in the chain, is one per family: "NVIDIA Reference Value GH100 CA". */
function familyOf(chain: NvidiaChain, product: string): boolean {
  const name = chain.certificates[2]?.subject.commonName ?? '';
  const family = /^NVIDIA Reference Value ([A-Z0-9]+) CA(?: \d{3})?$/.exec(name)?.[1];
  if (family === undefined) return false;
  return family === product || (family === 'GB1XX' && /^GB1\d\d$/.test(product));
}

type Parts = Readonly<{ root: XmlElement; signatureElement: XmlElement; signature: RimSignature; rim: ParsedRim }>;

function parseRim(bytes: Uint8Array): Parts {
  const root = parseXml(fromUtf8(bytes, 'manifest'));
  if (root.namespace !== SWID || root.local !== 'SoftwareIdentity') throw malformed('the root is not SoftwareIdentity');
  const signatureElement = root.children.findLast((child) => typeof child !== 'string');
  if (signatureElement === undefined || signatureElement.local !== 'Signature')
    throw malformed('no Signature at the end');
  if (signatureElement.namespace !== 'http://www.w3.org/2000/09/xmldsig#')
    throw malformed('a Signature of another kind');
  const unsigned = { ...root, children: root.children.filter((child) => child !== signatureElement) };
  const [, meta, payload] = exactChildren(unsigned, SWID, ['Entity', 'Meta', 'Payload']) as [
    XmlElement,
    XmlElement,
    XmlElement,
  ];
  const rim = {
    version: attribute(meta, 'colloquialVersion'),
    product: attribute(meta, 'product'),
    edition: attribute(meta, 'edition'),
    tagId: attribute(root, 'tagId'),
    measurements: parsePayload(payload),
  };
  return { root, signatureElement, signature: parseRimSignature(signatureElement), rim };
}

function malformed(why: string): CodedError {
  return new CodedError('ENDORSEMENT_MALFORMED', `manifest: ${why}`);
}

function attribute(element: XmlElement, local: string): string {
  const found = element.attributes.find((one) => one.namespace === '' && one.local === local);
  if (found === undefined || found.value === '') throw malformed(`${element.local} has no ${local}`);
  return found.value;
}

function parsePayload(payload: XmlElement): GoldenMeasurement[] {
  const count = payload.children.filter((child) => typeof child !== 'string').length;
  if (count > RESOURCES_MAX) throw malformed('too many resources');
  const resources = exactChildren(payload, SWID, new Array(count).fill('Resource'));
  const seen = new Set<number>();
  return resources.map((resource) => {
    const measurement = parseMeasurement(resource);
    if (seen.has(measurement.index)) throw malformed(`index ${measurement.index} twice`);
    seen.add(measurement.index);
    return measurement;
  });
}

function number(element: XmlElement, local: string, max: number): number {
  const text = attribute(element, local);
  if (!/^(0|[1-9]\d{0,3})$/.test(text) || Number(text) > max) throw malformed(`${local} is not between 0 and ${max}`);
  return Number(text);
}

const KNOWN: ReadonlySet<string> = new Set(['type', 'index', 'active', 'alternatives', 'name', 'size']);

function parseMeasurement(resource: XmlElement): GoldenMeasurement {
  // An unknown kind may be a demand that this reader would not enforce.
  if (attribute(resource, 'type') !== 'Measurement') throw malformed('a resource of unknown type');
  if (resource.children.length > 0) throw malformed('a resource with content');
  const index = number(resource, 'index', GOLDEN_INDEXES - 1);
  const active = attribute(resource, 'active');
  if (active !== 'True' && active !== 'False') throw malformed(`index ${index}: active is neither True nor False`);
  const count = number(resource, 'alternatives', ALTERNATIVES_MAX);
  const size = number(resource, 'size', 64);
  if (size !== 48) throw malformed(`index ${index}: not 48 bytes`);
  const hashes = resource.attributes.filter(({ namespace }) => namespace !== '');
  const others = resource.attributes.length - hashes.length;
  const unknown = resource.attributes.some(({ namespace, local }) => namespace === '' && !KNOWN.has(local));
  if (unknown || others !== KNOWN.size) throw malformed(`index ${index}: not the known attributes`);
  if (count === 0 || hashes.length !== count) throw malformed(`index ${index}: not as many hashes as alternatives`);
  const alternatives = Array.from({ length: count }, (_, i) => {
    const hash = hashes.find(({ namespace, local }) => namespace === SHA384_ATTRIBUTE && local === `Hash${i}`);
    if (hash === undefined || hash.value.length !== 2 * size) throw malformed(`index ${index}: Hash${i}`);
    return fromHex(hash.value, `Hash${i}`);
  });
  return { index, active: active === 'True', alternatives };
}
